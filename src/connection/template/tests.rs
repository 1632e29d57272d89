//! Grammar and escaping, checklist rows P1 to P9, and golden values: what Fides makes of a template.

use serde_json::{Value, json};

use super::*;

/// The secrets of the golden values, and hostile ones.
fn secrets() -> Value {
    json!({
        "a": "1", "n": 5, "b": true, "z": null, "e": "", "o": {"x": "y", "k": {"q": 2}}, "l": ["p", 3],
        "second_order": "<client_secret> <a>", "client_secret": "hunter2",
    })
}

fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

fn text(text: &str) -> Option<String> {
    let secrets = secrets();
    template(text).parameter(&Values::new().with_all(secrets.as_object().unwrap())).map(|text| text.expose().to_owned())
}

fn with_x<T>(value: &str, render: impl FnOnce(&Values<'_>) -> T) -> T {
    let value = SecretText::new(value.to_owned());
    render(&Values::new().with("x", &value))
}

fn kind(text: &str) -> (usize, TemplateProblemKind) {
    let problem = Template::parse(text).unwrap_err();
    (problem.offset, problem.kind)
}

/// What Fides makes of each template, but that booleans read `true` and `false`.
#[test]
fn text_is_filled_in_as_fides_does() {
    for (template, result) in [
        ("pre<a>post<a>", Some("pre1post1")),
        ("<missing>", None),
        ("<z>", None),
        ("<A>", None),
        ("<missing?>", None),
        ("<e>", Some("")),
        ("<n>", Some("5")),
        ("<b>", Some("true")),
        ("<o.k.q>", Some("2")),
        ("<l[0]>", Some("p")),
        ("<l.1>", Some("3")),
        ("<l.2>", None),
        ("<l[9].x>", None),
        ("<a.x>", None),
        ("<l>", Some(r#"["p", 3]"#)),
        ("<o.k>", Some(r#""q": 2"#)),
        ("a<missing>b<a>", None),
        ("plain", Some("plain")),
        ("", Some("")),
    ] {
        assert_eq!(text(template).as_deref(), result, "{template}");
    }
}

/// P1: a value that looks like a placeholder appears literally.
#[test]
fn substitution_is_a_single_pass() {
    assert_eq!(text("<second_order>|<a>").unwrap(), "<client_secret> <a>|1");
}

/// P6: unclosed, nested, empty, malformed, with the place.
#[test]
fn malformed_placeholders_are_errors_with_their_offset() {
    assert_eq!(kind("é<a"), (1, TemplateProblemKind::Unclosed));
    assert_eq!(kind("<a> b>"), (5, TemplateProblemKind::Unopened));
    assert_eq!(kind("<<a>>"), (0, TemplateProblemKind::Nested));
    assert_eq!(kind("x<a<b>"), (1, TemplateProblemKind::Nested));
    assert_eq!(kind("<>"), (0, TemplateProblemKind::Empty));
    assert_eq!(kind("<?>"), (0, TemplateProblemKind::Empty));
    for name in ["< a >", "<a.>", "<.a>", "<a..b>", "<a[>", "<a[]>", "<a[x]>", "<a]>", "<a[0]b>", "<a??>", "<é>"] {
        assert_eq!(kind(name), (0, TemplateProblemKind::Name), "{name}");
    }
    assert_eq!(kind(&format!("<{}>", "a".repeat(257))), (0, TemplateProblemKind::Name));
}

/// P9: nothing is evaluated.
#[test]
fn there_is_no_expression_language() {
    assert_eq!(text("{{ 7*7 }} ${a} %{a} #{a}").unwrap(), "{{ 7*7 }} ${a} %{a} #{a}");
    for expression in ["<a|upper>", "<a()>", "<a + b>", "<env:HOME>", "<a/b>"] {
        assert_eq!(kind(expression), (0, TemplateProblemKind::Name), "{expression}");
    }
}

#[test]
fn placeholders_are_listed_with_name_and_place() {
    let template = template("é<a.b> <c?>");
    let listed: Vec<_> = template
        .placeholders()
        .map(|placeholder| (placeholder.name(), placeholder.written(), placeholder.offset()))
        .collect();
    assert_eq!(listed, [("a", "a.b", 1), ("c", "c", 7)]);
    assert_eq!(template.with_stand_in("x"), "éx x");
}

/// P2: CR, LF, NUL and non-ASCII never reach a header field.
#[test]
fn header_values_are_visible_ascii() {
    let header = template("Token <x>");
    for hostile in ["a\r\nX: y", "a\nb", "a\rb", "a\0", "\u{7f}", "é", "a\tb", "\u{85}", "\u{10a}"] {
        let problem = with_x(hostile, |values| header.header(values)).unwrap_err();
        assert!(!problem.to_string().contains(hostile));
        assert!(matches!(problem, RenderProblem::Unusable { name, .. } if name == "x"));
    }
    let rendered = with_x("a b~!", |values| header.header(values)).unwrap();
    assert_eq!(rendered.unwrap().expose(), "Token a b~!");
    assert_eq!(header.header(&Values::new()).unwrap(), None);
}

/// P3: a value stays inside its segment.
#[test]
fn path_values_are_one_encoded_segment() {
    let path = template("/v1/<x>/token");
    for (value, rendered) in [
        ("../admin", "/v1/..%2Fadmin/token"),
        ("a/b", "/v1/a%2Fb/token"),
        (r"a\b", "/v1/a%5Cb/token"),
        ("a;b", "/v1/a%3Bb/token"),
        ("%2e%2e", "/v1/%252e%252e/token"),
        ("a?b#c", "/v1/a%3Fb%23c/token"),
        ("é ", "/v1/%C3%A9%20/token"),
        ("A-z_0.~", "/v1/A-z_0.~/token"),
        ("", "/v1//token"),
    ] {
        assert_eq!(with_x(value, |values| path.path(values)).unwrap().expose(), rendered);
    }
    for value in [".", ".."] {
        assert!(with_x(value, |values| path.path(values)).is_err());
    }
    assert!(with_x(".", |values| template("/a/.<x>").path(values)).is_err());
    assert!(with_x("", |values| template("/a/<x>../b").path(values)).is_err());
    assert!(with_x("", |values| template("/a/%2E<x>%2e").path(values)).is_err());
    let missing = path.path(&Values::new()).unwrap_err();
    assert_eq!(missing, RenderProblem::Missing { names: vec!["x".to_owned()] });
}

/// S11: a host value is a name and nothing else.
#[test]
fn host_values_are_dns_names() {
    let host = template("<x>.example.com");
    for hostile in [
        "evil.com/",
        "evil.com#",
        "evil.com?",
        "a.b@evil.com",
        "evil.com:443",
        "..",
        ".",
        "",
        "a..b",
        "a.",
        ".a",
        "-a",
        "a-",
        "a b",
        "a%2eb",
        "é",
        "①",
        "a\\b",
        "[::1]",
        "http://a",
        "127.0.0.1:80",
        "localhost:80",
        "*",
    ] {
        assert!(with_x(hostile, |values| host.host(values, false)).is_err(), "{hostile}");
    }
    assert!(with_x(&"a".repeat(64), |values| host.host(values, false)).is_err());
    for name in ["a", "eu-1.tenant", "xn--bcher-kva", "A_b"] {
        let rendered = with_x(name, |values| host.host(values, false)).unwrap();
        assert_eq!(rendered.expose(), format!("{}.example.com", name.to_ascii_lowercase()));
    }
}

/// Only under the development setting may a host be literal loopback with a port.
#[test]
fn loopback_hosts_need_the_setting() {
    let host = template("<x>");
    for loopback in ["127.0.0.1:4010", "localhost:4010", "[::1]:4010", "[::1]"] {
        assert!(with_x(loopback, |values| host.host(values, false)).is_err());
        let rendered = with_x(loopback, |values| host.host(values, true)).unwrap();
        assert_eq!(rendered.expose(), loopback);
    }
    for other in [
        "10.0.0.1:80",
        "evil.com:80",
        "127.0.0.1:0",
        "127.0.0.1:x",
        "127.0.0.1:",
        "[::2]:80",
        "127.0.0.1:80:80",
        "[::1]:80/x",
        "a@127.0.0.1:80",
        "127.1:80",
    ] {
        assert!(with_x(other, |values| host.host(values, true)).is_err(), "{other}");
    }
}
