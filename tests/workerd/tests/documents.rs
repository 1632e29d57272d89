//! Documents and values on their way through the service: they come out as they went in, arrive at a provider as one
//! value each, and lead nowhere but to the provider.

mod common;

use common::{
    CLIENT_CREDENTIALS, CODE_FLOW, at, authorize, call_back, connect, live, parameter, provider, root, secrets,
};
use serde_json::{Value, json};
use workerd_tests::{Answer, Postern, Setup};

/// A definition against a provider with a public name.
fn public_definition() -> String {
    CODE_FLOW
        .replace("protocol: http\n", "protocol: https\n")
        .replace("default_value: 127.0.0.1:4010", "default_value: x")
}

/// Names beyond ASCII and documents beyond a header's size take another way between the objects.
#[test]
fn large_documents_and_names_beyond_ascii_come_out_as_they_went_in() {
    let mut postern = Postern::start(Setup::new());
    let root = root(&postern);
    connect(&postern, &root, "shop", CODE_FLOW, &secrets("127.0.0.1:9"));
    let name = "Läden — 店 \"quoted\" \u{1F6D2}";
    let item = json!([{ "key": "shop", "name": name, "connection_type": "saas", "access": "write" }]);
    drop(postern.patch("/api/v1/connection").bearer(&root).json(&item).send().expect_status(200));
    let path = at("shop", "/saas_config");
    let mut document = postern.get(&path).bearer(&root).send().expect_status(200).json();
    document["description"] = Value::from("ä".repeat(20_000));
    let sent = json!({ "saas_config": document });
    let stored = postern.patch(&path).bearer(&root).json(&sent).send().expect_status(200).json();
    assert_eq!(stored, document);
    postern.kill_and_restart();
    assert_eq!(postern.get(&path).bearer(&root).send().expect_status(200).json(), document);
    let shown = postern.get(&at("shop", "")).bearer(&root).send().expect_status(200).json();
    assert_eq!((&shown["name"], &shown["access"]), (&json!(name), &json!("write")));
    let list = postern.get("/api/v1/connection").bearer(&root).send().expect_status(200).json();
    assert_eq!(list["items"][0]["name"], name);
}

/// L2, L3: what is sensitive is shown as stars, in the one and in the list, and nowhere as it is.
#[test]
fn secrets_are_never_shown_again() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    connect(&postern, &root, "shop", CODE_FLOW, &secrets("127.0.0.1:9"));
    let shown = postern.get(&at("shop", "")).bearer(&root).send().expect_status(200);
    assert_eq!(shown.json()["secrets"]["client_secret"], "**********");
    for answer in [
        shown,
        postern.get("/api/v1/connection").bearer(&root).send(),
        postern.get(&at("shop", "/saas_config")).bearer(&root).send(),
        postern.get(&at("shop", "/authorize")).bearer(&root).send(),
    ] {
        assert!(!answer.expect_status(200).text().contains("saassecret"));
    }
}

/// P1, P4, P5: a value is one value, whatever is in it, in query, form and header.
#[test]
fn values_arrive_at_the_provider_as_they_are() {
    let mock = provider(|_, _| None);
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    let (id, secret) = ("a&client_secret=x#", "<client_id>\"}, {\"+ä%00=&grant_type=x");
    let mut given = secrets(&mock.url());
    given["client_id"] = id.into();
    given["client_secret"] = secret.into();
    connect(&postern, &root, "shop", CODE_FLOW, &given);
    let url = authorize(&postern, &root, "shop");
    assert_eq!((parameter(&url, "client_id").as_str(), url.matches('#').count()), (id, 0));
    assert!(!url.contains("client_secret="), "{url}");
    let code = "c&grant_type=y <code>";
    drop(call_back(&postern, &parameter(&url, "state"), code).expect_status(200));
    let requests = mock.requests();
    let mut form = requests[0].form();
    form.sort();
    let names: Vec<&str> = form.iter().map(|(name, _)| name.as_str()).collect();
    let known = ["client_id", "client_secret", "code", "code_verifier", "grant_type", "redirect_uri"];
    assert_eq!(names, known);
    let field = |name: &str| requests[0].field(name);
    assert_eq!((field("client_id").as_deref(), field("client_secret").as_deref()), (Some(id), Some(secret)));
    assert_eq!((field("code").as_deref(), field("grant_type").as_deref()), (Some(code), Some("authorization_code")));
}

/// RFC 6749 §2.3.1: Basic credentials are form-encoded before they are joined.
#[test]
fn basic_credentials_with_reserved_characters_are_encoded_first() {
    let mock = provider(|_, _| None);
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    let mut given = secrets(&mock.url());
    given["client_id"] = "a:b".into();
    given["client_secret"] = "c d+".into();
    connect(&postern, &root, "shop", CLIENT_CREDENTIALS, &given);
    drop(live(&postern, &root, "shop"));
    let requests = mock.requests();
    // a%3Ab:c%20d%2B
    assert_eq!(requests[0].header("Authorization"), Some("Basic YSUzQWI6YyUyMGQlMkI="));
    assert_eq!(requests[0].field("client_secret"), None);
}

/// As in production, over https to a public name; nothing of ours is told but what the definition says.
#[test]
fn a_provider_with_a_public_name_is_asked_by_https() {
    let mock = provider(|_, _| None);
    let setup = Setup::new().unset("ALLOW_LOOPBACK_PROVIDERS").outbound(&mock);
    let postern = Postern::start(setup.set("PUBLIC_URL", "https://postern.example"));
    let root = root(&postern);
    connect(&postern, &root, "shop", &public_definition(), &secrets("login.provider.example"));
    let url = authorize(&postern, &root, "shop");
    assert!(url.starts_with("https://login.provider.example/auth?"), "{url}");
    assert_eq!(parameter(&url, "redirect_uri"), "https://postern.example/api/v1/oauth/callback");
    drop(call_back(&postern, &parameter(&url, "state"), "code").expect_status(200));
    let requests = mock.requests();
    let [exchange] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!((exchange.host.as_str(), exchange.path()), ("login.provider.example", "/token"));
    assert_eq!(exchange.header("X-Forwarded-Proto"), Some("https"));
    assert!(["Cookie", "Authorization", "X-Request-ID"].iter().all(|name| exchange.header(name).is_none()));
}

/// S1 to S6, S9 to S13: no value of a secret leads to another host than a public one; nothing goes out.
#[test]
fn a_host_that_is_not_public_is_refused_and_never_called() {
    let mock = provider(|_, _| None);
    let setup = Setup::new().unset("ALLOW_LOOPBACK_PROVIDERS").outbound(&mock);
    let postern = Postern::start(setup.set("PUBLIC_URL", "https://postern.example"));
    let root = root(&postern);
    connect(&postern, &root, "shop", &public_definition(), &secrets("login.provider.example"));
    let loopback = mock.address().to_string();
    for host in [
        loopback.as_str(),
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "10.0.0.1",
        "169.254.169.254",
        "1.1.1.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "localhost.",
        "x.localhost",
        "db.internal",
        "router.local",
        "single",
        "postern.example",
        "POSTERN.example",
        "provider.example:22",
        "provider.example/",
        "provider.example#",
        "provider.example?x=",
        "user@provider.example",
        "provider.example\\@127.0.0.1",
        "exam%70le.com",
        "..",
        "",
    ] {
        let put = || -> Answer { postern.put(&at("shop", "/secret")).bearer(&root).json(&secrets(host)).send() };
        let answer = put();
        assert_eq!(answer.status, 422, "{host}: {}", answer.text());
    }
    let http = public_definition().replace("protocol: https\n", "protocol: http\n");
    let put = postern.patch(&at("shop", "/saas_config")).bearer(&root).body("application/yaml", http);
    drop(put.send().expect_status(422));
    assert!(authorize(&postern, &root, "shop").starts_with("https://login.provider.example/"));
    assert_eq!(mock.requests().len(), 0);
}

/// Some of a list may fail; pages are cut as asked.
#[test]
fn connections_are_saved_in_bulk_and_listed_in_pages() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    let items: Vec<Value> = (0..7)
        .map(|number| json!({ "key": format!("k{number}"), "connection_type": "saas", "access": "read" }))
        .chain([json!({ "key": "bad", "connection_type": "saas", "access": "read", "secrets": { "a": "b" } })])
        .collect();
    let saved = postern.patch("/api/v1/connection").bearer(&root).json(&json!(items)).send().expect_status(200).json();
    let count = |name: &str| saved[name].as_array().map(Vec::len);
    assert_eq!((count("succeeded"), count("failed")), (Some(7), Some(1)), "{saved}");
    let page = |query: &str| postern.get(&format!("/api/v1/connection?{query}")).bearer(&root).send();
    let second = page("page=2&size=3").expect_status(200).json();
    let keys: Vec<&Value> = second["items"].as_array().into_iter().flatten().map(|item| &item["key"]).collect();
    assert_eq!(keys, ["k3", "k4", "k5"]);
    assert_eq!(
        (&second["total"], &second["pages"], &second["page"], &second["size"]),
        (&json!(7), &json!(3), &json!(2), &json!(3))
    );
    assert_eq!(page("page=9").expect_status(200).json()["items"], json!([]));
    for bad in ["page=0", "size=101", "size=x", "page=-1", "page=1&page=2"] {
        let status = page(bad).status;
        assert!(matches!(status, 400 | 422), "{bad}: {status}");
    }
}
