//! What the integration tests share: each test starts its own Postern in real workerd, its own providers and its own
//! clock, talks HTTP to them, and leaves nothing behind. Linux only.
//!
//! - [`Postern`]: one workerd with the built Worker, a state directory and a port of its own; can be killed and
//!   started again.
//! - [`Mock`]: an HTTP server that answers what the test says and remembers what it was asked.
//! - [`Provider`]: a real authorization server that others wrote, in Node or in Python, and the browser that logs in
//!   there.
//! - [`Counterpart`]: OAuth and JOSE libraries that others wrote, as clients and resource servers, each in a process of
//!   its own that lives through a test.
//! - [`Schemathesis`]: what turns an `OpenAPI` document into requests.
//! - [`Clock`]: the wall clock of the processes that were started with it. Time is moved, not slept.
//! - [`Request`] and [`Answer`]: HTTP as a test likes it.
//!
//! `npm test` builds what is needed and then calls cargo. With the build in place, `cargo test -p workerd-tests` does.
//!
//! Environment: `POSTERN_WORKERD` and `POSTERN_NODE` name other binaries than those of `node_modules` and `PATH`;
//! `POSTERN_INTEROP_PYTHON` names a Python that has what `tests/interop/requirements.txt` lists. `POSTERN_CRASH_ROUNDS`
//! names the rounds of `tests/crashes`, `POSTERN_CRASH_SEED` their chance; `POSTERN_SCHEMATHESIS_EXAMPLES` names the
//! requests per operation that schemathesis makes up, `POSTERN_SCHEMATHESIS_SEED` their chance.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "test harness: a failure is a failed test"
)]

#[cfg(not(target_os = "linux"))]
compile_error!("the integration tests run on Linux only: clock shim, inherited sockets, parent death signal");

mod browser;
mod clock;
mod counterpart;
mod http;
mod mock;
mod mock_request;
mod postern;
mod process;
mod provider;
mod schemathesis;
mod setup;
mod source;
mod tools;

pub use clock::Clock;
pub use counterpart::Counterpart;
pub use http::{Answer, DEADLINE, Request};
pub use mock::{Mock, MockAnswer};
pub use mock_request::MockRequest;
pub use postern::Postern;
pub use provider::{Program, Provider, ProviderOptions};
pub use schemathesis::Schemathesis;
pub use setup::{APP_ENCRYPTION_KEY, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET, Setup};
pub use tools::{bundle, repository, workerd};
