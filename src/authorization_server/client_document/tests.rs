//! Documents about clients, good and bad.

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
