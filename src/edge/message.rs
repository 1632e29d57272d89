//! Between the runtime's messages and the `http` crate's.
//!
//! Every request passes here, and each call into the runtime costs more than the Rust around it. So the runtime's own
//! types are used as they are: `worker::Request` and `worker::Response` would read or copy all that a message has.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use http::{HeaderName, HeaderValue, Method, Uri};
use serde::Serialize;
use worker::{
    ByteStream, Error, Headers, Result,
    js_sys::{JSON, JsString, Uint8Array},
    wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen},
    wasm_bindgen_futures::JsFuture,
};

use crate::{
    api::{
        Body,
        route::{BROWSER_HEADERS, READ_HEADERS, body_limit, is_for_browsers},
    },
    protocol::address::ClientAddress,
};

#[wasm_bindgen]
extern "C" {
    /// `Headers`, read by names that JavaScript has already.
    pub(super) type HeaderView;

    /// A header's value.
    #[wasm_bindgen(method, catch)]
    pub(super) fn get(this: &HeaderView, name: &JsString) -> std::result::Result<Option<String>, JsValue>;

    /// `Request`, as far as `web_sys` does not know it.
    type RequestView;

    /// What the platform says of the connection.
    #[wasm_bindgen(method, getter)]
    fn cf(this: &RequestView) -> Option<Connection>;

    /// What the platform says of a connection; `worker::Cf` knows no `clientIp`.
    type Connection;

    /// The address of the other end.
    #[wasm_bindgen(method, getter, js_name = clientIp)]
    fn client_ip(this: &Connection) -> Option<String>;
}

thread_local! {
    /// [`READ_HEADERS`] as JavaScript has them.
    static READ_NAMES: [JsString; 5] = READ_HEADERS.each_ref().map(js_name);
    /// [`BROWSER_HEADERS`] as JavaScript has them.
    static BROWSER_NAMES: [JsString; 4] = BROWSER_HEADERS.each_ref().map(js_name);
    /// The name of the header that announces a body.
    static CONTENT_LENGTH: JsString = JsString::from("content-length");
    /// The name of the header that tells the sender's address where the platform does not.
    static CONNECTING_IP: JsString = JsString::from("cf-connecting-ip");
}

/// The name of a header as JavaScript has it.
fn js_name(name: &HeaderName) -> JsString {
    name.as_str().into()
}

/// Reads a request with its full URI, scheme included, its body up to the limit of its route; and its sender's address.
pub(super) async fn read(request: web_sys::Request) -> Result<(http::Request<Body>, Option<ClientAddress>)> {
    let target = target(&request.url())?;
    let method = Method::from_bytes(request.method().as_bytes()).map_err(into_error)?;
    let headers: HeaderView = request.headers().unchecked_into();
    let with_browser = is_for_browsers(target.path());
    let limit = (!matches!(method, Method::GET | Method::HEAD)).then(|| body_limit(&method, target.path()));
    let mut builder = http::Request::builder().method(method).uri(target);
    let always = READ_HEADERS.into_iter().zip(READ_NAMES.with(Clone::clone));
    let of_browsers = with_browser.then(|| BROWSER_HEADERS.into_iter().zip(BROWSER_NAMES.with(Clone::clone)));
    for (name, js_name) in always.chain(of_browsers.into_iter().flatten()) {
        if let Some(value) = headers.get(&js_name)? {
            builder = builder.header(name, HeaderValue::from_bytes(&latin1(value)).map_err(into_error)?);
        }
    }
    let address = address(&request, &headers)?;
    let body = match limit {
        Some(limit) => body(request, &headers, limit).await?,
        None => Body::Complete(Vec::new()),
    };
    Ok((builder.body(body).map_err(into_error)?, address))
}

/// The URI of a request. Few addresses need the URL standard: where a path may have dot segments in one of their
/// spellings, or the `http` crate wants something escaped.
fn target(address: &str) -> Result<Uri> {
    let plain = !address.contains(['%', '\\']) && !address.contains("/.");
    match address.parse() {
        Ok(uri) if plain => Ok(uri),
        _ => worker::Url::parse(address)?.as_str().parse().map_err(into_error),
    }
}

/// What the platform's `Response` takes beside a body.
#[derive(Serialize)]
struct Init<'a> {
    /// The status.
    status: u16,
    /// A record, not a list of pairs, which the platform reads by JavaScript's iterators: several times as dear.
    headers: BTreeMap<&'a str, &'a str>,
}

/// Writes an answer. Status and headers cross in one piece.
pub(super) fn write(response: http::Response<Vec<u8>>) -> Result<web_sys::Response> {
    let (parts, body) = response.into_parts();
    let mut init = Init { status: parts.status.as_u16(), headers: BTreeMap::new() };
    let mut repeated = Vec::new();
    for (name, value) in &parts.headers {
        let (name, value) = (name.as_str(), value.to_str().map_err(into_error)?);
        if let Some(former) = init.headers.insert(name, value) {
            repeated.push((name, former));
        }
    }
    let init = JSON::parse(&serde_json::to_string(&init)?)?;
    let init = init.unchecked_ref();
    let answer = match std::str::from_utf8(&body) {
        Ok("") => web_sys::Response::new_with_opt_str_and_init(None, init),
        Ok(text) => web_sys::Response::new_with_opt_str_and_init(Some(text), init),
        Err(_) => web_sys::Response::new_with_opt_buffer_source_and_init(Some(&Uint8Array::from(&*body)), init),
    }?;
    for (name, value) in repeated {
        answer.headers().append(name, value)?;
    }
    Ok(answer)
}

/// The address of the request's sender.
fn address(request: &web_sys::Request, headers: &HeaderView) -> Result<Option<ClientAddress>> {
    let platform = request.unchecked_ref::<RequestView>().cf().and_then(|connection| connection.client_ip());
    let header = match platform {
        Some(_) => None,
        None => CONNECTING_IP.with(|name| headers.get(name))?,
    };
    Ok(ClientAddress::decide(platform.as_deref(), header.as_deref()))
}

/// The request's body.
async fn body(request: web_sys::Request, headers: &HeaderView, limit: usize) -> Result<Body> {
    let declared = CONTENT_LENGTH.with(|name| headers.get(name))?.and_then(|length| length.parse::<usize>().ok());
    match declared {
        Some(0) => Ok(Body::Complete(Vec::new())),
        Some(length) if length > limit => Ok(Body::TooLarge),
        // One call and one promise instead of two reads and their reader.
        Some(_) => {
            let bytes = Uint8Array::new(&JsFuture::from(request.array_buffer()?).await?).to_vec();
            Ok(if bytes.len() > limit { Body::TooLarge } else { Body::Complete(bytes) })
        }
        // A request without a body has no stream.
        None => match worker::Request::from(request).stream() {
            Ok(stream) => Ok(bounded(stream, limit).await?.map_or(Body::TooLarge, Body::Complete)),
            Err(_) => Ok(Body::Complete(Vec::new())),
        },
    }
}

/// Reads a stream up to a limit; none when there is more.
pub(super) async fn bounded(mut stream: ByteStream, limit: usize) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        if bytes.len() + chunk.len() > limit {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

/// A header value as JavaScript gives it: each character is one byte (Fetch standard, "isomorphic decode").
fn latin1(text: String) -> Vec<u8> {
    if text.is_ascii() {
        return text.into_bytes();
    }
    text.chars().map(|character| u8::try_from(u32::from(character)).unwrap_or(b'?')).collect()
}

/// An outgoing request, redirects not followed. Made by the platform's own constructor: `worker::RequestInit` would
/// bring every Cloudflare option into the module.
pub(super) fn outgoing(url: &str, method: &str, headers: &Headers, body: Option<&str>) -> Result<worker::Request> {
    let init = web_sys::RequestInit::new();
    init.set_method(method);
    init.set_headers(&headers.0);
    init.set_redirect(web_sys::RequestRedirect::Manual);
    if let Some(body) = body {
        init.set_body(&JsValue::from_str(body));
    }
    Ok(web_sys::Request::new_with_str_and_init(url, &init)?.into())
}

/// Any error as the runtime's.
pub(super) fn into_error(error: impl std::fmt::Display) -> Error {
    Error::RustError(error.to_string())
}
