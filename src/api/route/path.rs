//! The paths that there are, and what can be done at each.

use http::Method;

use super::Route;

/// What can be done at a path.
pub(super) fn at(segments: &[String]) -> Option<Vec<(Method, Route)>> {
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    Some(match segments.as_slice() {
        ["health"] => vec![(Method::GET, Route::Health)],
        ["ready"] => vec![(Method::GET, Route::Ready)],
        ["metrics"] => vec![(Method::GET, Route::Metrics)],
        ["api", "v1", "oauth", "token"] => vec![(Method::POST, Route::Token)],
        ["api", "v1", "oauth", "introspect"] => vec![(Method::POST, Route::Introspect)],
        ["api", "v1", "oauth", "revoke"] => vec![(Method::POST, Route::Revoke)],
        [".well-known", "oauth-authorization-server"] => vec![(Method::GET, Route::Metadata)],
        [".well-known", "jwks.json"] => vec![(Method::GET, Route::Keys)],
        ["openapi.json"] => vec![(Method::GET, Route::OpenApi)],
        ["api", "v1", "oauth", "audit"] => vec![(Method::GET, Route::Audit)],
        ["api", "v1", "oauth", "client", rest @ ..] => return at_client(rest),
        ["api", "v1", "oauth", "role"] => vec![(Method::GET, Route::Roles)],
        ["api", "v1", "oauth", "scope" | "scopes"] => vec![(Method::GET, Route::Scopes)],
        ["api", "v1", "oauth", "callback"] => vec![(Method::GET, Route::Callback)],
        ["connected"] => vec![(Method::GET, Route::Connected)],
        ["connect", own] => {
            let token = |token: &str| token.to_owned();
            vec![(Method::GET, Route::ShowLink(token(own))), (Method::POST, Route::FollowLink(token(own)))]
        }
        ["api", "v1", "sweep"] => vec![(Method::POST, Route::Sweep)],
        ["api", "v1", "connection", name @ "instantiate", own] => {
            // A connection of this name keeps its routes, all but those by POST.
            let mut choices = at_connection(&[name, own]).unwrap_or_default();
            choices.retain(|(method, _)| method != Method::POST);
            choices.push((Method::POST, Route::Instantiate((*own).to_owned())));
            choices
        }
        ["api", "v1", "connection", rest @ ..] => return at_connection(rest),
        ["api", "v1", "connection_type"] => vec![(Method::GET, Route::ListConnectionTypes)],
        ["api", "v1", "connection_type", own, "secret"] => {
            vec![(Method::GET, Route::ReadSecretSchema((*own).to_owned()))]
        }
        ["api", "v1", "connector-templates", rest @ ..] => return at_template(rest),
        ["api", "v1", "connector_template", "register"] => vec![(Method::POST, Route::RegisterTemplate)],
        _ => return None,
    })
}

/// What can be done below `/api/v1/oauth/client`.
fn at_client(segments: &[&str]) -> Option<Vec<(Method, Route)>> {
    let id = |segment: &str| segment.to_owned();
    Some(match segments {
        [] => vec![(Method::GET, Route::ListClients), (Method::POST, Route::CreateClient)],
        [own] => vec![
            (Method::GET, Route::ReadClient(id(own))),
            (Method::PUT, Route::UpdateClient(id(own))),
            (Method::DELETE, Route::DeleteClient(id(own))),
        ],
        [own, "scope"] => {
            vec![(Method::GET, Route::ReadClientScope(id(own))), (Method::PUT, Route::ReplaceClientScope(id(own)))]
        }
        [own, "secret"] => vec![(Method::POST, Route::RotateSecret(id(own)))],
        _ => return None,
    })
}

/// What can be done below `/api/v1/connection`.
fn at_connection(segments: &[&str]) -> Option<Vec<(Method, Route)>> {
    let key = |segment: &str| segment.to_owned();
    Some(match segments {
        [] => vec![(Method::GET, Route::ListConnections), (Method::PATCH, Route::SaveConnections)],
        [own] => {
            vec![(Method::GET, Route::ReadConnection(key(own))), (Method::DELETE, Route::DeleteConnection(key(own)))]
        }
        [own, "saas_config"] => {
            vec![
                (Method::GET, Route::ReadDefinition(key(own))),
                (Method::PATCH, Route::PutDefinition(key(own))),
                (Method::DELETE, Route::DeleteDefinition(key(own))),
            ]
        }
        [own, "saas-history"] => vec![(Method::GET, Route::ReadHistory(key(own)))],
        [own, "saas-history", version] => vec![(Method::GET, Route::ReadSnapshot(key(own), key(version)))],
        [own, "validate_saas_config"] => vec![(Method::PUT, Route::ValidateDefinition(key(own)))],
        [own, "secret"] => {
            vec![(Method::PUT, Route::PutSecrets(key(own))), (Method::PATCH, Route::PatchSecrets(key(own)))]
        }
        [own, "authorize"] => vec![(Method::GET, Route::Authorize(key(own)))],
        [own, "connect_link"] => vec![(Method::POST, Route::MakeLink(key(own)))],
        [own, "complete"] => vec![(Method::POST, Route::Complete(key(own)))],
        [own, "access_token"] => vec![(Method::GET, Route::AccessToken(key(own)))],
        [own, "access_token", "refused"] => vec![(Method::POST, Route::ReportToken(key(own)))],
        [own, "revoke"] => vec![(Method::POST, Route::RevokeConnection(key(own)))],
        [own, "test"] => vec![(Method::GET, Route::TestConnection(key(own)))],
        [own, "events"] => vec![(Method::GET, Route::ReadEvents(key(own)))],
        _ => return None,
    })
}

/// What can be done below `/api/v1/connector-templates`. A type may be called `register`, too.
fn at_template(segments: &[&str]) -> Option<Vec<(Method, Route)>> {
    let kind = |segment: &str| segment.to_owned();
    Some(match segments {
        [] => vec![(Method::GET, Route::ListTemplates)],
        [own @ "register"] => {
            vec![(Method::POST, Route::RegisterTemplate), (Method::DELETE, Route::ForgetTemplate(kind(own)))]
        }
        [own] => vec![(Method::DELETE, Route::ForgetTemplate(kind(own)))],
        [own, "config"] => vec![(Method::GET, Route::ReadTemplate(kind(own)))],
        _ => return None,
    })
}
