//! An API client as it is registered, and the documents that create or change one.
//!
//! Decides: which bodies are acceptable. Leaves to others: whether the caller may give these scopes (the registry).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    authorization_server::scope_registry::EVERY_SCOPE,
    protocol::{
        scope::{SCOPE_LIMIT, Scope},
        secret::{SecretDigest, SecretText, hex},
        time::UnixSeconds,
        validation::{Issue, Step},
    },
};

/// Longest `name` or `description`, in characters.
const TEXT_LIMIT: usize = 1024;

/// A registered client, as stored (`fixtures/storage/v1/client.json`).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Client {
    /// 32 hexadecimal digits, minted by us, never chosen.
    pub client_id: String,
    /// Digest of the secret; the secret itself is shown once and kept nowhere.
    pub secret: SecretDigest,
    /// What it may ask for.
    pub scope: Scope,
    /// For people.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Grows when its tokens are revoked; part of each token.
    pub epoch: u64,
    /// When it was registered.
    pub created_at: UnixSeconds,
}

/// Id and secret of a new client: the answer of `POST /oauth/client`, the only place where the secret is shown.
pub struct NewCredentials {
    /// 32 hexadecimal digits (128 random bits), as in Fides.
    pub client_id: String,
    /// 64 hexadecimal digits (256 random bits).
    pub client_secret: SecretText,
}

impl NewCredentials {
    /// Made of random bytes.
    #[must_use]
    pub fn mint(random: &[u8; 48]) -> Self {
        let (id, secret) = random.split_at(16);
        Self { client_id: hex(id), client_secret: SecretText::new(hex(secret)) }
    }
}

/// What a caller asks for when it creates a client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientRequest {
    /// Wanted scopes.
    pub scopes: Scope,
    /// For people.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
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
pub fn read_client_request(body: &Value) -> Result<ClientRequest, ClientProblem> {
    match body {
        Value::Null => Ok(ClientRequest::default()),
        Value::Array(_) => {
            Ok(ClientRequest { scopes: read_scopes(body, &["body".into()])?, ..ClientRequest::default() })
        }
        Value::Object(members) => read_client_object(members),
        _ => Err(malformed(Issue::new(
            "model_attributes_type",
            vec!["body".into()],
            "Input should be a valid dictionary or object to extract fields from",
        ))),
    }
}

/// The object form.
fn read_client_object(members: &Map<String, Value>) -> Result<ClientRequest, ClientProblem> {
    let mut issues: Vec<Issue> = Vec::new();
    for member in members.keys().filter(|member| !matches!(member.as_str(), "scopes" | "name" | "description")) {
        issues.push(Issue::unknown_member(vec!["body".into(), member.as_str().into()]));
    }
    let mut text = |member: &'static str| {
        read_text(members.get(member), &["body".into(), member.into()]).unwrap_or_else(|issue| {
            issues.push(issue);
            None
        })
    };
    let (name, description) = (text("name"), text("description"));
    if name.as_deref().is_some_and(|name| name.trim().is_empty()) {
        issues.push(Issue::value(vec!["body".into(), "name".into()], "name must not be empty"));
    }
    if !issues.is_empty() {
        return Err(ClientProblem::Malformed(issues));
    }
    let scopes = match members.get("scopes") {
        Some(scopes) => read_scopes(scopes, &["body".into(), "scopes".into()])?,
        None => Scope::default(),
    };
    Ok(ClientRequest { scopes, name, description })
}

/// A text member that may be absent or null.
fn read_text(value: Option<&Value>, loc: &[Step]) -> Result<Option<String>, Issue> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= TEXT_LIMIT => Ok(Some(text.clone())),
        Some(Value::String(_)) => Err(Issue::new(
            "string_too_long",
            loc.to_vec(),
            format!("String should have at most {TEXT_LIMIT} characters"),
        )),
        Some(_) => Err(Issue::new("string_type", loc.to_vec(), "Input should be a valid string")),
    }
}

/// A JSON array of scope-tokens that all exist; duplicates collapse.
///
/// # Errors
/// 422 with the path of each wrong element; 403 for a scope that does not exist.
pub fn read_scopes(value: &Value, loc: &[Step]) -> Result<Scope, ClientProblem> {
    let Value::Array(elements) = value else {
        return Err(malformed(Issue::new("list_type", loc.to_vec(), "Input should be a valid list")));
    };
    if elements.len() > SCOPE_LIMIT {
        let count = elements.len();
        let msg = format!("List should have at most {SCOPE_LIMIT} items after validation, not {count}");
        return Err(malformed(Issue::new("too_long", loc.to_vec(), msg)));
    }
    let mut issues = Vec::new();
    let mut tokens = Vec::new();
    for (index, element) in elements.iter().enumerate() {
        if let Some(token) = element.as_str() {
            tokens.push(token);
        } else {
            let issue = Issue::new("string_type", vec![index.into()], "Input should be a valid string");
            issues.push(issue.within(loc));
        }
    }
    if !issues.is_empty() {
        return Err(ClientProblem::Malformed(issues));
    }
    if tokens.iter().any(|token| !EVERY_SCOPE.contains(token)) {
        return Err(ClientProblem::UnknownScope);
    }
    Ok(tokens.into_iter().collect())
}

/// One issue as a problem.
fn malformed(issue: Issue) -> ClientProblem {
    ClientProblem::Malformed(vec![issue])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The places of the issues that a body has, each as one JSON text.
    fn places(body: &Value) -> Vec<String> {
        match read_client_request(body) {
            Err(ClientProblem::Malformed(issues)) => {
                issues.iter().map(|issue| serde_json::to_string(&issue.loc).unwrap()).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn object_bare_array_and_nothing_are_accepted() {
        let scopes = Scope::parse("policy:read rule:read").unwrap();
        let object = read_client_request(&json!({"scopes": ["policy:read", "rule:read"], "name": "n"})).unwrap();
        assert_eq!(object, ClientRequest { scopes: scopes.clone(), name: Some("n".to_owned()), description: None });
        assert_eq!(read_client_request(&json!(["policy:read", "rule:read"])).unwrap().scopes, scopes);
        for nothing in [json!(null), json!({}), json!([])] {
            assert_eq!(read_client_request(&nothing).unwrap(), ClientRequest::default());
        }
    }

    /// C8: no member can be smuggled in.
    #[test]
    fn unknown_members_are_refused() {
        for member in ["client_id", "client_secret", "is_root", "epoch", "created_at"] {
            let body = json!({"scopes": [], member: "x"});
            assert_eq!(places(&body), [format!(r#"["body","{member}"]"#)]);
        }
    }

    /// C9: wrong types, with the path of each; duplicates collapse; at most 256 entries.
    #[test]
    fn malformed_scope_lists_are_refused_with_their_path() {
        assert_eq!(places(&json!({"scopes": "policy:read"})), [r#"["body","scopes"]"#]);
        assert_eq!(places(&json!([null, "policy:read", 1])), [r#"["body",0]"#, r#"["body",2]"#]);
        assert_eq!(places(&json!({"scopes": null})), [r#"["body","scopes"]"#]);
        assert_eq!(places(&json!("policy:read")), [r#"["body"]"#]);
        assert_eq!(places(&Value::Array(vec![json!("policy:read"); 10_000])), [r#"["body"]"#]);
        let twice = read_client_request(&json!(["policy:read", "policy:read"])).unwrap();
        assert_eq!(twice.scopes.to_string(), "policy:read");
    }

    #[test]
    fn a_blank_or_huge_name_is_refused() {
        assert_eq!(places(&json!({"name": "  "})), [r#"["body","name"]"#]);
        assert_eq!(places(&json!({"name": "x".repeat(2000)})), [r#"["body","name"]"#]);
    }

    #[test]
    fn a_scope_that_does_not_exist_is_no_syntax_error() {
        assert_eq!(read_client_request(&json!(["policy:readd"])), Err(ClientProblem::UnknownScope));
    }

    /// M6: 128 bits of id, 256 bits of secret, lower-case hexadecimal.
    #[test]
    fn minted_credentials_have_the_documented_form() {
        let minted = NewCredentials::mint(&std::array::from_fn(|index| u8::try_from(index).unwrap()));
        assert_eq!(minted.client_id, "000102030405060708090a0b0c0d0e0f");
        assert_eq!(minted.client_secret.expose().len(), 64);
    }

    #[test]
    fn the_stored_form_is_pinned() {
        let stored = include_str!("../../fixtures/storage/v1/client.json");
        let client: Client = serde_json::from_str(stored).unwrap();
        assert_eq!(serde_json::to_string(&client).unwrap(), stored.trim_end());
    }
}
