//! The document of the API (`src/api/openapi.json`): it has every route and nothing else, and wants what they want.
//! That it is true is tested by [`exchange`], with every request and answer of all these tests.

pub(super) mod exchange;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use http::Method;
use serde_json::{Value, json};

use super::{
    Host, authorized, bare, form,
    routes::{every_route, sample},
};
use crate::{
    api::{
        Body, metadata,
        route::{Route, Routed, route},
    },
    authorization_server::scope_registry::EVERY_SCOPE,
};

/// The document as it is served.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_slice(&metadata::openapi().body).unwrap());

/// Other paths to a route, and the path that it is known by.
const ALIASES: [(&str, &str); 2] = [
    ("/api/v1/oauth/scopes", "/api/v1/oauth/scope"),
    ("/api/v1/connector_template/register", "/api/v1/connector-templates/register"),
];

/// Method, path and operation of all that the document has.
fn operations() -> impl Iterator<Item = (String, &'static str, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters");
        operations.map(|(method, operation)| (method.to_ascii_uppercase(), path.as_str(), operation))
    })
}

/// The route of an operation.
fn route_of(method: &str, path: &str) -> Route {
    let path = ALIASES.iter().find(|(alias, _)| *alias == path).map_or(path, |(_, known)| known);
    let found = every_route().find(|route| route.template() == path && sample(route).0 == method);
    found.unwrap_or_else(|| panic!("no route: {method} {path}"))
}

/// The names in braces.
fn names(path: &str) -> Vec<&str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')).collect()
}

/// Every value of the document that is a member of this name.
fn members<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(members_of) => {
            for (own, member) in members_of {
                if own == name {
                    found.push(member);
                }
                members(member, name, found);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| members(element, name, found)),
        _ => {}
    }
}

/// It is served to everybody, may be cached, and says which version of the API this is.
#[test]
fn the_document_is_served() {
    let answer = Host::new().send(&bare("GET", "/openapi.json"));
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let document = answer.json();
    assert_eq!((&document["openapi"], &document["servers"]), (&json!("3.1.0"), &json!([{ "url": "/" }])));
    // That of the API: a stranger learns no version of ours.
    assert_eq!(document["info"]["version"], "v1");
    assert_eq!(document["info"]["license"]["identifier"], env!("CARGO_PKG_LICENSE"));
}

/// As any open document: HEAD without the body, OPTIONS, readable for allowed pages, not in the clear.
#[test]
fn the_document_is_served_as_other_open_ones_are() {
    let host = Host::with(&[("CORS_ORIGINS", "https://app.example")]);
    let at = |method: &str| http::Request::builder().method(method).uri("https://postern.example/openapi.json");
    let sent = |request: http::request::Builder| {
        host.send(&request.header("origin", "https://app.example").body(Body::Complete(Vec::new())).unwrap())
    };
    let (get, head) = (sent(at("GET")), sent(at("HEAD")));
    assert_eq!((get.status, head.status, head.body.len()), (200, 200, 0));
    for answer in [&get, &head] {
        assert_eq!(answer.header("access-control-allow-origin"), "https://app.example");
        assert_eq!((answer.header("vary"), answer.header("cache-control")), ("origin", "public, max-age=300"));
    }
    let options = sent(at("OPTIONS"));
    assert_eq!((options.status, options.header("allow")), (204, "GET"));
    assert_eq!(sent(at("POST")).status, 405);
    let plain = sent(http::Request::builder().uri("http://postern.example/openapi.json"));
    assert_eq!((plain.status, plain.header("cache-control")), (400, "no-store"));
}

/// Both ways: no route is missing, none is made up; aliases are there, and are aliases.
#[test]
fn the_document_has_every_route_and_nothing_else() {
    let described: BTreeSet<_> = operations().map(|(method, path, _)| (method, path)).collect();
    let mut there: BTreeSet<_> = every_route().map(|route| (sample(&route).0.to_owned(), route.template())).collect();
    for (alias, path) in ALIASES {
        let methods: Vec<_> = there.iter().filter(|(_, own)| *own == path).map(|(method, _)| method.clone()).collect();
        for method in methods {
            let parsed: Method = method.parse().unwrap();
            assert_eq!(route(&parsed, alias), route(&parsed, path));
            assert!(matches!(route(&parsed, alias), Routed::To(_)), "{method} {alias}");
            there.insert((method, alias));
        }
    }
    assert_eq!(described, there);
}

/// B8: each operation wants the scope that the guard wants; the open ones none, those of clients may have Basic.
#[test]
fn each_operation_wants_the_scope_of_its_route() {
    for (method, path, operation) in operations() {
        let route = route_of(&method, path);
        let expected = match route.required_scope() {
            Some(scope) => json!([{ "oauth2": [scope] }]),
            None if matches!(route, Route::Token | Route::Introspect | Route::Revoke) => json!([{ "basic": [] }, {}]),
            None => Value::Null,
        };
        assert_eq!(operation["security"], expected, "{method} {path}");
    }
    let flow = &DOCUMENT["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"];
    assert_eq!(flow["tokenUrl"], Route::Token.template());
    let listed: BTreeSet<&str> = flow["scopes"].as_object().unwrap().keys().map(String::as_str).collect();
    let wanted = every_route().filter_map(|route| route.required_scope()).chain(["token:introspect"]).collect();
    assert_eq!(listed, wanted);
    assert!(listed.iter().all(|scope| EVERY_SCOPE.contains(scope)));
}

/// The parameters of a path are those in its braces, and each operation has a name of its own.
#[test]
fn paths_have_their_parameters_and_operations_their_names() {
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        let parameters = item["parameters"].as_array().into_iter().flatten();
        let own: Vec<&str> =
            parameters.map(|parameter| exchange::resolved(parameter)["name"].as_str().unwrap()).collect();
        assert_eq!(own, names(path), "{path}");
    }
    let mut seen = BTreeMap::new();
    for (method, path, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap();
        assert_eq!(seen.insert(id, path), None, "{id}: {method} {path}");
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{id}");
        assert!(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), "{id}");
    }
}

/// Every reference leads somewhere, every component is used, and every schema is one.
#[test]
fn references_lead_to_components_that_are_all_used() {
    let mut references = Vec::new();
    members(&DOCUMENT, "$ref", &mut references);
    let references: BTreeSet<&str> = references.iter().map(|reference| reference.as_str().unwrap()).collect();
    for (kind, components) in DOCUMENT["components"].as_object().unwrap() {
        for name in components.as_object().unwrap().keys().filter(|_| kind != "securitySchemes") {
            let reference = format!("#/components/{kind}/{name}");
            assert!(references.contains(reference.as_str()), "{reference} is not used");
        }
    }
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        let target = DOCUMENT.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"));
        if pointer.starts_with("/components/schemas/") {
            jsonschema::draft202012::meta::validate(target).unwrap_or_else(|error| panic!("{reference}: {error}"));
            exchange::validator(pointer);
        }
    }
}

/// What can befall every operation is described where it can, and nowhere else: no token, plain http, a deployment
/// without settings, a body that is larger than what is read.
#[test]
fn what_can_befall_every_operation_is_described() {
    let (host, unready) = (Host::new(), Host::with(&[("PUBLIC_URL", "")]));
    let https = Host::with(&[("PUBLIC_URL", "https://postern.example")]);
    for (method, path, operation) in operations() {
        let route = route_of(&method, path);
        let describes = |status: &str| operation["responses"].get(status).is_some();
        let own = if names(path).is_empty() { path.to_owned() } else { sample(&route).1 };
        let name = format!("{method} {own}");
        let is_form = matches!(route, Route::Token | Route::Introspect | Route::Revoke);
        let nobody = host.send(&if is_form { form(&own, "token=x") } else { bare(&method, &own) });
        assert_eq!(nobody.status == 401, describes("401"), "{name}");
        let plain = https.send(&bare(&method, &format!("http://postern.example{own}")));
        let answers_anyway = matches!(route, Route::Health | Route::Ready);
        assert_eq!((plain.status == 400, describes("400")), (!answers_anyway, !answers_anyway), "{name}");
        assert_eq!(unready.send(&bare(&method, &own)).status == 503, describes("503"), "{name}");
        let mut large = if is_form { form(&own, "") } else { authorized(&method, &own, &host.root(), &Value::Null) };
        *large.body_mut() = Body::TooLarge;
        assert_eq!(host.send(&large).status == 413, describes("413"), "{name}");
    }
}

/// What the document does not have is noticed: else all that passes would mean nothing.
#[test]
fn an_exchange_that_is_not_described_is_noticed() {
    let host = Host::new();
    let handled = |request: &_| host.pool.borrow_mut().run_until(host.handled(request));
    let token = host.root();
    let create = |body: Value| authorized("POST", "/api/v1/oauth/client", &token, &body);
    let list = |query: &str| authorized("GET", &format!("/api/v1/oauth/client{query}"), &token, &Value::Null);
    let good = create(json!({ "name": "x" }));
    assert_eq!(exchange::judge(&good, &handled(&good)), Ok(()));
    let accepted = |request, problem: &str| {
        let found = exchange::judge(&request, &handled(&good)).unwrap_err();
        assert!(found.contains("was accepted") && found.contains(problem), "{found}");
    };
    accepted(create(json!({ "unknown": 1 })), "{\"unknown\":1} is not valid");
    accepted(create(json!({ "name": 1 })), "{\"name\":1} is not valid");
    accepted(form("/api/v1/oauth/client", "name=x"), "urlencoded' is not described");
    let answered = |change: &dyn Fn(&mut http::Response<Vec<u8>>), problem: &str| {
        let mut other = handled(&good);
        change(&mut other.response);
        let found = exchange::judge(&good, &other).unwrap_err();
        assert!(found.contains(problem), "{found}");
    };
    let text = http::HeaderValue::from_static;
    answered(&|answer| *answer.status_mut() = http::StatusCode::CREATED, "the status is not described");
    answered(&|answer| *answer.body_mut() = b"{}".to_vec(), "\"client_id\" is a required property");
    answered(&|answer| drop(answer.headers_mut().remove("x-request-id")), "the header X-Request-ID is missing");
    answered(&|answer| drop(answer.headers_mut().insert("retry-after", text("5"))), "retry-after is not described");
    answered(&|answer| drop(answer.headers_mut().insert("content-type", text("text/csv"))), "'text/csv' is not");
    let (first, beyond) = (list("?size=1"), list("?size=101"));
    assert_eq!(exchange::judge(&first, &handled(&first)), Ok(()));
    let found = exchange::judge(&beyond, &handled(&first)).unwrap_err();
    assert!(found.contains("101 is greater than the maximum of 100"), "{found}");
}
