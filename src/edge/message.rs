//! Between the runtime's messages and the `http` crate's.

use futures_util::StreamExt;
use http::HeaderValue;
use js_sys::Reflect;
use worker::{ByteStream, Error, Headers, Method, Request, Response, Result, wasm_bindgen::JsValue};

use crate::{
    api::{Body, route::body_limit},
    protocol::address::ClientAddress,
};

/// The request headers that the API reads; copying all of them costs more than the rest of a small request.
const READ_HEADERS: [&str; 5] = ["authorization", "content-type", "if-match", "origin", "x-request-id"];

/// Reads a request with its full URI, scheme included, its body up to the limit of its route.
pub(super) async fn read(mut request: Request) -> Result<http::Request<Body>> {
    let url = request.url()?;
    // `Request::method` takes every method that it does not know for GET.
    let method = http::Method::from_bytes(request.inner().method().as_bytes()).map_err(into_error)?;
    let limit = body_limit(&method, url.path());
    let mut builder = http::Request::builder().method(method).uri(url.as_str());
    for name in READ_HEADERS {
        if let Some(value) = request.headers().get(name)? {
            builder = builder.header(name, HeaderValue::from_bytes(&latin1(&value)).map_err(into_error)?);
        }
    }
    if let Some(address) = address(&request)? {
        builder = builder.extension(address);
    }
    let body = match request.method() {
        Method::Get | Method::Head => Body::Complete(Vec::new()),
        _ => body(&mut request, limit).await?,
    };
    builder.body(body).map_err(into_error)
}

/// Writes an answer.
pub(super) fn write(response: http::Response<Vec<u8>>) -> Result<Response> {
    let headers = Headers::new();
    for (name, value) in response.headers() {
        headers.append(name.as_str(), value.to_str().map_err(into_error)?)?;
    }
    let status = response.status().as_u16();
    let body = response.into_body();
    let answer = if body.is_empty() { Response::empty()? } else { Response::from_bytes(body)? };
    Ok(answer.with_status(status).with_headers(headers))
}

/// The address of the request's sender.
fn address(request: &Request) -> Result<Option<ClientAddress>> {
    // By reflection: `worker::Cf` knows no `clientIp`.
    let platform = Reflect::get(request.inner(), &"cf".into()).and_then(|cf| Reflect::get(&cf, &"clientIp".into()));
    let platform = platform.ok().and_then(|address| address.as_string());
    Ok(ClientAddress::decide(platform.as_deref(), request.headers().get("cf-connecting-ip")?.as_deref()))
}

/// The request's body.
async fn body(request: &mut Request, limit: usize) -> Result<Body> {
    let declared = request.headers().get("content-length")?.and_then(|length| length.parse::<usize>().ok());
    match declared {
        Some(0) => Ok(Body::Complete(Vec::new())),
        Some(length) if length > limit => Ok(Body::TooLarge),
        // A request without a body has no stream.
        _ => match request.stream() {
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
pub(super) fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).unwrap_or(b'?')).collect()
}

/// An outgoing request, redirects not followed. Made by the platform's own constructor: `worker::RequestInit` would bring
/// every Cloudflare option into the module.
pub(super) fn outgoing(url: &str, method: &str, headers: &Headers, body: Option<&str>) -> Result<Request> {
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
