//! Paths and methods, and the routes that they lead to.

use super::*;

#[test]
fn a_path_may_end_in_one_slash() {
    assert_eq!(route(&Method::GET, "/api/v1/oauth/scope/"), Routed::To(Route::Scopes));
    assert_eq!(route(&Method::GET, "/api/v1/oauth/scopes"), Routed::To(Route::Scopes));
    assert_eq!(route(&Method::GET, "/api/v1/oauth/scope//"), Routed::Nowhere);
}

/// B13: other spellings of a path are no route.
#[test]
fn path_tricks_lead_nowhere() {
    for path in [
        "//api/v1/oauth/scope",
        "/api/v1/oauth/client/%2e%2e/scope",
        "/api/v1/oauth/client/a%2fb",
        "/api/v1/oauth/scope;x",
        "/API/v1/oauth/scope",
        "/api/v1/oauth/client/a%00",
        "/api/v1//oauth/scope",
        "/api/v1/oauth/client/%zz",
        "",
        "*",
    ] {
        assert_eq!(route(&Method::GET, path), Routed::Nowhere, "{path}");
    }
}

/// A type may be called like a part of a connection, and a connection like the route.
#[test]
fn types_and_connections_may_be_called_like_routes() {
    let instantiate = |kind: &str| Routed::To(Route::Instantiate(kind.to_owned()));
    for kind in ["shop", "secret", "complete"] {
        let path = format!("/api/v1/connection/instantiate/{kind}");
        assert_eq!(route(&Method::POST, &path), instantiate(kind));
    }
    let secrets = Routed::To(Route::PutSecrets("instantiate".to_owned()));
    assert_eq!(route(&Method::PUT, "/api/v1/connection/instantiate/secret"), secrets);
    let forget = Routed::To(Route::ForgetTemplate("register".to_owned()));
    assert_eq!(route(&Method::DELETE, "/api/v1/connector-templates/register"), forget);
}

/// T1: every other method is refused with what is allowed.
#[test]
fn a_wrong_method_names_the_right_ones() {
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
        let refused = Routed::WrongMethod { allow: "POST".to_owned() };
        assert_eq!(route(&method, "/api/v1/oauth/token"), refused, "{method}");
    }
}

/// Wherever a page can be the answer, or a browser is told from another, its headers are read.
#[test]
fn browsers_are_known_by_their_paths() {
    for path in ["/connect/x", "/api/v1/oauth/callback", "/api/v1/oauth/callback/", "/api/v1/connection/x/authorize"] {
        assert!(is_for_browsers(path), "{path}");
    }
    assert!(!is_for_browsers("/api/v1/oauth/token") && !is_for_browsers("/api/v1/connection/x/access_token"));
    for route in [Route::Callback, Route::ShowLink(String::new()), Route::FollowLink(String::new())] {
        assert!(route.is_for_people() && is_for_browsers(route.template()), "{route:?}");
    }
}

#[test]
fn head_is_refused_where_get_has_effects() {
    for path in ["/api/v1/oauth/callback", "/api/v1/connection/shop/authorize", "/api/v1/connection/shop/test"] {
        assert!(matches!(route(&Method::HEAD, path), Routed::WrongMethod { .. }), "{path}");
    }
}

/// B14: HEAD is the GET route, with its scope.
#[test]
fn head_is_get() {
    assert_eq!(route(&Method::HEAD, "/api/v1/oauth/scope"), Routed::To(Route::Scopes));
}
