//! What a new definition of a connection may change about the former one.
//!
//! Decides: that a restriction of hosts cannot be edited away: the secrets of the connection were given for
//! the hosts that it allows. Leaves to others: every other rule of a document.

use super::{Definition, Parameter};
use crate::protocol::validation::{Issue, Step};

impl Definition {
    /// What forbids that this definition follows another one: `type` and `allowed_values` of a parameter stay as they
    /// are, a restricted parameter stays, and beside one there is no host that the former definition did not have:
    /// neither a literal one, nor one that has the parameter's value as a part, nor that of a new parameter.
    #[must_use]
    pub fn check_succession(&self, former: &Self) -> Vec<Issue> {
        let mut issues = Vec::new();
        for old in &former.parameters {
            match self.parameters.iter().position(|new| new.name == old.name) {
                Some(index) => issues.extend(self.parameters.get(index).and_then(|new| self.differs(old, new, index))),
                None if old.is_restricted() => issues.push(Issue::value(
                    self.place("connector_params"),
                    format!("the parameter '{}' restricts hosts and cannot be removed", old.name),
                )),
                None => {}
            }
        }
        if former.parameters.iter().any(Parameter::is_restricted) {
            for target in self.targets() {
                if !former.targets().any(|old| old.host == target.host) {
                    let text = "hosts are restricted by allowed_values: another host cannot be added";
                    issues.push(Issue::value(target.host_place.clone(), text));
                }
            }
        }
        issues
    }

    /// The issue of a parameter that restricts otherwise than before.
    fn differs(&self, old: &Parameter, new: &Parameter, index: usize) -> Option<Issue> {
        let member = if old.kind != new.kind {
            "type"
        } else if old.allowed_values != new.allowed_values {
            "allowed_values"
        } else {
            return None;
        };
        let mut loc = self.place("connector_params");
        loc.extend([index.into(), member.into()]);
        let text = format!("'{member}' of the parameter '{}' cannot be changed, added or removed", old.name);
        Some(Issue::value(loc, text))
    }

    /// The way to a top-level member of the document as it was given.
    fn place(&self, name: &str) -> Vec<Step> {
        let mut loc = self.target.host_place.clone();
        // `client_config`, `host`
        loc.truncate(loc.len().saturating_sub(2));
        loc.push(name.into());
        loc
    }
}
