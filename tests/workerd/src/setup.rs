//! How a Postern is started: its settings, its clock, its way out.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::mem;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::clock::Clock;
use crate::mock::Mock;

/// A folder that is kept in memory.
const MEMORY: &str = "/dev/shm";

/// How much must be free there: 1 GiB. The write-ahead logs of a minute of load take a fifth of it.
const ROOM: u64 = 1 << 30;

/// `OAUTH_ROOT_CLIENT_ID` of a default [`Setup`].
pub const ROOT_CLIENT_ID: &str = "rootclient";

/// `OAUTH_ROOT_CLIENT_SECRET` of a default [`Setup`].
pub const ROOT_CLIENT_SECRET: &str = "root-secret-of-the-tests-0123456789abcdef";

/// `APP_ENCRYPTION_KEY` of a default [`Setup`]: 32 bytes of text.
pub const APP_ENCRYPTION_KEY: &str = "application-key-of-the-tests-32b";

/// How a Postern shall be started. The default works: root client, application key, providers on loopback allowed,
/// the true time, the true network, `PUBLIC_URL` at the port it gets.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The environment, `PUBLIC_URL` excepted; `None` is a variable that must not be set.
    variables: BTreeMap<String, Option<String>>,
    /// The clock, if not the machine's.
    pub(crate) clock: Option<Clock>,
    /// Who receives all outgoing requests, if not the network.
    pub(crate) outbound: Option<SocketAddr>,
    /// Whether a second instance shares its objects.
    pub(crate) has_twin: bool,
    /// Whether its state is kept in memory.
    pub(crate) is_in_memory: bool,
    /// The folder of the bundle that is started, if not the Worker as the tests have it.
    pub(crate) bundle: Option<PathBuf>,
}

impl Default for Setup {
    fn default() -> Self {
        let variables = [
            ("OAUTH_ROOT_CLIENT_ID", ROOT_CLIENT_ID),
            ("OAUTH_ROOT_CLIENT_SECRET", ROOT_CLIENT_SECRET),
            ("APP_ENCRYPTION_KEY", APP_ENCRYPTION_KEY),
            ("ALLOW_LOOPBACK_PROVIDERS", "true"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), Some(value.to_owned())));
        Self {
            variables: BTreeMap::from(variables),
            clock: None,
            outbound: None,
            has_twin: false,
            is_in_memory: false,
            bundle: None,
        }
    }
}

impl Setup {
    /// The default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a variable. It reaches the Worker if `selfhost/postern.capnp` lists it.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), Some(value.to_owned()));
        self
    }

    /// Leaves a variable out, also one of the defaults, `PUBLIC_URL` included.
    #[must_use]
    pub fn unset(mut self, name: &str) -> Self {
        self.variables.insert(name.to_owned(), None);
        self
    }

    /// Lets the process live by this clock.
    #[must_use]
    pub fn clock(self, clock: &Clock) -> Self {
        Self { clock: Some(clock.clone()), ..self }
    }

    /// Sends every outgoing request to this mock, whatever its host: it comes as plain HTTP with the true `Host`, and
    /// the scheme in `X-Forwarded-Proto`.
    #[must_use]
    pub fn outbound(self, mock: &Mock) -> Self {
        Self { outbound: Some(mock.address()), ..self }
    }

    /// Adds a second instance of the Worker, with a memory of its own, which shares the Durable Objects of the first
    /// (`Postern::twin`). With the true network only.
    #[must_use]
    pub fn twin(self) -> Self {
        Self { has_twin: true, ..self }
    }

    /// Starts what [`bundle`](crate::bundle()) wrote, with its own configuration: out of it leads the true network
    /// only, to public addresses.
    #[must_use]
    pub fn bundle(self, folder: &Path) -> Self {
        Self { bundle: Some(folder.to_owned()), ..self }
    }

    /// Keeps the state in memory (`/dev/shm`) where there is room for it, for tests of which the disk is no part: where
    /// it is busy, it holds all that is written up for seconds.
    #[must_use]
    pub fn in_memory(self) -> Self {
        Self { is_in_memory: true, ..self }
    }

    /// The folder in memory for its state, if it shall be there and there is room: containers often have 64 MiB of it.
    pub(crate) fn memory(&self) -> Option<&'static str> {
        (self.is_in_memory && free_bytes(MEMORY) >= ROOM).then_some(MEMORY)
    }

    /// Whether clients reach it by https.
    pub(crate) fn is_https(&self) -> bool {
        let public_url = self.variables.get("PUBLIC_URL").and_then(Option::as_deref);
        public_url.is_some_and(|url| url.starts_with("https:"))
    }

    /// Gives a process the settings and nothing else.
    pub(crate) fn fill_environment(&self, command: &mut Command, public_url: &str) {
        command.env_clear().env("PUBLIC_URL", public_url);
        for (name, value) in &self.variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(clock) = &self.clock {
            clock.rule(command);
        }
    }
}

/// How much is free where a folder is; nothing where there is none.
fn free_bytes(folder: &str) -> u64 {
    let folder = CString::new(folder).expect("a path");
    // SAFETY: a structure of numbers, which may all be zero; the call fills it, and gets a text that ends with zero.
    let (told, status) = unsafe {
        let mut told: libc::statvfs = mem::zeroed();
        let status = libc::statvfs(folder.as_ptr(), &raw mut told);
        (told, status)
    };
    if status == 0 { told.f_bavail.saturating_mul(told.f_frsize) } else { 0 }
}
