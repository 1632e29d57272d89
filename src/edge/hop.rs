//! One message to a Durable Object and its reply.
//!
//! Small messages travel in one header, as base64url; large ones in the body, as they are, though reading a stub's body
//! costs about 45 % of the hop. The header's name contains `secret` so that the platform's own request traces redact
//! its value.

use std::{fmt::Display, future::Future, pin::pin, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::{Either, select};
use serde::{Serialize, de::DeserializeOwned};
use worker::{
    Delay, Env, Error, Result,
    js_sys::{JsString, Object, Promise, Reflect, Uint8Array},
    wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen},
    wasm_bindgen_futures::{JsFuture, future_to_promise},
};

use super::message::{HeaderView, bounded, into_error};
use crate::{ports::PortError, wire};

/// The header of a small message.
const MESSAGE: &str = "x-postern-secret-message";

/// Longest message that travels in the header, as base64url: 8 KiB.
const HEADER_LIMIT: usize = 6 * 1024;

/// Longest message of all: many times a definition of 256 KiB.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// How long an object may take; longer than the deadline of a provider's answer (10 s) and a retry of the platform.
const DEADLINE: Duration = Duration::from_secs(25);

#[wasm_bindgen]
extern "C" {
    /// The environment, as far as it leads to objects.
    type Namespaces;
    /// A binding to the objects of one class.
    type Namespace;
    /// The way to one of them.
    type Stub;

    /// The binding of [`Class::Registry`].
    #[wasm_bindgen(method, getter, js_name = REGISTRY)]
    fn registry(this: &Namespaces) -> Namespace;

    /// The binding of [`Class::Connection`].
    #[wasm_bindgen(method, getter, js_name = CONNECTION)]
    fn connection(this: &Namespaces) -> Namespace;

    /// The binding of [`Class::Directory`].
    #[wasm_bindgen(method, getter, js_name = DIRECTORY)]
    fn directory(this: &Namespaces) -> Namespace;

    /// The object of a name.
    #[wasm_bindgen(method, catch, js_name = getByName)]
    fn get_by_name(this: &Namespace, name: &str) -> std::result::Result<Stub, JsValue>;

    /// Sends it a request.
    #[wasm_bindgen(method, catch)]
    fn fetch(this: &Stub, url: &JsString, init: &Object) -> std::result::Result<Promise, JsValue>;
}

/// A class of objects.
#[derive(Debug, Clone, Copy)]
pub(super) enum Class {
    /// Of the one that holds all clients.
    Registry,
    /// Of those that hold a connection each.
    Connection,
    /// Of the one that lists all connections.
    Directory,
}

impl Class {
    /// The binding to its objects.
    fn namespace(self, env: &Env) -> Namespace {
        let env: &Namespaces = env.unchecked_ref();
        match self {
            Self::Registry => env.registry(),
            Self::Connection => env.connection(),
            Self::Directory => env.directory(),
        }
    }
}

/// Texts of every hop as JavaScript has them.
struct Words {
    /// [`MESSAGE`].
    message: JsString,
    /// Where requests to objects go; they do not look at it.
    url: JsString,
    /// `headers`.
    headers: JsString,
}

thread_local! {
    /// Made once.
    static WORDS: Words = Words { message: MESSAGE.into(), url: "http://object/".into(), headers: "headers".into() };
}

/// Sends a message to the object of this name and waits for its reply. For objects that answer with [`answer`]: they
/// wait for nothing, so they reply, or the platform tells that they are gone.
pub(super) async fn ask<Message: Serialize, Reply: DeserializeOwned>(
    env: &Env,
    class: Class,
    name: &str,
    message: &Message,
) -> std::result::Result<Reply, PortError> {
    let message = wire::write(message).map_err(|error| failed(class, &error))?;
    let reply = exchange(env, class, name, message).await.map_err(|error| failed(class, &error))?;
    wire::read(&reply).map_err(|error| failed(class, &error))
}

/// Says where something failed.
fn failed(class: Class, error: &dyn Display) -> PortError {
    PortError(format!("{class:?}: {error}"))
}

/// As [`ask`], but not longer than [`DEADLINE`], for objects that wait for others.
pub(super) async fn ask_in_time<Message: Serialize, Reply: DeserializeOwned>(
    env: &Env,
    class: Class,
    name: &str,
    message: &Message,
) -> std::result::Result<Reply, PortError> {
    let reply = pin!(ask(env, class, name, message));
    match select(reply, Delay::from(DEADLINE)).await {
        Either::Left((reply, _)) => reply,
        Either::Right(_) => Err(PortError(format!("{class:?}: no reply in {} s", DEADLINE.as_secs()))),
    }
}

/// The exchange of bytes, without a deadline: the same code whatever is said.
async fn exchange(env: &Env, class: Class, name: &str, message: Vec<u8>) -> Result<Vec<u8>> {
    let init = init(&message)?;
    // It may be long, and the reply may take its time.
    drop(message);
    let namespace = class.namespace(env);
    let sent = WORDS.with(|words| namespace.get_by_name(name)?.fetch(&words.url, &init))?;
    let response: web_sys::Response = JsFuture::from(sent).await?.unchecked_into();
    match in_header(response.headers())? {
        Some(bytes) => Ok(bytes),
        None => whole(bounded(worker::Response::from(response).stream()?, BODY_LIMIT).await?),
    }
}

/// What makes a request carry a message.
fn init(bytes: &[u8]) -> Result<Object> {
    let init = Object::new();
    if bytes.len() <= HEADER_LIMIT {
        WORDS.with(|words| {
            let headers = Object::new();
            Reflect::set(&headers, &words.message, &URL_SAFE_NO_PAD.encode(bytes).into())?;
            Reflect::set(&init, &words.headers, &headers)
        })?;
    } else {
        Reflect::set(&init, &"method".into(), &"POST".into())?;
        Reflect::set(&init, &"body".into(), &Uint8Array::from(bytes))?;
    }
    Ok(init)
}

/// Reads the message of a request, inside the object, and writes the reply. Nothing is waited for where the message
/// travels in the header and the handler does not wait either: then a fault of ours reaches the caller at once.
pub(super) fn answer<Message: DeserializeOwned + 'static, Reply: Serialize>(
    request: web_sys::Request,
    handler: impl FnOnce(Message) -> Reply + 'static,
) -> std::result::Result<JsValue, JsValue> {
    answer_bytes(request, Box::new(|bytes| respond(&handler(parse(bytes)?))))
}

/// What answers a message.
type Handler = dyn FnOnce(&[u8]) -> Result<web_sys::Response>;

/// What [`answer`] does whatever is said.
fn answer_bytes(request: web_sys::Request, handler: Box<Handler>) -> std::result::Result<JsValue, JsValue> {
    match in_header(request.headers())? {
        Some(bytes) => Ok(handler(&bytes)?.into()),
        None => Ok(future_to_promise(async move { Ok(handler(&body_of(request).await?)?.into()) }).into()),
    }
}

/// As [`answer`], for handlers that wait.
pub(super) async fn answer_later<Message: DeserializeOwned, Reply: Serialize, Later: Future<Output = Reply>>(
    request: web_sys::Request,
    handler: impl FnOnce(Message) -> Later,
) -> std::result::Result<JsValue, JsValue> {
    let bytes = match in_header(request.headers())? {
        Some(bytes) => bytes,
        None => body_of(request).await?,
    };
    Ok(respond(&handler(parse(&bytes)?).await)?.into())
}

/// The message in a request's body.
async fn body_of(request: web_sys::Request) -> Result<Vec<u8>> {
    whole(bounded(worker::Request::from(request).stream()?, BODY_LIMIT).await?)
}

/// The message of some bytes.
fn parse<Message: DeserializeOwned>(bytes: &[u8]) -> Result<Message> {
    wire::read(bytes).map_err(into_error)
}

/// Writes a reply, inside the object.
fn respond<Reply: Serialize>(reply: &Reply) -> Result<web_sys::Response> {
    respond_bytes(&wire::write(reply).map_err(into_error)?)
}

/// The response that carries a reply.
fn respond_bytes(bytes: &[u8]) -> Result<web_sys::Response> {
    let response = if bytes.len() <= HEADER_LIMIT {
        web_sys::Response::new_with_opt_str_and_init(None, init(bytes)?.unchecked_ref())
    } else {
        web_sys::Response::new_with_opt_buffer_source(Some(&Uint8Array::from(bytes)))
    };
    response.map_err(Error::from)
}

/// The message in the header, if it is there.
fn in_header(headers: web_sys::Headers) -> Result<Option<Vec<u8>>> {
    let headers: HeaderView = headers.unchecked_into();
    let text = WORDS.with(|words| headers.get(&words.message))?;
    text.map(|text| URL_SAFE_NO_PAD.decode(text).map_err(|_| into_error("message: not base64url"))).transpose()
}

/// A body that was not too long.
fn whole(bytes: Option<Vec<u8>>) -> Result<Vec<u8>> {
    bytes.ok_or_else(|| into_error("message too long"))
}
