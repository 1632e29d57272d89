//! The documents that create a client, change it, or rotate its secret.
//!
//! Decides: which bodies are acceptable. Leaves to others: whether the caller may give these scopes (the registry).

use serde_json::{Map, Value};
use url::Url;

use crate::{
    authorization_server::{
        client::{ClientChange, Edit},
        scope_registry::EVERY_SCOPE,
    },
    protocol::{
        jwk::JwkSet,
        number::whole,
        scope::{SCOPE_LIMIT, Scope},
        time::{Seconds, UnixSeconds},
        validation::{Issue, Step},
    },
};

/// Longest `name` or `description`, in characters.
const TEXT_LIMIT: usize = 1024;

/// Most unknown members that are listed: the first ones tell enough.
const UNKNOWN_LIMIT: usize = 100;

/// Most resources of one client.
const RESOURCE_LIMIT: usize = 32;

/// Longest resource, in bytes.
const RESOURCE_LENGTH: usize = 512;

/// Longest overlap of two secrets: 30 days.
const OVERLAP_LIMIT_MINUTES: u64 = 30 * 24 * 60;

/// What a caller asks for when it creates a client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientRequest {
    /// Wanted scopes.
    pub scopes: Scope,
    /// For people.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// The resources that it may ask tokens for (RFC 8707).
    pub resources: Vec<String>,
    /// The public keys of its assertions (RFC 7523).
    pub jwks: Option<JwkSet>,
    /// When its secret stops being good.
    pub secret_expires_at: Option<UnixSeconds>,
}

/// What a caller asks for when it rotates a secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RotationRequest {
    /// How long the old secret stays good.
    pub overlap: Seconds,
    /// When the new one stops being good.
    pub secret_expires_at: Option<UnixSeconds>,
    /// Whether all tokens of the client die too.
    pub revoke_tokens: bool,
}

/// Why a body is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientProblem {
    /// 422: the document is malformed.
    Malformed(Vec<Issue>),
    /// 403, as Fides has it: a scope that no registry knows.
    UnknownScope,
}

/// Reads the body of `POST /oauth/client`: an object, a bare array of scopes (fidesops), or nothing.
///
/// # Errors
/// 422 for another shape or an unknown member (checklist C8, C9), 403 for a scope that does not exist.
pub fn read_client_request(body: &Value, now: UnixSeconds) -> Result<ClientRequest, ClientProblem> {
    match body {
        Value::Null => Ok(ClientRequest::default()),
        Value::Array(_) => Ok(ClientRequest { scopes: read_scopes(body, &at_body())?, ..ClientRequest::default() }),
        Value::Object(members) => {
            const KNOWN: [&str; 6] = ["scopes", "name", "description", "resources", "jwks", "secret_expires_at"];
            let mut reader = Reader::new(members, &KNOWN);
            let request = ClientRequest {
                name: reader.name(),
                description: reader.text("description"),
                resources: reader.resources().unwrap_or_default(),
                jwks: reader.jwks(),
                secret_expires_at: reader.instant_after("secret_expires_at", now),
                scopes: reader.scopes(members.get("scopes")).unwrap_or_default(),
            };
            reader.finish()?;
            Ok(request)
        }
        _ => Err(malformed(Issue::not_object(at_body()))),
    }
}

/// Reads the body of `PUT /oauth/client/{client_id}`: what is absent stays; `description` and `jwks` are removed by
/// `null`, `name` and `scopes` are not.
///
/// # Errors
/// 422 for another shape or an unknown member, 403 for a scope that does not exist.
pub fn read_client_change(body: &Value) -> Result<ClientChange, ClientProblem> {
    let members = match body {
        Value::Object(members) => members,
        Value::Null => return Err(malformed(Issue::missing(at_body()))),
        _ => return Err(malformed(Issue::not_object(at_body()))),
    };
    let mut reader = Reader::new(members, &["scopes", "name", "description", "resources", "jwks"]);
    let is_null = |member: &str| members.get(member).is_some_and(Value::is_null);
    let scopes = reader.given("scopes");
    let change = ClientChange {
        name: reader.name(),
        description: Edit::of(reader.text("description"), is_null("description")),
        resources: reader.resources(),
        jwks: Edit::of(reader.jwks(), is_null("jwks")),
        scopes: reader.scopes(scopes),
    };
    reader.finish()?;
    Ok(change)
}

/// Reads the body of `POST /oauth/client/{client_id}/secret`: nothing, or an object.
///
/// # Errors
/// 422.
pub fn read_rotation_request(body: &Value, now: UnixSeconds) -> Result<RotationRequest, ClientProblem> {
    let members = match body {
        Value::Null => return Ok(RotationRequest::default()),
        Value::Object(members) => members,
        _ => return Err(malformed(Issue::not_object(at_body()))),
    };
    let mut reader = Reader::new(members, &["overlap_minutes", "secret_expires_at", "revoke_tokens"]);
    let minutes = reader.number("overlap_minutes", 0, OVERLAP_LIMIT_MINUTES).unwrap_or_default();
    let secret_expires_at = reader.instant_after("secret_expires_at", now);
    let revoke_tokens = reader.switch("revoke_tokens");
    if revoke_tokens && minutes > 0 {
        let msg = "an emergency revocation leaves no old secret good: overlap_minutes must be 0";
        reader.issues.push(Issue::value(at("overlap_minutes"), msg));
    }
    reader.finish()?;
    Ok(RotationRequest { overlap: Seconds(minutes * 60), secret_expires_at, revoke_tokens })
}

/// A JSON array of scope-tokens that all exist; duplicates collapse.
///
/// # Errors
/// 422 with the path of each wrong element; 403 for a scope that does not exist.
pub fn read_scopes(value: &Value, loc: &[Step]) -> Result<Scope, ClientProblem> {
    let tokens = read_texts(value, loc, SCOPE_LIMIT).map_err(ClientProblem::Malformed)?;
    if tokens.iter().any(|token| !EVERY_SCOPE.contains(token)) {
        return Err(ClientProblem::UnknownScope);
    }
    Ok(tokens.into_iter().collect())
}

/// A JSON array of texts, at most so many.
fn read_texts<'a>(value: &'a Value, loc: &[Step], limit: usize) -> Result<Vec<&'a str>, Vec<Issue>> {
    let Value::Array(elements) = value else {
        return Err(vec![Issue::not_list(loc.to_vec())]);
    };
    if elements.len() > limit {
        return Err(vec![Issue::list_too_long(loc.to_vec(), limit, elements.len())]);
    }
    let (mut texts, mut issues) = (Vec::new(), Vec::new());
    for (index, element) in elements.iter().enumerate() {
        match element.as_str() {
            Some(text) => texts.push(text),
            None => issues.push(Issue::not_text(vec![index.into()]).within(loc)),
        }
    }
    if issues.is_empty() { Ok(texts) } else { Err(issues) }
}

/// The members of an object, read one after the other; what is wrong with any of them is gathered.
struct Reader<'a> {
    /// The object.
    members: &'a Map<String, Value>,
    /// What is wrong so far.
    issues: Vec<Issue>,
    /// Whether there was a scope that no registry knows.
    has_unknown_scope: bool,
}

impl<'a> Reader<'a> {
    /// A reader of an object that may have these members and no others (checklist C8).
    fn new(members: &'a Map<String, Value>, known: &[&str]) -> Self {
        let unknown = members.keys().filter(|member| !known.contains(&member.as_str()));
        let issues = unknown.take(UNKNOWN_LIMIT).map(|member| Issue::unknown_member(at(member))).collect();
        Self { members, issues, has_unknown_scope: false }
    }

    /// A member that is there and not null.
    fn given(&self, member: &str) -> Option<&'a Value> {
        self.members.get(member).filter(|value| !value.is_null())
    }

    /// A text.
    fn text(&mut self, member: &'static str) -> Option<String> {
        match self.given(member)? {
            Value::String(text) if text.chars().count() <= TEXT_LIMIT => return Some(text.clone()),
            Value::String(_) => self.issues.push(Issue::text_too_long(at(member), TEXT_LIMIT)),
            _ => self.issues.push(Issue::not_text(at(member))),
        }
        None
    }

    /// The name, which is not blank.
    fn name(&mut self) -> Option<String> {
        let name = self.text("name")?;
        if name.trim().is_empty() {
            self.issues.push(Issue::value(at("name"), "name must not be empty"));
        }
        Some(name)
    }

    /// A whole number between two bounds.
    fn number(&mut self, member: &'static str, least: u64, most: u64) -> Option<u64> {
        let issue = match whole(self.given(member)?).map(u64::try_from) {
            Some(Ok(number)) if (least..=most).contains(&number) => return Some(number),
            None => Issue::new("int_type", at(member), "Input should be a valid integer"),
            Some(Ok(number)) if number > most => Issue::too_large(at(member), most),
            Some(_) => Issue::too_small(at(member), least),
        };
        self.issues.push(issue);
        None
    }

    /// An instant that has not passed, as Unix seconds.
    fn instant_after(&mut self, member: &'static str, now: UnixSeconds) -> Option<UnixSeconds> {
        self.number(member, now.0 + 1, UnixSeconds::LAST.0).map(UnixSeconds)
    }

    /// `true` or `false`; false when absent.
    fn switch(&mut self, member: &'static str) -> bool {
        match self.given(member) {
            None => false,
            Some(Value::Bool(on)) => *on,
            Some(_) => {
                self.issues.push(Issue::not_boolean(at(member)));
                false
            }
        }
    }

    /// The resources: absolute URIs without a fragment (RFC 8707 §2), each once.
    fn resources(&mut self) -> Option<Vec<String>> {
        let value = self.given("resources")?;
        let texts = match read_texts(value, &at("resources"), RESOURCE_LIMIT) {
            Ok(texts) => texts,
            Err(issues) => {
                self.issues.extend(issues);
                return None;
            }
        };
        let mut resources: Vec<String> = Vec::new();
        for (index, text) in texts.into_iter().enumerate() {
            if !is_resource(text) {
                let msg = "a resource is an absolute URI without a fragment (RFC 8707)";
                self.issues.push(Issue::value(vec!["body".into(), "resources".into(), index.into()], msg));
            } else if !resources.iter().any(|known| known == text) {
                resources.push(text.to_owned());
            }
        }
        Some(resources)
    }

    /// The scopes, all of which exist.
    fn scopes(&mut self, value: Option<&Value>) -> Option<Scope> {
        match read_scopes(value?, &at("scopes")) {
            Ok(scopes) => return Some(scopes),
            Err(ClientProblem::Malformed(issues)) => self.issues.extend(issues),
            Err(ClientProblem::UnknownScope) => self.has_unknown_scope = true,
        }
        None
    }

    /// The public keys.
    fn jwks(&mut self) -> Option<JwkSet> {
        JwkSet::read(self.given("jwks")?, &at("jwks")).map_err(|issues| self.issues.extend(issues)).ok()
    }

    /// Fails if anything was wrong; a malformed document is told of before a scope that does not exist.
    fn finish(self) -> Result<(), ClientProblem> {
        if !self.issues.is_empty() {
            return Err(ClientProblem::Malformed(self.issues));
        }
        if self.has_unknown_scope { Err(ClientProblem::UnknownScope) } else { Ok(()) }
    }
}

/// An absolute URI without a fragment, in the characters of RFC 3986, at most 512 bytes.
#[must_use]
pub fn is_resource(text: &str) -> bool {
    let written = text.len() <= RESOURCE_LENGTH && text.bytes().all(|byte| byte.is_ascii_graphic());
    written && !text.contains(['#', '"', '\\', '<', '>']) && Url::parse(text).is_ok()
}

/// The body itself.
fn at_body() -> Vec<Step> {
    vec!["body".into()]
}

/// A member of the body.
fn at(member: &str) -> Vec<Step> {
    vec!["body".into(), member.into()]
}

/// One issue as a problem.
fn malformed(issue: Issue) -> ClientProblem {
    ClientProblem::Malformed(vec![issue])
}

#[cfg(test)]
mod tests;
