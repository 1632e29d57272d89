//! Postern: an OAuth 2 service for the edge.
//!
//! It plays two roles and keeps them apart:
//!
//! - [`authorization_server`]: **we issue.** API clients are registered, authenticate, and get scoped access tokens
//!   (client credentials grant) that guard every route.
//! - [`connection`]: **we are the client** of one SaaS provider per connection. A definition describes the provider's
//!   requests; tokens are kept encrypted, renewed before they expire, and handed to whoever holds the scope.
//!
//! Around them:
//!
//! - [`protocol`]: the words of the RFCs as values. No I/O, no clock, knows nobody.
//! - [`config`]: every setting, parsed and checked once.
//! - [`ports`]: all that is needed from outside, on one page.
//! - [`recent`]: a small, bounded memory.
//! - [`wire`]: the form of messages between a request and the objects.
//! - [`api`]: our HTTP API over plain messages: route, guard, dispatch, render.
//! - `edge`: the Cloudflare Workers runtime, for the wasm target only; the only code that names `worker`. It converts,
//!   calls, stores and prints; nothing worth testing lives there.
//! - `memory`: the same ports in memory, for tests.
//!
//! A request travels one way: event → message → `api::handle` → route → guard → one command to the one object that owns
//! the data → reply → answer. Two rules hold everywhere: decisions are pure functions of values, time and random bytes
//! included; and every (state, event) says where success and failure land.
#![forbid(unsafe_code)]

pub mod api;
#[cfg(test)]
mod architecture;
pub mod authorization_server;
#[cfg(test)]
mod checklist;
pub mod config;
pub mod connection;
#[cfg(target_family = "wasm")]
mod edge;
#[cfg(test)]
mod memory;
pub mod ports;
pub mod protocol;
pub mod recent;
pub mod wire;
