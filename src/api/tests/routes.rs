//! Every route there is: none that is guarded answers without a token, and each wants exactly its own scope.

use serde_json::{Value, json};

use super::{Host, authorized, bare, guard::BARE_CHALLENGE};
use crate::{
    api::route::{Route, Routed, route},
    authorization_server::scope_registry::EVERY_SCOPE,
};

/// The route after this one: a new route does not compile until it is told here where it stands.
fn after(route: &Route) -> Option<Route> {
    let (id, key) = (|| "c1".to_owned(), || "shop".to_owned());
    Some(match route {
        Route::Health => Route::Ready,
        Route::Ready => Route::Metrics,
        Route::Metrics => Route::Token,
        Route::Token => Route::Introspect,
        Route::Introspect => Route::Revoke,
        Route::Revoke => Route::Metadata,
        Route::Metadata => Route::Keys,
        Route::Keys => Route::OpenApi,
        Route::OpenApi => Route::Audit,
        Route::Audit => Route::CreateClient,
        Route::CreateClient => Route::ListClients,
        Route::ListClients => Route::ReadClient(id()),
        Route::ReadClient(_) => Route::UpdateClient(id()),
        Route::UpdateClient(_) => Route::RotateSecret(id()),
        Route::RotateSecret(_) => Route::DeleteClient(id()),
        Route::DeleteClient(_) => Route::ReadClientScope(id()),
        Route::ReadClientScope(_) => Route::ReplaceClientScope(id()),
        Route::ReplaceClientScope(_) => Route::Scopes,
        Route::Scopes => Route::Roles,
        Route::Roles => Route::Callback,
        Route::Callback => Route::Instantiate(key()),
        Route::Instantiate(_) => Route::ListConnectionTypes,
        Route::ListConnectionTypes => Route::ReadSecretSchema(key()),
        Route::ReadSecretSchema(_) => Route::RegisterTemplate,
        Route::RegisterTemplate => Route::ListTemplates,
        Route::ListTemplates => Route::ReadTemplate(key()),
        Route::ReadTemplate(_) => Route::ForgetTemplate(key()),
        Route::ForgetTemplate(_) => Route::ListConnections,
        Route::ListConnections => Route::SaveConnections,
        Route::SaveConnections => Route::ReadConnection(key()),
        Route::ReadConnection(_) => Route::DeleteConnection(key()),
        Route::DeleteConnection(_) => Route::ReadDefinition(key()),
        Route::ReadDefinition(_) => Route::PutDefinition(key()),
        Route::PutDefinition(_) => Route::DeleteDefinition(key()),
        Route::DeleteDefinition(_) => Route::ValidateDefinition(key()),
        Route::ValidateDefinition(_) => Route::ReadHistory(key()),
        Route::ReadHistory(_) => Route::ReadSnapshot(key(), "v1".to_owned()),
        Route::ReadSnapshot(..) => Route::PutSecrets(key()),
        Route::PutSecrets(_) => Route::PatchSecrets(key()),
        Route::PatchSecrets(_) => Route::Authorize(key()),
        Route::Authorize(_) => Route::MakeLink(key()),
        Route::MakeLink(_) => Route::Complete(key()),
        Route::Complete(_) => Route::Connected,
        Route::Connected => Route::ShowLink("t1".to_owned()),
        Route::ShowLink(_) => Route::FollowLink("t1".to_owned()),
        Route::FollowLink(_) => Route::AccessToken(key()),
        Route::AccessToken(_) => Route::ReportToken(key()),
        Route::ReportToken(_) => Route::TestConnection(key()),
        Route::TestConnection(_) => Route::RevokeConnection(key()),
        Route::RevokeConnection(_) => Route::ReadEvents(key()),
        Route::ReadEvents(_) => Route::Sweep,
        Route::Sweep => return None,
    })
}

/// All routes.
pub(super) fn every_route() -> impl Iterator<Item = Route> {
    std::iter::successors(Some(Route::Health), after)
}

/// The method and a path of a route.
pub(super) fn sample(wanted: &Route) -> (&'static str, String) {
    let path =
        wanted.template().replace("{client_id}", "c1").replace("{connection_key}", "shop").replace("{version}", "v1");
    let path = path.replace("{token}", "t1").replace("{connector_type}", "shop");
    let leads_there = |method: &&str| route(&method.parse().unwrap(), &path) == Routed::To(wanted.clone());
    let method = ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().find(leads_there);
    (method.unwrap_or_else(|| panic!("nothing leads to {path}")), path)
}

/// B13: none but the open ones answers a caller without a token, whatever it sends.
#[test]
fn no_guarded_route_answers_without_a_token() {
    let host = Host::new();
    let mut open = Vec::new();
    for route in every_route() {
        let (method, path) = sample(&route);
        let answer = host.send(&bare(method, &path));
        if route.required_scope().is_none() {
            open.push(path);
            continue;
        }
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, BARE_CHALLENGE), "{method} {path}");
        for variant in [format!("{path}/"), format!("{path}?access_token=x"), format!("{path}?page=1")] {
            assert_eq!(host.send(&bare(method, &variant)).status, 401, "{method} {variant}");
        }
    }
    let forms = ["/api/v1/oauth/token", "/api/v1/oauth/introspect", "/api/v1/oauth/revoke"];
    let published = ["/.well-known/oauth-authorization-server", "/.well-known/jwks.json", "/openapi.json"];
    let expected = [
        &["/health", "/ready"],
        &forms[..],
        &published,
        &["/api/v1/oauth/callback", "/connected", "/connect/t1", "/connect/t1"],
    ]
    .concat();
    assert_eq!(open, expected);
}

/// B13: another spelling of a path is the same route with the same guard, or none at all.
#[test]
fn no_spelling_of_a_path_gets_around_the_guard() {
    let host = Host::new();
    for route in every_route().filter(|route| route.required_scope().is_some()) {
        let (method, path) = sample(&route);
        let last = path.rsplit('/').next().unwrap();
        let escaped = format!("{}%{:02x}{}", path.strip_suffix(last).unwrap(), last.as_bytes()[0], &last[1..]);
        let variants = [
            format!("/{path}"),
            format!("{path}//"),
            format!("{path};x"),
            format!("{path}/."),
            format!("{path}/%2e%2e/health"),
            format!("/health/..{path}"),
            format!("/health%2f..{path}"),
            path.to_ascii_uppercase(),
            path.replace("/api/", "/api//"),
            format!("{path}%00"),
            format!("{path}%20"),
            escaped,
        ];
        for variant in variants {
            let status = host.send(&bare(method, &variant)).status;
            assert!(matches!(status, 401 | 404), "{status} {method} {variant}");
        }
    }
}

/// B8, M5: each route wants exactly its scope: without it nothing, not even whether the thing exists; with it alone,
/// enough.
#[test]
fn each_route_wants_its_own_scope_and_no_other() {
    let host = Host::new();
    for route in every_route() {
        let (Some(required), (method, path)) = (route.required_scope(), sample(&route)) else { continue };
        let others: Vec<&str> = EVERY_SCOPE.tokens().filter(|scope| *scope != required).collect();
        let refused = host.send(&authorized(method, &path, &host.caller(&others), &json!(null)));
        assert_eq!(refused.status, 403, "{method} {path}");
        let challenge = format!("{BARE_CHALLENGE}, error=\"insufficient_scope\", scope=\"{required}\"");
        assert_eq!(refused.header("www-authenticate"), challenge);
        let admitted = host.send(&authorized(method, &path, &host.caller(&[required]), &json!(null)));
        assert!(!matches!(admitted.status, 401 | 403 | 405 | 500..), "{method} {path}: {admitted:?}");
    }
}

/// J19: the registry does not answer: no guarded route does.
#[test]
fn every_guarded_route_fails_closed() {
    let host = Host::new();
    let token = host.root_token();
    host.memory.clients.break_storage();
    for route in every_route().filter(|route| route.required_scope().is_some()) {
        let (method, path) = sample(&route);
        let answer = host.send(&authorized(method, &path, &token, &Value::Null));
        assert_eq!((answer.status, answer.header("retry-after")), (503, "5"), "{method} {path}");
        assert!(answer.log.contains("storage is broken"), "{}", answer.log);
    }
}

/// H1, H6, K20: headers that every answer has.
#[test]
fn every_answer_is_private_and_not_sniffed() {
    let host = Host::new();
    let (token, nowhere) = (host.root_token(), bare("GET", "/nowhere"));
    let mut answers = vec![host.send(&nowhere)];
    for route in every_route() {
        let (method, path) = sample(&route);
        answers.push(host.send(&bare(method, &path)));
        answers.push(host.send(&authorized(method, &path, &token, &Value::Null)));
        answers.push(host.send(&bare("TRACE", &path)));
    }
    for answer in answers {
        // What is published may be cached; nothing else, no error of those routes either.
        let published =
            answer.status == 200 && ["/.well-known/", "/openapi.json"].iter().any(|path| answer.log.contains(path));
        let caching = if published { "public, max-age=300" } else { "no-store" };
        assert_eq!(answer.header("cache-control"), caching, "{answer:?}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("access-control-allow-origin"), "");
        assert!(answer.status == 204 || !answer.header("content-type").is_empty());
        assert_eq!(answer.header("x-request-id").len(), 32);
    }
}
