//! Golden values: what Fides makes of a template that is JSON, and checklist row P5.

use serde_json::json;

use super::*;

fn render(template: &str, secrets: &Value) -> Result<String, RenderProblem> {
    JsonTemplate::parse(template)
        .unwrap()
        .render(&Values::new().with_all(secrets.as_object().unwrap()))
        .map(|text| text.expose().to_owned())
}

fn kind(template: &str) -> TemplateProblemKind {
    JsonTemplate::parse(template).unwrap_err().kind
}

/// What Fides makes of each template.
#[test]
fn json_is_filled_in_as_fides_does() {
    let secrets = json!({
        "a": "1", "n": 5, "b": true, "z": null, "e": "", "o": {"x": "y", "k": {"q": 2}}, "l": ["p", 3],
    });
    for (template, result) in [
        (r#"{"v": "<missing?>"}"#, r#"{"v": null}"#),
        (r#"{"v": "<z?>"}"#, r#"{"v": null}"#),
        (r#"{"v": "<a?>"}"#, r#"{"v": "1"}"#),
        (r#"{"v": <missing?>}"#, r#"{"v": null}"#),
        (r#"{"v": <n>, "w": <b>}"#, r#"{"v": 5, "w": true}"#),
        (r#"{"v": "<n>", "w": "<b>"}"#, r#"{"v": "5", "w": "true"}"#),
        (r#"{"v": <a>}"#, r#"{"v": "1"}"#),
        (r#"{"v": "<e>"}"#, r#"{"v": ""}"#),
        (r#"{"v": <l>}"#, r#"{"v": ["p", 3]}"#),
        (r#"{"v": <o.k>}"#, r#"{"v": {"q": 2}}"#),
        (r#""<a>-<a?>-<n>""#, r#""1-1-5""#),
        ("{<missing?>}", "{}"),
    ] {
        assert_eq!(render(template, &secrets).unwrap(), result, "{template}");
    }
    // Fides keeps the order of the members; serde_json sorts them.
    assert_eq!(render("{<o>}", &secrets).unwrap(), r#"{"k": {"q": 2}, "x": "y"}"#);
    assert_eq!(
        render(r#"{"a": "<missing>", "b": "x<gone?>", "c": <z>, "d": "<a>"}"#, &secrets),
        Err(RenderProblem::Missing { names: vec!["missing".to_owned(), "gone".to_owned(), "z".to_owned()] })
    );
    assert!(matches!(
        render("{<l>}", &secrets),
        Err(RenderProblem::Unusable { name, .. }) if name == "l"
    ));
}

/// P5, W5: quotes, braces and line breaks in a value stay inside their string.
#[test]
fn values_cannot_change_the_structure() {
    let hostile = "C\",\"scope\":\"admin\\\n}\u{2028}<a>";
    let secrets = json!({"x": hostile, "a": "expanded"});
    for template in [r#"{"code": "<x>", "b": 1}"#, r#"{"code": <x>, "b": 1}"#, r#"{"code": "<x?>", "b": 1}"#] {
        let body: Value = serde_json::from_str(&render(template, &secrets).unwrap()).unwrap();
        assert_eq!(body, json!({"code": hostile, "b": 1}));
    }
    let list = json!({"x": ["\"", {"k": "v"}]});
    let body: Value = serde_json::from_str(&render(r#"{"v": "<x>"}"#, &list).unwrap()).unwrap();
    assert_eq!(body, json!({"v": r#"["\"", {"k": "v"}]"#}));
}

#[test]
fn a_template_that_could_break_json_is_refused() {
    for template in [
        "",
        "x",
        "{",
        r#"{"a": 1<n>}"#,
        r#"{"a": -<n>}"#,
        r#"{"a": <a><b>}"#,
        r#"{"a": "\<n>"}"#,
        r#"{"a": "\u00<n>"}"#,
        "{<k>: 1}",
        r#"{"a": 1, <o>}"#,
        "{<o> <o>}",
        r#"{"<k?>": 1}"#,
        "[1,]",
    ] {
        assert!(matches!(kind(template), TemplateProblemKind::NotJson { .. }), "{template}");
    }
    assert_eq!(kind(r#"[{"a<k>": 1}]"#), TemplateProblemKind::InKey);
    let problem = JsonTemplate::parse("{\n  \"é\": 1,\n  oops\n}").unwrap_err();
    assert_eq!(problem.offset, 12);
    assert_eq!(problem.kind, TemplateProblemKind::NotJson { line: 3 });
}

#[test]
fn the_text_of_the_template_is_kept_byte_for_byte() {
    let template = "{\n\t\"a\" :  \"<x>\" ,\r\n  \"a\": 1.0e1, \"\\u0041\": []\n}\n";
    assert_eq!(render(template, &json!({"x": "v"})).unwrap(), template.replace("<x>", "v"));
}

#[test]
fn an_object_is_known_as_one() {
    let template = JsonTemplate::parse(r#"{"code": "<code>", "o": {"x": <y>}}"#).unwrap();
    assert!(template.is_object());
    let names: Vec<_> = template.placeholders().map(Placeholder::name).collect();
    assert_eq!(names, ["code", "y"]);
    assert!(!JsonTemplate::parse("[<a>]").unwrap().is_object());
}
