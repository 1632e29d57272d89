//! The client credentials grant (RFC 6749 §4.4): what an authenticated client is granted.
//!
//! Decides: grant type and scope. Leaves to others: who the client is, what the token looks like.

use crate::{
    config::compatibility::{Compatibility, Deviation},
    protocol::{
        form::{Form, FormProblem},
        scope::Scope,
    },
};

/// Why a token request of an authenticated client is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantProblem {
    /// 400 `invalid_request`.
    #[error("{0}")]
    Form(#[from] FormProblem),
    /// 400 `invalid_request` (RFC 6749 §4.4.2: `grant_type` is REQUIRED).
    #[error("grant_type is missing")]
    NoGrantType,
    /// 400 `unsupported_grant_type`; values are case-sensitive.
    #[error("only grant_type=client_credentials is offered")]
    UnsupportedGrantType,
    /// 400 `invalid_scope`: outside the grammar.
    #[error("scope is malformed")]
    MalformedScope,
    /// 400 `invalid_target` (RFC 8707 §2): several, malformed, or not on the client's list.
    #[error("the client may not ask for a token for this resource")]
    InvalidTarget,
    /// 400 `invalid_scope`: unknown, or not this client's.
    #[error("the client does not hold the requested scope")]
    ScopeNotHeld,
}

/// The parameters of the grant, read before anybody is authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRequest {
    /// `scope`, if given: at least one token.
    pub scope: Option<Scope>,
    /// `resource` (RFC 8707), if given; also where a client calls it `audience`.
    pub resource: Option<String>,
}

/// Reads the parameters of a token request.
///
/// # Errors
/// See [`GrantProblem`].
pub fn read_grant_request(form: &Form, compatibility: Compatibility) -> Result<GrantRequest, GrantProblem> {
    match form.parameter("grant_type")? {
        None if compatibility.allows(Deviation::MissingGrantType) => {}
        None => return Err(GrantProblem::NoGrantType),
        Some("client_credentials") => {}
        Some(_) => return Err(GrantProblem::UnsupportedGrantType),
    }
    let scope = form.parameter("scope")?.map(Scope::parse).transpose();
    let scope = scope.map_err(|_| GrantProblem::MalformedScope)?;
    // RFC 8707 §2 lets a server refuse several: our tokens have one audience.
    let single = |name| form.parameter(name).map_err(|_| GrantProblem::InvalidTarget);
    let resource = match (single("resource")?, single("audience")?) {
        (Some(resource), Some(audience)) if resource != audience => return Err(GrantProblem::InvalidTarget),
        (resource, audience) => resource.or(audience).map(str::to_owned),
    };
    Ok(GrantRequest { scope, resource })
}

/// The audience of the token: a resource of the client's list, this service itself, or what it is by default (none).
///
/// # Errors
/// [`GrantProblem::InvalidTarget`].
pub fn granted_resource<'a>(
    request: &'a GrantRequest,
    held: &[String],
    own: &str,
) -> Result<Option<&'a str>, GrantProblem> {
    match request.resource.as_deref() {
        None => Ok(None),
        Some(resource) if resource == own => Ok(None),
        Some(resource) if held.iter().any(|held| held == resource) => Ok(Some(resource)),
        Some(_) => Err(GrantProblem::InvalidTarget),
    }
}

/// What is granted: all that was asked for, in the order in which the client holds it; all it holds when nothing was
/// asked for. Never a silent subset (RFC 6749 §3.3, checklist T29).
///
/// # Errors
/// [`GrantProblem::ScopeNotHeld`].
pub fn granted_scope(request: &GrantRequest, held: &Scope) -> Result<Scope, GrantProblem> {
    match &request.scope {
        None => Ok(held.clone()),
        Some(wanted) if held.covers(wanted) => Ok(held.intersection(wanted)),
        Some(_) => Err(GrantProblem::ScopeNotHeld),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a body.
    fn read(body: &str) -> Result<GrantRequest, GrantProblem> {
        read_grant_request(&Form::parse(body.as_bytes()).unwrap(), Compatibility::STRICT)
    }

    /// T9: missing or empty; T10: any other value, case and spaces included; T6: twice.
    #[test]
    fn only_the_exact_grant_type_is_offered() {
        assert!(read("grant_type=client_credentials").is_ok());
        assert_eq!(read(""), Err(GrantProblem::NoGrantType));
        assert_eq!(read("grant_type="), Err(GrantProblem::NoGrantType));
        for other in ["password", "Client_Credentials", "client_credentials+", "urn:x", "xclient_credentialsx"] {
            assert_eq!(read(&format!("grant_type={other}")), Err(GrantProblem::UnsupportedGrantType), "{other}");
        }
        let twice = read("grant_type=client_credentials&grant_type=client_credentials");
        assert_eq!(twice, Err(GrantProblem::Form(FormProblem::Repeated("grant_type"))));
    }

    /// T32: one resource, from the client's list, compared exactly; our own name is always fine.
    #[test]
    fn a_resource_is_granted_from_the_list_only() {
        let held = ["https://api.example/v1".to_owned()];
        let audience = |body: &str| {
            let request = read(&format!("grant_type=client_credentials&{body}"))?;
            granted_resource(&request, &held, "https://own.example").map(|granted| granted.map(str::to_owned))
        };
        let granted = Ok(Some(held[0].clone()));
        assert_eq!(audience("resource=https%3A%2F%2Fapi.example%2Fv1"), granted);
        assert_eq!(audience("audience=https%3A%2F%2Fapi.example%2Fv1"), granted);
        assert_eq!(
            audience("resource=https%3A%2F%2Fapi.example%2Fv1&audience=https%3A%2F%2Fapi.example%2Fv1"),
            granted
        );
        for body in ["", "resource=", "resource=https://own.example"] {
            assert_eq!(audience(body), Ok(None), "{body}");
        }
        for body in [
            "resource=https://api.example",
            "resource=https://api.example/v1/",
            "resource=https://api.example/v1%23x",
            "resource=HTTPS://api.example/v1",
            "resource=v1",
            "resource=https://api.example/v1&resource=https://api.example/v1",
            "resource=https://api.example/v1&audience=https://own.example",
            "audience=anything",
        ] {
            assert_eq!(audience(body), Err(GrantProblem::InvalidTarget), "{body}");
        }
    }

    /// T28 at this endpoint.
    #[test]
    fn a_malformed_scope_is_refused() {
        let body = "grant_type=client_credentials&scope=a%09b";
        assert_eq!(read(body), Err(GrantProblem::MalformedScope));
    }

    /// T29: not owned, alone or with owned ones; T31: another order and duplicates are fine, the answer is canonical.
    #[test]
    fn a_scope_is_granted_whole_or_not_at_all() {
        let held = Scope::parse("a b c").unwrap();
        let grant =
            |scope: &str| granted_scope(&GrantRequest { scope: Scope::parse(scope).ok(), resource: None }, &held);
        assert_eq!(grant("c a a").unwrap().to_string(), "a c");
        for scope in ["d", "a d", "A"] {
            assert_eq!(grant(scope), Err(GrantProblem::ScopeNotHeld), "{scope}");
        }
        assert_eq!(granted_scope(&GrantRequest { scope: None, resource: None }, &held), Ok(held));
    }

    /// T30: no scopes never means all.
    #[test]
    fn a_client_without_scopes_gets_an_empty_scope_or_a_refusal() {
        let none = Scope::default();
        assert_eq!(granted_scope(&GrantRequest { scope: None, resource: None }, &none), Ok(Scope::default()));
        let wanted = GrantRequest { scope: Scope::parse("a").ok(), resource: None };
        assert_eq!(granted_scope(&wanted, &none), Err(GrantProblem::ScopeNotHeld));
    }
}
