//! `ALLOWED_HOSTS` and a definition's `allowed_hosts`: when a definition is saved, when secrets are, before each
//! request.

use serde_json::{Value, json};

use super::{
    Host,
    stage::{CODE_FLOW, answer, tokens},
};
use crate::connection::yaml;

/// A deployment that speaks to these hosts only.
fn deployment(hosts: &str) -> Host {
    let host = Host::with(&[("ALLOWED_HOSTS", hosts)]);
    host.save("shop");
    host
}

/// A code flow, `api.query-provider.example` unless a secret says otherwise, with a list of hosts.
fn document(allowed: &Value) -> Value {
    let mut document =
        yaml::parse(CODE_FLOW).unwrap_or_else(|_| panic!("the fixture is no YAML"))["saas_config"].take();
    document["allowed_hosts"] = allowed.clone();
    document
}

/// Puts a definition: status and, of what is wrong, the places.
fn put(host: &Host, document: &Value) -> (u16, Vec<String>) {
    let answer = host.as_root("PATCH", "/connection/shop/saas_config", document);
    if answer.status == 200 {
        return (200, Vec::new());
    }
    let (status, issues) = answer.issues();
    (status, issues.into_iter().map(|(_, place)| place).collect())
}

/// Puts secrets with this domain: status and, of what is wrong, the places.
fn put_domain(host: &Host, domain: &str) -> (u16, Vec<String>) {
    let secrets = json!({ "domain": domain, "client_id": "id", "client_secret": "canary-client-secret" });
    let answer = host.put_secrets("shop", &secrets);
    if answer.status == 200 {
        return (200, Vec::new());
    }
    let (status, issues) = answer.issues();
    (status, issues.into_iter().map(|(_, place)| place).collect())
}

/// S12: each literal host of a definition must be on both lists; the place of the one that is not is named.
#[test]
fn a_definition_with_a_host_off_the_lists_is_refused() {
    let request = r#"["body","client_config","authentication","configuration","token_request","client_config","host"]"#;
    for (setting, allowed, token_host, expected) in [
        ("", json!(null), "login.example.com", None),
        ("*.example.com", json!(null), "login.example.com", None),
        ("*.example.com", json!(null), "login.example.org", Some(request)),
        ("", json!(["*.example.com"]), "login.example.com", None),
        ("", json!(["*.example.com"]), "login.example.org", Some(request)),
        ("*.example.com", json!(["login.example.com"]), "login.example.com", None),
        ("*.example.com", json!(["login.example.com"]), "eu.example.com", Some(request)),
        ("login.example.com", json!(["*.example.com"]), "eu.example.com", Some(request)),
        ("login.example.com", json!(["login.example.org"]), "login.example.com", Some(request)),
    ] {
        let host = deployment(setting);
        let mut document = document(&allowed);
        document["client_config"]["authentication"]["configuration"]["token_request"]["client_config"] =
            json!({ "protocol": "https", "host": token_host });
        let (status, places) = put(&host, &document);
        let expected: Vec<&str> = expected.into_iter().collect();
        assert_eq!(
            (status == 422, places),
            (!expected.is_empty(), expected.iter().map(|place| (*place).to_owned()).collect())
        );
        let kept = host.as_root("GET", "/connection/shop/saas_config", &Value::Null);
        assert_eq!(kept.status == 200 && kept.json()["allowed_hosts"] == allowed, expected.is_empty(), "{kept:?}");
    }
}

/// S12: a definition's list is a list of patterns, each of which means something less than everything.
#[test]
fn a_list_of_hosts_that_is_none_is_refused() {
    let host = deployment("");
    for (allowed, place) in [
        (json!([]), r#"["body","allowed_hosts"]"#),
        (json!("login.example.com"), r#"["body","allowed_hosts"]"#),
        (json!({ "0": "login.example.com" }), r#"["body","allowed_hosts"]"#),
        (json!(["login.example.com", "*"]), r#"["body","allowed_hosts",1]"#),
        (json!(["*.com"]), r#"["body","allowed_hosts",0]"#),
        (json!(["<domain>"]), r#"["body","allowed_hosts",0]"#),
        (json!(["login.example.com:443"]), r#"["body","allowed_hosts",0]"#),
        (json!(["127.0.0.1"]), r#"["body","allowed_hosts",0]"#),
        (json!([7]), r#"["body","allowed_hosts",0]"#),
        (json!(vec!["login.example.com"; 101]), r#"["body","allowed_hosts"]"#),
    ] {
        assert_eq!(put(&host, &document(&allowed)), (422, vec![place.to_owned()]), "{allowed}");
    }
}

/// S11, S12: a host made of a secret must be on both lists when the secret is saved.
#[test]
fn secrets_that_make_a_host_off_the_lists_are_refused() {
    for (setting, allowed) in [
        ("*.provider.example,*.else.example", json!(["*.provider.example", "api.provider.test"])),
        ("", json!(["*.provider.example"])),
        ("*.provider.example", json!(null)),
    ] {
        let host = deployment(setting);
        assert_eq!(put(&host, &document(&allowed)).0, 200);
        for domain in [
            "provider.example",
            "evilprovider.example",
            "tenant.provider.example.evil.example",
            "x.else.example",
            "api.provider.test",
            "tenant.provider.example/",
            "tenant.provider.example#",
            "tenant.provider.example?",
            "evil.example/.provider.example",
            "a@tenant.provider.example",
            "tenant.provider.example:443",
            "..",
            "127.0.0.1",
        ] {
            assert_eq!(put_domain(&host, domain), (422, vec![r#"["body","domain"]"#.to_owned()]), "{domain}");
        }
        for domain in ["tenant.provider.example", "Tenant.PROVIDER.example"] {
            assert_eq!(put_domain(&host, domain).0, 200, "{domain}");
        }
    }
}

/// S12: what was saved before the list was: no URL for a person, no exchange, no renewal; nothing is sent.
#[test]
fn no_request_goes_to_a_host_that_has_left_the_list() {
    let begin = |host: &Host| host.as_root("GET", "/connection/shop/authorize", &Value::Null);
    let host = Host::new().with_authorized("shop");
    let state = host.state("shop");
    assert_eq!(put(&host, &document(&json!(["*.else.example"]))).0, 200);
    let refused = [begin(&host), host.callback(&format!("state={state}&code=canary-code-2"))];
    for answer in refused {
        assert!(answer.status == 422 && answer.text().contains("not on the list of allowed hosts"), "{answer:?}");
    }
    host.wait(3_600);
    host.provider_answers([answer(200, &tokens(2))]);
    assert_ne!(host.read("shop").status, 200);
    assert_eq!(host.as_root("POST", "/sweep", &Value::Null).status, 200);
    host.run_behind();
    assert_eq!(host.requests(), 1);

    assert_eq!(put(&host, &document(&json!(["*.query-provider.example"]))).0, 200);
    assert_eq!(begin(&host).status, 200);
    host.wait(3_600);
    assert_eq!(host.live("shop"), (200, "canary-at-2".to_owned()));
}

/// S14, S11: a host that the provider itself named, in a kept member of its token answer, is judged like any other
/// before each request: nothing goes to another machine of ours, to no name at all, or off the lists.
#[test]
fn a_host_that_the_provider_names_is_judged_before_each_request() {
    let host = deployment("");
    let mut document = document(&json!(["*.query-provider.example", "*.query-provider.test"]));
    document["client_config"]["authentication"]["configuration"]["keep"] = json!(["api_host"]);
    document["test_request"]["client_config"] = json!({ "protocol": "https", "host": "<api_host>" });
    let places = put(&host, &document);
    assert_eq!(places, (200, Vec::new()));
    assert_eq!(put_domain(&host, "api.query-provider.example").0, 200);
    let named = |name: &str| {
        let mut given = tokens(1);
        given["api_host"] = name.into();
        host.provider_answers([answer(200, &given), answer(200, &json!({}))]);
        assert_eq!(host.authorize("shop", "canary-code").status, 200, "{name}");
        let before = host.requests();
        let tested = host.as_root("GET", "/connection/shop/test", &Value::Null);
        assert_eq!(tested.status, 200, "{tested:?}");
        (tested.json()["test_status"].clone(), host.requests() - before)
    };
    for name in [
        "127.0.0.1",
        "0x7f.1",
        "localhost",
        "169.254.169.254",
        "metadata.internal",
        "postern.example",
        "evil.example",
        "query-provider.example",
        "eu.query-provider.example.evil.example",
        "evil.example/.query-provider.example",
        "x@eu.query-provider.example",
        "eu.query-provider.example:8443",
        "https://eu.query-provider.example",
        "<domain>",
        "",
    ] {
        assert_eq!(named(name), (json!("failed"), 0), "{name}");
    }
    assert_eq!(named("eu.query-provider.test"), (json!("succeeded"), 1));
    assert_eq!(host.memory.sent().last().unwrap().url.host_str(), Some("eu.query-provider.test"));
}
