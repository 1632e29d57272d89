//! Two instances of the Worker, each with a memory of its own as in two places of the network: what one has made the
//! other knows with the next request, also where it has just said that there is no such thing.

mod common;

use common::{
    CLIENT, CLIENT_CREDENTIALS, Client, TOKEN, at, client_at, connect, live, provider, root, secrets, text, tokens,
};
use serde_json::json;
use workerd_tests::{Answer, MockAnswer, Postern, Request, Setup};

/// The form of a token request.
const GRANT: [(&str, &str); 1] = [("grant_type", "client_credentials")];

/// A request to one of the two instances.
fn at_instance(postern: &Postern, second: bool, method: &str, path: &str) -> Request {
    if second { postern.twin(method, path) } else { postern.request(method, path) }
}

/// R3: a client made at one instance gets its token at the other and uses it at both, at once; so does a secret that is
/// made later. Ten times, in both directions.
#[test]
fn a_new_client_is_known_everywhere_at_once() {
    let postern = Postern::start(Setup::new().twin());
    let root = root(&postern);
    for round in 0..10 {
        let (here, there) = (round % 2 == 0, round % 2 == 1);
        let scopes = json!({ "scopes": ["scope:read"] });
        let made =
            at_instance(&postern, here, "POST", CLIENT).bearer(&root).json(&scopes).send().expect_status(200).json();
        let Client { id, secret } = Client { id: text(&made, "client_id"), secret: text(&made, "client_secret") };
        let sign_in = |second: bool, secret: &str| -> Answer {
            at_instance(&postern, second, "POST", TOKEN).basic(&id, secret).form(&GRANT).send()
        };
        let token = text(&sign_in(there, &secret).expect_status(200).json(), "access_token");
        for second in [here, there] {
            drop(at_instance(&postern, second, "GET", "/api/v1/oauth/scope").bearer(&token).send().expect_status(200));
        }
        let rotation = at_instance(&postern, there, "POST", &client_at(&id, "/secret")).bearer(&root).json(&json!({}));
        let next = text(&rotation.send().expect_status(200).json(), "client_secret");
        assert_eq!([&secret, &next].map(|secret| sign_in(here, secret).status), [401, 200]);
    }
}

/// R3: a connection that one instance has just missed is there for it as soon as the other has made it, with its token.
#[test]
fn a_new_connection_is_known_everywhere_at_once() {
    let mock = provider(|_, number| Some(MockAnswer::json(200, &tokens(number))));
    let postern = Postern::start(Setup::new().twin());
    let root = root(&postern);
    for key in ["first", "second", "third"] {
        let shown = |rest: &str| postern.twin("GET", &at(key, rest)).bearer(&root).send();
        let listed = || postern.twin("GET", "/api/v1/connection").bearer(&root).send().expect_status(200);
        assert_eq!([shown("").status, shown("/access_token").status], [404, 404]);
        assert!(!listed().text().contains(&format!("\"{key}\"")));
        connect(&postern, &root, key, CLIENT_CREDENTIALS, &secrets(&mock.url()));
        assert_eq!([shown("").status, shown("/saas_config").status], [200, 200]);
        assert!(listed().text().contains(&format!("\"{key}\"")));
        let token = text(&shown("/access_token").expect_status(200).json(), "access_token");
        assert_eq!(live(&postern, &root, key), token);
    }
    assert_eq!(mock.count("/token"), 3);
}
