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
mod tests {
    use serde_json::json;

    use super::*;

    /// The instant at which the tests read.
    const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

    /// Kind and place of each issue, the place as a JSON text.
    fn wrong<Document: std::fmt::Debug>(read: Result<Document, ClientProblem>) -> Vec<(String, String)> {
        match read {
            Err(ClientProblem::Malformed(issues)) => {
                let pair = |issue: &Issue| (issue.kind.to_string(), serde_json::to_string(&issue.loc).unwrap());
                issues.iter().map(pair).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    /// The places of the issues that a body has.
    fn places(body: &Value) -> Vec<String> {
        wrong(read_client_request(body, NOW)).into_iter().map(|(_, place)| place).collect()
    }

    #[test]
    fn object_bare_array_and_nothing_are_accepted() {
        let scopes = Scope::parse("policy:read rule:read").unwrap();
        let object = read_client_request(&json!({"scopes": ["policy:read", "rule:read"], "name": "n"}), NOW).unwrap();
        let expected = ClientRequest { scopes: scopes.clone(), name: Some("n".to_owned()), ..ClientRequest::default() };
        assert_eq!(object, expected);
        assert_eq!(read_client_request(&json!(["policy:read", "rule:read"]), NOW).unwrap().scopes, scopes);
        for nothing in [json!(null), json!({}), json!([])] {
            assert_eq!(read_client_request(&nothing, NOW).unwrap(), ClientRequest::default());
        }
    }

    /// C8: no member can be smuggled in, whatever is created, changed or rotated.
    #[test]
    fn unknown_members_are_refused() {
        for member in ["client_id", "client_secret", "is_root", "epoch", "created_at", "previous_secret", "secret"] {
            let (body, issue) = (json!({ member: "x" }), format!(r#"["body","{member}"]"#));
            let expected = vec![("extra_forbidden".to_owned(), issue)];
            assert_eq!(wrong(read_client_request(&body, NOW)), expected);
            assert_eq!(wrong(read_client_change(&body)), expected);
            assert_eq!(wrong(read_rotation_request(&body, NOW)), expected);
        }
        assert_eq!(wrong(read_client_change(&json!({"secret_expires_at": NOW.0 + 1}))).len(), 1);
    }

    /// C8: an answer does not grow without bound with what is wrong.
    #[test]
    fn at_most_100_unknown_members_are_listed() {
        let members: Map<String, Value> = (0..8000).map(|number| (format!("{number:x}"), json!(0))).collect();
        let body = Value::Object(members);
        assert_eq!(places(&body).len(), 100);
        assert_eq!(wrong(read_client_change(&body)).len(), 100);
    }

    /// C9: wrong types, with the path of each; duplicates collapse; at most 256 entries.
    #[test]
    fn malformed_scope_lists_are_refused_with_their_path() {
        assert_eq!(places(&json!({"scopes": "policy:read"})), [r#"["body","scopes"]"#]);
        assert_eq!(places(&json!([null, "policy:read", 1])), [r#"["body",0]"#, r#"["body",2]"#]);
        assert_eq!(places(&json!({"scopes": null})), [r#"["body","scopes"]"#]);
        assert_eq!(places(&json!("policy:read")), [r#"["body"]"#]);
        assert_eq!(places(&Value::Array(vec![json!("policy:read"); 10_000])), [r#"["body"]"#]);
        let twice = read_client_request(&json!(["policy:read", "policy:read"]), NOW).unwrap();
        assert_eq!(twice.scopes.to_string(), "policy:read");
    }

    #[test]
    fn a_blank_or_huge_name_is_refused() {
        assert_eq!(places(&json!({"name": "  "})), [r#"["body","name"]"#]);
        assert_eq!(places(&json!({"name": "x".repeat(2000)})), [r#"["body","name"]"#]);
    }

    #[test]
    fn a_scope_that_does_not_exist_is_no_syntax_error() {
        assert_eq!(read_client_request(&json!(["policy:readd"]), NOW), Err(ClientProblem::UnknownScope));
        assert_eq!(read_client_change(&json!({"scopes": ["x"]})), Err(ClientProblem::UnknownScope));
    }

    /// T32: a resource is an absolute URI without a fragment; duplicates collapse.
    #[test]
    fn resources_are_absolute_uris_without_fragment() {
        let body = json!({"resources": ["https://a.example/x?y", "urn:a:b", "https://a.example/x?y"]});
        let read = read_client_request(&body, NOW).unwrap();
        assert_eq!(read.resources, ["https://a.example/x?y", "urn:a:b"]);
        let long = format!("https://a.example/{}", "x".repeat(RESOURCE_LENGTH));
        let international = ["https://\u{e9}", "https://aA%C3%A9"];
        let other = ["", "a.example", "/x", "https://a#", "https://a#x", "https://a b", "u:\"", &long];
        for bad in [&international[..], &other].concat() {
            assert_eq!(places(&json!({"resources": [bad]})), [r#"["body","resources",0]"#], "{bad}");
        }
        for (bad, kind) in [(json!("x"), "list_type"), (json!(vec!["urn:a:b"; 33]), "too_long")] {
            let issues = wrong(read_client_change(&json!({ "resources": bad })));
            assert_eq!(issues, [(kind.to_owned(), r#"["body","resources"]"#.to_owned())]);
        }
    }

    #[test]
    fn a_secret_expires_at_an_instant_to_come() {
        let read = |at: Value| read_client_request(&json!({ "secret_expires_at": at }), NOW);
        assert_eq!(read(json!(NOW.0 + 1)).unwrap().secret_expires_at, Some(UnixSeconds(NOW.0 + 1)));
        assert_eq!(read(json!(1.9e9)).unwrap().secret_expires_at, Some(UnixSeconds(1_900_000_000)));
        assert_eq!(read(json!(null)).unwrap().secret_expires_at, None);
        for (bad, kind) in [
            (json!(NOW.0), "greater_than_equal"),
            (json!(-1), "greater_than_equal"),
            (json!(UnixSeconds::LAST.0 + 1), "less_than_equal"),
            (json!(u64::MAX), "less_than_equal"),
            (json!("2030-01-01"), "int_type"),
            (json!(1_900_000_000.5), "int_type"),
            (json!(true), "int_type"),
        ] {
            assert_eq!(wrong(read(bad.clone()))[0].0, kind, "{bad}");
        }
    }

    /// What is absent stays; null removes a description, not a name.
    #[test]
    fn an_update_is_partial() {
        assert_eq!(read_client_change(&json!({})), Ok(ClientChange::default()));
        let nulls = json!({"name": null, "description": null, "scopes": null, "resources": null, "jwks": null});
        let expected = ClientChange { description: Edit::Clear, jwks: Edit::Clear, ..ClientChange::default() };
        assert_eq!(read_client_change(&nulls), Ok(expected));
        let set = read_client_change(&json!({"name": "n", "description": "", "scopes": []})).unwrap();
        assert_eq!((set.name, set.description), (Some("n".to_owned()), Edit::Set(String::new())));
        assert_eq!((set.scopes, set.resources), (Some(Scope::default()), None));
        assert_eq!(wrong(read_client_change(&json!(null))), [("missing".to_owned(), r#"["body"]"#.to_owned())]);
        assert_eq!(wrong(read_client_change(&json!([])))[0].0, "model_attributes_type");
    }

    /// Everything that is wrong is said at once, in the order of Fides, when creating as when changing.
    #[test]
    fn all_that_is_wrong_is_named_at_once() {
        let pair = |kind: &str, member: &str| (kind.to_owned(), format!(r#"["body","{member}"]"#));
        let texts = [pair("string_type", "name"), pair("string_type", "description")];
        let body = |scopes: Value| json!({"name": [], "description": 5, "scopes": scopes});
        for (scopes, last) in [(json!("x"), vec![pair("list_type", "scopes")]), (json!(["policy:readd"]), Vec::new())] {
            let expected = [&texts[..], &last].concat();
            assert_eq!(wrong(read_client_request(&body(scopes.clone()), NOW)), expected);
            assert_eq!(wrong(read_client_change(&body(scopes))), expected);
        }
    }

    /// C11, C12: overlap in minutes, an end, or an emergency, which leaves no overlap.
    #[test]
    fn a_rotation_says_what_becomes_of_the_old_secret() {
        assert_eq!(read_rotation_request(&json!(null), NOW), Ok(RotationRequest::default()));
        assert_eq!(read_rotation_request(&json!({}), NOW), Ok(RotationRequest::default()));
        let body = json!({"overlap_minutes": 90, "secret_expires_at": NOW.0 + 9, "revoke_tokens": false});
        let read = read_rotation_request(&body, NOW).unwrap();
        assert_eq!((read.overlap, read.secret_expires_at), (Seconds(5400), Some(UnixSeconds(NOW.0 + 9))));
        assert_eq!(read_rotation_request(&json!({"overlap_minutes": 90.0}), NOW).unwrap().overlap, Seconds(5400));
        assert!(read_rotation_request(&json!({"revoke_tokens": true}), NOW).unwrap().revoke_tokens);
        for (bad, kind) in [
            (json!({"overlap_minutes": -1}), "greater_than_equal"),
            (json!({"overlap_minutes": 43_201}), "less_than_equal"),
            (json!({"overlap_minutes": "5"}), "int_type"),
            (json!({"revoke_tokens": "true"}), "bool_type"),
            (json!({"revoke_tokens": true, "overlap_minutes": 1}), "value_error"),
            (json!([]), "model_attributes_type"),
        ] {
            assert_eq!(wrong(read_rotation_request(&bad, NOW))[0].0, kind, "{bad}");
        }
    }
}
