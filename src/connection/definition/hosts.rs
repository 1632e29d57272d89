//! Which hosts the requests of a document reach.
//!
//! Decides: when a document or the secrets of a connection are refused because of a host (checklist S1 to S13), what
//! the document's own list of hosts may hold, and that a restricted parameter cannot be bypassed. Leaves to others: the
//! rules for a URL (`outbound`), which are applied again before each request.

use serde_json::{Map, Value};
use url::Url;

use super::{
    Action, Definition, Target,
    reader::{Issues, Node},
};
use crate::{
    connection::{
        outbound::{self, OutboundPolicy},
        template::{RenderProblem, values::Values},
    },
    protocol::{host::HostList, validation::Issue},
};

/// Stands for the value of a placeholder in a host: several labels, so that it can be a whole host.
const STAND_IN: &str = "a.example.com";

impl Definition {
    /// Checks the hosts as far as the document fixes them: literal ones fully, of others the protocol, port and ending.
    #[must_use]
    pub fn check_hosts(&self, policy: &OutboundPolicy) -> Vec<Issue> {
        let mut issues = Vec::new();
        for target in self.targets() {
            let is_literal = target.host.placeholders().next().is_none();
            if !is_literal && policy.allow_loopback {
                continue;
            }
            // Whether a value is on a list is seen when there is one.
            let (any, all) = (OutboundPolicy::default(), HostList::default());
            let (policy, listed) = if is_literal { (policy, &self.allowed_hosts) } else { (&any, &all) };
            if let Some(problem) = problem(target, &target.host.with_stand_in(STAND_IN), policy, listed) {
                issues.push(Issue::value(target.host_place.clone(), problem));
            }
        }
        issues
    }

    /// Checks the hosts that the secrets of a connection make (S11). Missing secrets are not looked at.
    #[must_use]
    pub fn check_secret_hosts(&self, secrets: &Map<String, Value>, policy: &OutboundPolicy) -> Vec<Issue> {
        let values = Values::new().with_all(secrets);
        let mut issues: Vec<Issue> = Vec::new();
        for target in self.targets() {
            let Some(placeholder) = target.host.placeholders().next() else {
                continue;
            };
            let found = match target.host.host(&values, policy.allow_loopback) {
                Ok(host) => problem(target, host.expose(), policy, &self.allowed_hosts),
                Err(RenderProblem::Missing { .. }) => None,
                Err(unusable) => Some(unusable.to_string()),
            };
            let issue = found.map(|text| Issue::value(vec![placeholder.name().into()], text));
            if let Some(issue) = issue.filter(|issue| !issues.contains(issue)) {
                issues.push(issue);
            }
        }
        issues
    }

    /// With a parameter restricted by `allowed_values`, hosts must be literal or made of restricted parameters only:
    /// another parameter would be a way around the restriction.
    pub(super) fn check_restrictions(&self, issues: &mut Issues) {
        let restricted =
            |name: &str| self.parameters.iter().any(|parameter| parameter.is_restricted() && parameter.name == name);
        if !self.parameters.iter().any(super::Parameter::is_restricted) {
            return;
        }
        for target in self.targets() {
            for placeholder in target.host.placeholders() {
                if !restricted(placeholder.name()) {
                    issues.push(Issue::value(
                        target.host_place.clone(),
                        format!(
                            "the host uses <{}>, which has no allowed_values while other parameters have",
                            placeholder.written()
                        ),
                    ));
                }
            }
        }
    }

    /// All addresses in the document that requests of ours go to.
    pub(super) fn targets(&self) -> impl Iterator<Item = &Target> {
        let actions = [Action::Authorize, Action::Access, Action::Refresh, Action::Revoke, Action::Test];
        let own = actions.into_iter().filter_map(|action| self.request(action)?.target.as_ref());
        std::iter::once(&self.target).chain(own)
    }
}

/// Reads `allowed_hosts`, our extension: patterns as in the setting `ALLOWED_HOSTS`. An empty list would allow nothing,
/// and is refused, since it was hardly meant.
pub(super) fn read_allowed(node: &Node<'_>, issues: &mut Issues) -> HostList {
    let mut hosts = HostList::default();
    let patterns = node.optional_elements(issues);
    if patterns.is_empty() && node.given().is_some_and(Value::is_array) {
        issues.push(node.issue_of("too_short", "List should have at least 1 item after validation, not 0"));
    }
    for pattern in patterns {
        let Some(text) = pattern.text(issues) else { continue };
        if let Err(problem) = hosts.add(text) {
            issues.push(pattern.issue(problem.to_string()));
        }
    }
    hosts
}

/// Why a host may not be spoken to, if so.
fn problem(target: &Target, host: &str, policy: &OutboundPolicy, listed: &HostList) -> Option<String> {
    let Ok(url) = Url::parse(&format!("{}://{host}/", target.protocol.as_str())) else {
        return Some("the host is malformed".to_owned());
    };
    outbound::check(&url, policy, listed).err().map(|problem| problem.to_string())
}
