//! Holds every request and answer of the tests against the document of the API: the status is one that the operation
//! can answer, headers and body are as it says; and what was accepted is what it says is accepted.

use std::{
    collections::BTreeMap,
    sync::{LazyLock, Mutex},
};

use jsonschema::{Registry, Validator};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::{ALIASES, DOCUMENT};
use crate::{
    api::{Body, Handled, input},
    connection::yaml,
};

/// What the document is called where schemas of it are meant.
const URI: &str = "urn:postern";

/// The document, for references.
static REGISTRY: LazyLock<Registry<'static>> =
    LazyLock::new(|| Registry::new().add(URI, DOCUMENT.clone()).unwrap().prepare().unwrap());

/// The schemas that were needed so far, by their places; each is compiled once.
static VALIDATORS: Mutex<BTreeMap<String, &'static Validator>> = Mutex::new(BTreeMap::new());

/// Headers that answers have for reasons of their own: other tests know when.
const COMMON_HEADERS: [&str; 17] = [
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "allow",
    "cache-control",
    "content-security-policy",
    "content-type",
    "cross-origin-opener-policy",
    "pragma",
    "referrer-policy",
    "strict-transport-security",
    "vary",
    "x-content-type-options",
    "x-frame-options",
    "x-request-id",
];

/// The schema at a place of the document.
pub(super) fn validator(pointer: &str) -> &'static Validator {
    if let Some(known) = VALIDATORS.lock().unwrap().get(pointer) {
        return known;
    }
    let fragment = pointer.replace('{', "%7B").replace('}', "%7D");
    let schema = serde_json::json!({ "$ref": format!("{URI}#{fragment}") });
    let options = jsonschema::draft202012::options().with_registry(&REGISTRY).should_validate_formats(true);
    let built = options.build(&schema).unwrap_or_else(|error| panic!("{pointer}: {error}"));
    VALIDATORS.lock().unwrap().entry(pointer.to_owned()).or_insert_with(|| Box::leak(Box::new(built)))
}

/// A value of the document, or what it refers to.
pub(super) fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => DOCUMENT.pointer(&reference[1..]).unwrap(),
        None => value,
    }
}

/// A place in the document.
#[derive(Clone)]
struct Place(String);

impl Place {
    /// The place of a member, or of what it refers to; none where there is no such member.
    fn member(&self, name: &str) -> Option<Self> {
        let own = format!("{}/{}", self.0, name.replace('~', "~0").replace('/', "~1"));
        let value = DOCUMENT.pointer(&own)?;
        // A schema with a reference may say more than that.
        let reference = value["$ref"].as_str().filter(|reference| !reference.starts_with("#/components/schemas/"));
        Some(Self(reference.map_or(own, |reference| reference[1..].to_owned())))
    }

    /// The value.
    fn value(&self) -> &'static Value {
        DOCUMENT.pointer(&self.0).unwrap()
    }

    /// The places of the members or elements.
    fn members(&self) -> Vec<(String, Self)> {
        let names: Vec<String> = match self.value() {
            Value::Object(members) => members.keys().cloned().collect(),
            Value::Array(elements) => (0..elements.len()).map(|index| index.to_string()).collect(),
            _ => Vec::new(),
        };
        names.into_iter().map(|name| (name.clone(), self.member(&name).unwrap())).collect()
    }

    /// Holds a value against the schema that stands here.
    fn check(&self, value: &Value) -> Result<(), String> {
        let validator = validator(&self.0);
        if validator.is_valid(value) {
            return Ok(());
        }
        let wrong: Vec<String> = validator
            .iter_errors(value)
            .map(|error| format!("at '{}': {error} ({})", error.instance_path(), error.schema_path()))
            .collect();
        Err(format!("{}: {}", self.0, wrong.join("; ")))
    }
}

/// Holds a request and its answer against the document.
pub(in crate::api::tests) fn check(request: &http::Request<Body>, handled: &Handled) {
    if let Err(problem) = judge(request, handled) {
        let (status, method, uri) = (handled.response.status(), request.method(), request.uri());
        let body = String::from_utf8_lossy(handled.response.body());
        panic!("not as src/api/openapi.json has it: {method} {uri} -> {status}: {problem}\n{body}");
    }
}

/// What is wrong with a request or its answer.
pub(super) fn judge(request: &http::Request<Body>, handled: &Handled) -> Result<(), String> {
    if handled.log.route == "-" { check_common(request, handled) } else { check_operation(request, handled) }
}

/// What is said of all paths: OPTIONS, other methods, other paths.
fn check_common(request: &http::Request<Body>, handled: &Handled) -> Result<(), String> {
    let response = &handled.response;
    let has_allow = response.headers().contains_key("allow");
    match response.status().as_u16() {
        204 if request.method() == http::Method::OPTIONS && has_allow && response.body().is_empty() => Ok(()),
        status @ (404 | 405) if (status == 405) == has_allow => {
            let body = serde_json::from_slice(response.body());
            let is_head = request.method() == http::Method::HEAD && response.body().is_empty();
            if is_head {
                Ok(())
            } else {
                Place("/components/schemas/Error".to_owned()).check(&body.unwrap_or_default())
            }
        }
        _ => Err("no answer of any path".to_owned()),
    }
}

/// What is said of the operation.
fn check_operation(request: &http::Request<Body>, handled: &Handled) -> Result<(), String> {
    let method = if request.method() == http::Method::HEAD { "get" } else { request.method().as_str() };
    let own = request.uri().path().trim_end_matches('/');
    let path = if ALIASES.iter().any(|(alias, _)| *alias == own) { own } else { handled.log.route };
    let item = Place("/paths".to_owned()).member(path).ok_or("the path is not described")?;
    let operation = item.member(&method.to_ascii_lowercase()).ok_or("the method is not described")?;
    let response = &handled.response;
    let status = response.status();
    let answer = operation.member("responses").and_then(|all| all.member(status.as_str()));
    let answer = answer.ok_or("the status is not described")?;
    check_headers(&answer, response.headers())?;
    check_content(&answer, response, request.method() == http::Method::HEAD)?;
    if !status.is_success() {
        return Ok(());
    }
    let accepted = check_parameters(&item, path, request)
        .and_then(|()| check_parameters(&operation, path, request))
        .and_then(|()| check_body(&operation, request));
    accepted.map_err(|problem| format!("was accepted, although {problem}"))
}

/// The headers that must be there are, those that are there are described.
fn check_headers(answer: &Place, headers: &http::HeaderMap) -> Result<(), String> {
    let described = answer.member("headers").ok_or("no header is described")?.members();
    for (name, place) in &described {
        let schema = place.member("schema").ok_or("a header without a schema")?;
        match headers.get(name) {
            Some(value) => schema.check(&typed(value.to_str().unwrap(), &schema))?,
            None if place.value()["required"] == true => return Err(format!("the header {name} is missing")),
            None => {}
        }
    }
    let is_described = |name: &str| described.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    let unknown = headers.keys().find(|name| !COMMON_HEADERS.contains(&name.as_str()) && !is_described(name.as_str()));
    unknown.map_or(Ok(()), |name| Err(format!("the header {name} is not described")))
}

/// The body of an answer is of a type that is described, and like its schema.
fn check_content(answer: &Place, response: &http::Response<Vec<u8>>, is_head: bool) -> Result<(), String> {
    let media_type = response.headers().get("content-type").map(|value| value.to_str().unwrap());
    let Some(content) = answer.member("content") else {
        let is_empty = media_type.is_none() && response.body().is_empty();
        return if is_empty { Ok(()) } else { Err("no body is described".to_owned()) };
    };
    let media_type = media_type.unwrap_or_default().split(';').next().unwrap_or_default();
    let place = content.member(media_type).ok_or_else(|| format!("the type '{media_type}' is not described"))?;
    if is_head {
        return if response.body().is_empty() { Ok(()) } else { Err("HEAD has a body".to_owned()) };
    }
    let Some(schema) = place.member("schema") else { return Ok(()) };
    let text = std::str::from_utf8(response.body()).map_err(|error| error.to_string())?;
    let value = match media_type {
        "application/json" => serde_json::from_str(text).map_err(|error| error.to_string())?,
        "text/yaml" => yaml::parse(text).unwrap(),
        _ => Value::from(text),
    };
    schema.check(&value)
}

/// The parameters that were given are like their schemas, those that must be there are.
fn check_parameters(of: &Place, template: &str, request: &http::Request<Body>) -> Result<(), String> {
    let Some(parameters) = of.member("parameters") else { return Ok(()) };
    for (_, place) in parameters.members() {
        let (parameter, schema) = (place.value(), place.member("schema").ok_or("a parameter without a schema")?);
        let name = parameter["name"].as_str().unwrap();
        let given: Vec<String> = match parameter["in"].as_str().unwrap() {
            "query" => fields(request.uri().query().unwrap_or_default().as_bytes(), name),
            "path" => in_path(template, request.uri().path(), name).into_iter().collect(),
            _ => Vec::new(),
        };
        match given.as_slice() {
            [] if parameter["required"] == true => return Err(format!("the parameter {name} is missing")),
            [] => Ok(()),
            values if schema.value()["$ref"] == "#/components/schemas/Texts" => schema.check(&values.into()),
            [value] => schema.check(&typed(value, &schema)),
            _ => Err(format!("the parameter {name} is there twice")),
        }?;
    }
    Ok(())
}

/// The values of a field of a form that are not empty.
fn fields(form: &[u8], name: &str) -> Vec<String> {
    let fields = form_urlencoded::parse(form).filter(|(own, value)| own == name && !value.is_empty());
    fields.map(|(_, value)| value.into_owned()).collect()
}

/// What stands in a path where its template has a name.
fn in_path(template: &str, path: &str, name: &str) -> Option<String> {
    let place = template.split('/').position(|segment| segment == format!("{{{name}}}"))?;
    let segment = path.split('/').nth(place)?;
    Some(percent_decode_str(segment).decode_utf8().unwrap().into_owned())
}

/// A text as what its schema wants: a number, where it wants one and this is one.
fn typed(text: &str, schema: &Place) -> Value {
    let number = text.parse::<u64>().ok().filter(|_| schema.value()["type"] == "integer");
    number.map_or_else(|| text.into(), Value::from)
}

/// The body of a request is of a type that is described, and like its schema.
fn check_body(operation: &Place, request: &http::Request<Body>) -> Result<(), String> {
    let Some(described) = operation.member("requestBody") else { return Ok(()) };
    let Body::Complete(bytes) = request.body() else { return Err("the body is too large".to_owned()) };
    if bytes.is_empty() {
        let is_required = described.value()["required"] == true;
        return if is_required { Err("there is no body".to_owned()) } else { Ok(()) };
    }
    // A missing type counts as JSON.
    let media_type = input::media_type(request).unwrap_or_else(|| "application/json".to_owned());
    let place = described.member("content").and_then(|content| content.member(&media_type));
    let place = place.ok_or_else(|| format!("the type '{media_type}' is not described"))?;
    let body = match media_type.as_str() {
        "application/json" => serde_json::from_slice(bytes).unwrap(),
        input::FORM => {
            let fields = form_urlencoded::parse(bytes).filter(|(_, value)| !value.is_empty());
            Value::Object(fields.map(|(name, value)| (name.into_owned(), Value::from(value))).collect::<Map<_, _>>())
        }
        _ => yaml::parse(std::str::from_utf8(bytes).unwrap()).unwrap(),
    };
    place.member("schema").ok_or("a body without a schema")?.check(&body)
}
