//! Templates of connector documents, with any values in each place of a request.
//!
//! An input is a letter for the place, the template, and after NUL bytes the values of `<a>`, `<b>` and, as JSON,
//! `<o>`. What a hostile value makes of a request is compared with what harmless marks make of it: wherever a mark
//! stands the value must stand, and nothing else may differ.
#![no_main]

use http::Method;
use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;
use postern::{
    connection::{
        definition::{Action, Definition},
        outbound::OutboundPolicy,
        template::{Template, values::Values},
        token_exchange::{self, RequestProblem},
    },
    ports::ProviderRequest,
};
use serde_json::{Map, Value, json};
use url::{Url, form_urlencoded};

/// What stands for `<a>` and `<b>` in the request to compare with: host names, so that they fit every place. Each
/// begins with a digit that no input holds, so that a mark is never made of anything else.
const MARKS: [&str; 2] = ["7.example.com", "8.example.com"];

/// The two digits, and what may be decoded to them.
const RESERVED: [&str; 3] = ["7", "8", "\\u003"];

/// One input.
struct Case<'a> {
    /// Where the template stands.
    place: char,
    /// The template.
    template: &'a str,
    /// The values of `<a>` and `<b>`.
    texts: [&'a str; 2],
    /// The value of `<o>`.
    other: Value,
}

impl<'a> Case<'a> {
    /// Reads an input; none where marks could not be told from it.
    fn read(data: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(data).ok().filter(|text| RESERVED.iter().all(|mark| !text.contains(mark)))?;
        let place = text.chars().next()?;
        let mut parts = text[place.len_utf8()..].splitn(4, '\0');
        let mut next = || parts.next().unwrap_or_default();
        let (template, texts, other) = (next(), [next(), next()], next());
        let other = serde_json::from_str(other).unwrap_or_else(|_| other.into());
        Some(Self { place, template, texts, other })
    }

    /// The values, with these texts.
    fn values(&self, [a, b]: [&str; 2]) -> Map<String, Value> {
        json!({ "a": a, "b": b, "o": self.other }).as_object().expect("an object").clone()
    }

    /// A text with the values in the place of the marks.
    fn filled(&self, marked: &str) -> String {
        marked.replace(MARKS[0], self.texts[0]).replace(MARKS[1], self.texts[1])
    }

    /// A JSON value with the values in the place of the marks. Names of members hold no marks.
    fn filled_json(&self, marked: &Value) -> Value {
        match marked {
            Value::String(text) => self.filled(text).into(),
            Value::Array(elements) => elements.iter().map(|element| self.filled_json(element)).collect(),
            Value::Object(members) => {
                assert!(members.keys().all(|name| MARKS.iter().all(|mark| !name.contains(mark))), "a value is a name");
                members.iter().map(|(name, value)| (name.clone(), self.filled_json(value))).collect()
            }
            other => other.clone(),
        }
    }

    /// A definition whose token request has the template in its place; none where it may not stand there.
    fn definition(&self) -> Option<Definition> {
        let template = self.template;
        let content_type = |value: &str| json!([{ "name": "Content-Type", "value": value }]);
        let (name, value) = match self.place {
            'q' => {
                let other = |name: &str| json!({ "name": name, "value": name });
                ("query_params", json!([other("first"), { "name": "x", "value": template }, other("last")]))
            }
            'p' => ("path", template.into()),
            'h' => ("headers", json!([{ "name": "X-Test", "value": template }])),
            'o' => ("client_config", json!({ "protocol": "https", "host": template })),
            _ => ("body", template.into()),
        };
        let mut request = json!({ "method": "POST", "path": "/token" });
        match self.place {
            'f' => request["headers"] = content_type("application/x-www-form-urlencoded"),
            't' => request["headers"] = content_type("text/plain"),
            _ => {}
        }
        request[name] = value;
        let document = json!({
            "fides_key": "k", "name": "n", "type": "t", "description": "", "version": "1",
            "connector_params": [{ "name": "a" }, { "name": "b" }, { "name": "o" }],
            "client_config": { "protocol": "https", "host": "provider.example", "authentication": {
                "strategy": "oauth2_client_credentials", "configuration": { "token_request": request },
            }},
            "test_request": { "method": "GET", "path": "/" },
            "endpoints": [],
        });
        Definition::from_document(document).ok()
    }

    /// The request with these texts.
    fn request(&self, definition: &Definition, texts: [&str; 2]) -> Result<ProviderRequest, RequestProblem> {
        let values = self.values(texts);
        let values = Values::new().with_all(&values);
        token_exchange::request(definition, Action::Access, &values, &OutboundPolicy::default())
    }
}

/// What must hold for any template by itself: its brackets are its placeholders, and it is filled in one pass.
fn check_template(case: &Case<'_>) {
    let template = match Template::parse(case.template) {
        Ok(template) => template,
        Err(problem) => return assert!(problem.offset <= case.template.chars().count(), "{problem}"),
    };
    let brackets = |bracket: char| case.template.matches(bracket).count();
    let count = template.placeholders().count();
    assert_eq!((brackets('<'), brackets('>')), (count, count));
    for placeholder in template.placeholders() {
        let start: String = case.template.chars().skip(placeholder.offset()).collect();
        assert!(start.starts_with(&format!("<{}", placeholder.written())));
        assert!(placeholder.written().starts_with(placeholder.name()));
    }
    let (real, marked) = (case.values(case.texts), case.values(MARKS));
    let real = template.text_body(&Values::new().with_all(&real));
    let marked = template.text_body(&Values::new().with_all(&marked));
    assert_eq!(real.map(|text| text.expose().to_owned()), marked.map(|text| case.filled(text.expose())));
}

/// The body of a request.
fn body(request: &ProviderRequest) -> &str {
    request.body.as_ref().map_or("", |body| body.expose())
}

/// Names and values of a query or a form.
fn pairs(text: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// The segments of a URL's path, decoded.
fn segments(url: &Url) -> Vec<String> {
    let segments = url.path_segments().expect("https has a path");
    segments.map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned()).collect()
}

/// What must hold for two requests of one template in one place.
fn check_requests(case: &Case<'_>, real: &ProviderRequest, marked: &ProviderRequest) {
    let filled = |pairs: Vec<(String, String)>| -> Vec<(String, String)> {
        pairs.into_iter().map(|(name, value)| (name, case.filled(&value))).collect()
    };
    assert_eq!((&real.method, &marked.method), (&Method::POST, &Method::POST));
    let names = |request: &ProviderRequest| -> Vec<String> {
        request.headers.iter().map(|(name, _)| name.as_str().to_owned()).collect()
    };
    assert_eq!(names(real), names(marked));
    for (name, value) in &real.headers {
        let value = http::HeaderValue::from_str(value.expose()).expect("a header value");
        assert!(value.as_bytes().iter().all(|byte| (b' '..=b'~').contains(byte)), "{}", name.as_str());
    }
    assert!(real.url.username().is_empty() && real.url.password().is_none());
    assert!(real.url.fragment().is_none() && real.url.port().is_none() && real.url.scheme() == "https");
    if case.place == 'o' {
        let host = marked.url.host_str().map(|host| case.filled(host).to_ascii_lowercase());
        assert_eq!(real.url.host_str().map(str::to_owned), host);
    } else {
        assert_eq!(real.url.host_str(), Some("provider.example"));
    }
    let query = |request: &ProviderRequest| pairs(request.url.query().unwrap_or_default());
    match case.place {
        'q' => assert_eq!(query(real), filled(query(marked))),
        'p' => {
            assert_eq!(segments(&real.url).len(), segments(&marked.url).len());
            assert!(segments(&real.url).iter().all(|segment| segment != "." && segment != ".."));
            assert_eq!(real.url.query().is_some(), marked.url.query().is_some());
            // What the template itself has encoded is decoded here, and may be anything.
            if !case.template.contains('%') {
                let marked: Vec<_> = segments(&marked.url).iter().map(|segment| case.filled(segment)).collect();
                assert_eq!(segments(&real.url), marked);
            }
        }
        'h' => {
            let value = |request: &ProviderRequest| request.headers.first().map(|(_, value)| value.expose().to_owned());
            assert_eq!(value(real), value(marked).map(|value| case.filled(&value)));
        }
        'o' => {}
        'f' => assert_eq!(pairs(body(real)), filled(pairs(body(marked)))),
        't' => assert_eq!(body(real), case.filled(body(marked))),
        _ => {
            let json = |request: &ProviderRequest| serde_json::from_str::<Value>(body(request)).expect("JSON");
            assert_eq!(json(real), case.filled_json(&json(marked)));
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(case) = Case::read(data) else { return };
    check_template(&case);
    let Some(definition) = case.definition() else { return };
    match (case.request(&definition, case.texts), case.request(&definition, MARKS)) {
        (Ok(real), Ok(marked)) => check_requests(&case, &real, &marked),
        // A host name may be made of parts of which none is one.
        (Ok(_), Err(problem)) => assert!(case.place == 'o', "{problem}"),
        (Err(problem), marked) => {
            let may_fail = matches!(case.place, 'p' | 'h' | 'o') || marked.as_ref().err() == Some(&problem);
            assert!(may_fail, "{problem}");
            let shown = format!("{problem} {problem:?}");
            let is_shown = |text: &&&str| text.len() >= 32 && shown.contains(**text) && !case.template.contains(**text);
            assert_eq!(case.texts.iter().find(is_shown), None, "a value is shown");
        }
    }
});
