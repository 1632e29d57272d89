//! The yardstick of `npm run bench`: the least that any Rust Worker does (`GET /`), and the least that one does which
//! asks a Durable Object (`GET /hop`). On the host this crate is empty.
#![forbid(unsafe_code)]

#[cfg(target_family = "wasm")]
mod edge;
