//! One message to a Durable Object and its reply.
//!
//! Small messages travel in one header, large ones in the body: reading a stub's body costs about 45 % of the hop. The
//! header's name contains `secret` so that the platform's own request traces redact its value.

use std::{pin::pin, time::Duration};

use futures_util::future::{Either, select};
use serde::{Serialize, de::DeserializeOwned};
use worker::{Delay, Env, Headers, Request, Response, Result};

use super::message::{bounded, into_error, outgoing};
use crate::ports::PortError;

/// The header of a small message.
const MESSAGE: &str = "x-postern-secret-message";

/// Longest message that travels in the header.
const HEADER_LIMIT: usize = 8 * 1024;

/// Longest message of all: a definition of 256 KiB, its JSON text escaped once more, and some.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// How long an object may take; longer than the deadline of a provider's answer (10 s) and a retry of the platform.
const DEADLINE: Duration = Duration::from_secs(25);

/// Sends a message to the object of this name and waits for its reply.
pub(super) async fn ask<Message: Serialize, Reply: DeserializeOwned>(
    env: &Env,
    binding: &str,
    name: &str,
    message: &Message,
) -> std::result::Result<Reply, PortError> {
    let exchange = pin!(exchange(env, binding, name, message));
    match select(exchange, Delay::from(DEADLINE)).await {
        Either::Left((reply, _)) => reply.map_err(|error| PortError(format!("{binding}: {error}"))),
        Either::Right(_) => Err(PortError(format!("{binding}: no reply in {} s", DEADLINE.as_secs()))),
    }
}

/// The exchange without a deadline.
async fn exchange<Message: Serialize, Reply: DeserializeOwned>(
    env: &Env,
    binding: &str,
    name: &str,
    message: &Message,
) -> Result<Reply> {
    let text = serde_json::to_string(message)?;
    let headers = Headers::new();
    let (method, body) = if fits_header(&text) {
        headers.set(MESSAGE, &text)?;
        ("GET", None)
    } else {
        ("POST", Some(text.as_str()))
    };
    let request = outgoing("http://object/", method, &headers, body)?;
    let mut response = env.durable_object(binding)?.get_by_name(name)?.fetch_with_request(request).await?;
    let reply = match response.headers().get(MESSAGE)? {
        Some(text) => text,
        None => text_of(bounded(response.stream()?, BODY_LIMIT).await?)?,
    };
    Ok(serde_json::from_slice(reply.as_bytes())?)
}

/// Reads the message of a request, inside the object.
pub(super) async fn read<Message: DeserializeOwned>(mut request: Request) -> Result<Message> {
    let text = match request.headers().get(MESSAGE)? {
        Some(text) => text,
        None => text_of(bounded(request.stream()?, BODY_LIMIT).await?)?,
    };
    Ok(serde_json::from_slice(text.as_bytes())?)
}

/// Writes a reply, inside the object.
pub(super) fn write<Reply: Serialize>(reply: &Reply) -> Result<Response> {
    let text = serde_json::to_string(reply)?;
    if !fits_header(&text) {
        return Response::from_bytes(text.into_bytes());
    }
    let headers = Headers::new();
    headers.set(MESSAGE, &text)?;
    Ok(Response::empty()?.with_headers(headers))
}

/// Header values are bytes; JSON beyond ASCII goes into the body.
fn fits_header(text: &str) -> bool {
    text.len() <= HEADER_LIMIT && text.is_ascii()
}

/// A body as text.
fn text_of(bytes: Option<Vec<u8>>) -> Result<String> {
    let bytes = bytes.ok_or_else(|| into_error("message too long"))?;
    String::from_utf8(bytes).map_err(into_error)
}
