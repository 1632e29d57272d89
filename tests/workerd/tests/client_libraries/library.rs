//! The libraries: what each is called, how it is started, what it can.

use serde_json::Value;
use workerd_tests::{Clock, Counterpart};

use crate::{curl::Curl, oauth2_crate::Oauth2Crate};

/// A library at work. The tasks are those of `tests/interop/clients.mjs`.
pub(crate) trait Work {
    /// Does a task and tells what came of it.
    fn ask(&mut self, task: &str, input: &Value) -> Value;
}

impl Work for Counterpart {
    #[track_caller]
    fn ask(&mut self, task: &str, input: &Value) -> Value {
        Self::ask(self, task, input)
    }
}

/// A client library that others wrote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Library {
    /// Starts it.
    pub(crate) start: fn(&Clock) -> Box<dyn Work>,
    /// Whether it tells the status of a refused token request.
    pub(crate) tells_status: bool,
    /// Whether it knows by its own clock that a token has expired; otherwise our 401 says so.
    pub(crate) has_clock: bool,
    /// Whether it can introspect (RFC 7662).
    pub(crate) introspects: bool,
}

/// One that can all.
const ABLE: Library = Library {
    start: |_| unreachable!("each library has its own"),
    tells_status: true,
    has_clock: true,
    introspects: true,
};

/// The program `curl`.
pub(crate) fn by_curl() -> Library {
    Library { start: |_| Box::<Curl>::default(), has_clock: false, ..ABLE }
}

/// The crate `oauth2`.
pub(crate) fn by_oauth2_crate() -> Library {
    Library { start: |_| Box::<Oauth2Crate>::default(), has_clock: false, ..ABLE }
}

/// npm `oauth4webapi`.
pub(crate) fn by_oauth4webapi() -> Library {
    Library { start: |clock| in_node("oauth4webapi", clock), has_clock: false, ..ABLE }
}

/// npm `openid-client`.
pub(crate) fn by_openid_client() -> Library {
    Library { start: |clock| in_node("openid-client", clock), ..ABLE }
}

/// npm `simple-oauth2`.
pub(crate) fn by_simple_oauth2() -> Library {
    Library { start: |clock| in_node("simple-oauth2", clock), introspects: false, ..ABLE }
}

/// npm `@badgateway/oauth2-client`.
pub(crate) fn by_badgateway() -> Library {
    Library { start: |clock| in_node("@badgateway/oauth2-client", clock), ..ABLE }
}

/// `PyPI` `Authlib`.
pub(crate) fn by_authlib() -> Library {
    Library { start: |clock| in_python("Authlib", clock), tells_status: false, ..ABLE }
}

/// `PyPI` `requests-oauthlib`.
pub(crate) fn by_requests_oauthlib() -> Library {
    Library { start: |clock| in_python("requests-oauthlib", clock), introspects: false, ..ABLE }
}

/// `PyPI` `requests_oauth2client`.
pub(crate) fn by_requests_oauth2client() -> Library {
    Library { start: |clock| in_python("requests_oauth2client", clock), ..ABLE }
}

/// A library of npm.
fn in_node(name: &str, clock: &Clock) -> Box<dyn Work> {
    Box::new(Counterpart::start("clients.mjs", name, Some(clock)))
}

/// A library of `PyPI`.
fn in_python(name: &str, clock: &Clock) -> Box<dyn Work> {
    Box::new(Counterpart::start("clients.py", name, Some(clock)))
}
