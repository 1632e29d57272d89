//! What happens to a connection while its provider thinks: the object lets other requests in, and none of them may
//! bring back what is gone or lose what the provider gave.
#![expect(clippy::unwrap_used, reason = "test: a failure is a failed test")]

mod common;

use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use common::{
    CLIENT_CREDENTIALS, CODE_FLOW, at, authorize, authorized, call_back, connect, live, parameter, provider, read,
    root, secrets,
};
use workerd_tests::{Answer, Clock, Mock, Postern, Setup};

/// A Postern with a connection whose provider holds the Nth answer back until it is told to go on.
struct Stage {
    /// The time.
    clock: Clock,
    /// The service.
    postern: Postern,
    /// A token with every scope.
    root: String,
    /// The provider.
    mock: Mock,
    /// Hears when the Nth request has come.
    reached: Mutex<Receiver<()>>,
    /// Lets the provider answer it.
    go_on: Sender<()>,
}

/// Sets the stage: the provider holds back its answer to the request of this number.
fn stage(held: usize) -> Stage {
    let ((asked, reached), (go_on, gate)) = (mpsc::channel(), mpsc::channel());
    let both = Mutex::new((asked, gate));
    let mock = provider(move |_, number| {
        if number == held {
            let (asked, gate) = &*both.lock().unwrap();
            asked.send(()).unwrap();
            let _ = gate.recv();
        }
        None
    });
    let clock = Clock::new();
    let postern = Postern::start(Setup::new().clock(&clock));
    let root = root(&postern);
    Stage { clock, postern, root, mock, reached: Mutex::new(reached), go_on }
}

impl Stage {
    /// Runs `first`, and `second` while the provider thinks about it; then the provider answers. Returns the answer to
    /// the first.
    fn meanwhile(&self, first: impl FnOnce() -> Answer + Send, second: impl FnOnce()) -> Answer {
        thread::scope(|scope| {
            let waiting = scope.spawn(first);
            self.reached.lock().unwrap().recv().unwrap();
            second();
            self.go_on.send(()).unwrap();
            waiting.join().unwrap()
        })
    }

    /// Authorizes the connection and lets its token expire; the next read renews it.
    fn expire(&self) {
        authorized(&self.postern, &self.root, "shop", &self.mock);
        self.clock.advance(3_600);
    }

    /// Reads the connection's token.
    fn read(&self) -> Answer {
        read(&self.postern, &self.root, "shop")
    }
}

/// R6: what was deleted does not come back with the provider's answer. There is nothing to revoke, so that the deletion
/// does not wait for the renewal.
#[test]
fn a_connection_that_is_deleted_during_a_renewal_stays_deleted() {
    let stage = stage(2);
    stage.expire();
    let (head, tail) = CODE_FLOW.split_once("        revoke_request:").unwrap();
    let (_, tail) = tail.split_once("\n\n").unwrap();
    let definition = stage.postern.patch(&at("shop", "/saas_config")).bearer(&stage.root);
    drop(definition.body("application/yaml", format!("{head}\n{tail}")).send().expect_status(200));
    let answer = stage.meanwhile(
        || stage.read(),
        || drop(stage.postern.delete(&at("shop", "")).bearer(&stage.root).send().expect_status(204)),
    );
    assert!((400..500).contains(&answer.status), "{}", answer.text());
    drop(stage.read().expect_status(404));
    let list = stage.postern.get("/api/v1/connection").bearer(&stage.root).send().expect_status(200).json();
    assert_eq!(list["total"], 0, "{list}");
}

/// K19: the same with an exchange under way.
#[test]
fn a_connection_that_is_deleted_during_an_exchange_stays_deleted() {
    let stage = stage(1);
    let (postern, root) = (&stage.postern, &stage.root);
    connect(postern, root, "shop", CODE_FLOW, &secrets(&stage.mock.url()));
    let pending = parameter(&authorize(postern, root, "shop"), "state");
    let answer = stage.meanwhile(
        || call_back(postern, &pending, "code"),
        || {
            drop(postern.delete(&at("shop", "")).bearer(root).send().expect_status(204));
            connect(postern, root, "shop", CODE_FLOW, &secrets(&stage.mock.url()));
        },
    );
    assert!((400..500).contains(&answer.status), "{}", answer.text());
    drop(stage.read().expect_status(409));
}

/// R6: tokens that were got with secrets which are replaced meanwhile are not stored.
#[test]
fn secrets_that_are_replaced_during_a_renewal_end_the_old_grant() {
    let stage = stage(2);
    stage.expire();
    let new = secrets(&stage.mock.url());
    let path = at("shop", "/secret?verify=false");
    let answer = stage.meanwhile(
        || stage.read(),
        || drop(stage.postern.put(&path).bearer(&stage.root).json(&new).send().expect_status(200)),
    );
    assert_eq!(answer.status, 409, "{}", answer.text());
    drop(stage.read().expect_status(409));
    assert_eq!(stage.mock.count("/token"), 2);
}

/// R6: the same where no person is needed: whatever the reader of that moment hears, the next one gets a token that was
/// got with the new secrets.
#[test]
fn client_credentials_that_are_replaced_during_a_renewal_are_the_ones_that_count() {
    let stage = stage(2);
    let old = secrets(&stage.mock.url());
    let mut new = old.clone();
    new["client_id"] = "another".into();
    connect(&stage.postern, &stage.root, "shop", CLIENT_CREDENTIALS, &old);
    drop(live(&stage.postern, &stage.root, "shop"));
    stage.clock.advance(3_600);
    let path = at("shop", "/secret?verify=false");
    let answer = stage.meanwhile(
        || stage.read(),
        || drop(stage.postern.put(&path).bearer(&stage.root).json(&new).send().expect_status(200)),
    );
    assert!(matches!(answer.status, 200 | 503), "{}", answer.text());
    assert_eq!(live(&stage.postern, &stage.root, "shop"), "access-3-of-the-mock-provider");
    let last = stage.mock.requests().pop().and_then(|request| request.header("Authorization").map(str::to_owned));
    // another:saassecret
    assert_eq!(last.as_deref(), Some("Basic YW5vdGhlcjpzYWFzc2VjcmV0"));
}

/// C14, R6: what was answered is stored: each step is followed by a crash.
#[test]
fn what_was_answered_survives_a_crash_of_the_same_moment() {
    let mock = provider(|_, _| None);
    let mut postern = Postern::start(Setup::new());
    let root = root(&postern);
    let client = common::client(&postern, &root, &["connection_token:read"]);
    postern.kill_and_restart();
    let own = common::token(&postern, &client.id, &client.secret);
    connect(&postern, &root, "shop", CODE_FLOW, &secrets(&mock.url()));
    postern.kill_and_restart();
    let state = parameter(&authorize(&postern, &root, "shop"), "state");
    postern.kill_and_restart();
    drop(call_back(&postern, &state, "code").expect_status(200));
    postern.kill_and_restart();
    drop(call_back(&postern, &state, "code").expect_status(404));
    assert_eq!(live(&postern, &own, "shop"), "access-1-of-the-mock-provider");
    let gone = format!("{}/{}", common::CLIENT, client.id);
    drop(postern.delete(&gone).bearer(&root).send().expect_status(200));
    postern.kill_and_restart();
    drop(read(&postern, &own, "shop").expect_status(401));
    drop(postern.delete(&at("shop", "")).bearer(&root).send().expect_status(204));
    postern.kill_and_restart();
    drop(read(&postern, &root, "shop").expect_status(404));
    assert_eq!((mock.count("/token"), mock.requests().len()), (1, 2), "a token request, a revocation");
}

/// K17: the provider has rotated the refresh token; a new definition must not lose the new one.
#[test]
fn a_definition_that_is_replaced_during_a_renewal_does_not_lose_the_rotated_token() {
    let stage = stage(2);
    stage.expire();
    let path = at("shop", "/saas_config");
    let definition = CODE_FLOW.replace("name: Local Provider", "name: Renamed Provider");
    drop(stage.meanwhile(
        || stage.read(),
        || {
            let put = stage.postern.patch(&path).bearer(&stage.root).body("application/yaml", definition.as_str());
            drop(put.send().expect_status(200));
        },
    ));
    assert_eq!(live(&stage.postern, &stage.root, "shop"), "access-2-of-the-mock-provider");
    stage.clock.advance(3_600);
    assert_eq!(live(&stage.postern, &stage.root, "shop"), "access-3-of-the-mock-provider");
    let last = stage.mock.requests().pop().and_then(|request| request.field("refresh_token"));
    assert_eq!(last.as_deref(), Some("refresh-2-of-the-mock-provider"));
}

/// K17: a person authorizes again while the old grant is renewed: the newer grant stays, whoever answers last.
#[test]
fn an_authorization_that_is_finished_during_a_renewal_wins() {
    let stage = stage(2);
    stage.expire();
    let (postern, root) = (&stage.postern, &stage.root);
    let pending = parameter(&authorize(postern, root, "shop"), "state");
    drop(stage.meanwhile(|| stage.read(), || drop(call_back(postern, &pending, "code").expect_status(200))));
    assert_eq!(live(postern, root, "shop"), "access-3-of-the-mock-provider");
    stage.clock.advance(3_600);
    drop(live(postern, root, "shop"));
    let last = stage.mock.requests().pop().and_then(|request| request.field("refresh_token"));
    assert_eq!(last.as_deref(), Some("refresh-3-of-the-mock-provider"));
}

/// R6: a caller who hangs up does not lose the answer for those who come after.
#[test]
fn a_renewal_goes_on_when_its_only_reader_hangs_up() {
    use std::io::Write;
    use std::net::{Shutdown, TcpStream};
    let stage = stage(2);
    stage.expire();
    let address = stage.postern.url();
    let mut stream = TcpStream::connect(address.trim_start_matches("http://")).unwrap();
    let head = format!("Host: x\r\nAuthorization: Bearer {}", stage.root);
    write!(stream, "GET {} HTTP/1.1\r\n{head}\r\n\r\n", at("shop", "/access_token")).unwrap();
    stage.reached.lock().unwrap().recv().unwrap();
    stream.shutdown(Shutdown::Both).unwrap();
    drop(stream);
    // Long enough for the runtime to notice: another request is served meanwhile.
    drop(stage.postern.get(&at("shop", "")).bearer(&stage.root).send().expect_status(200));
    stage.go_on.send(()).unwrap();
    assert_eq!(live(&stage.postern, &stage.root, "shop"), "access-2-of-the-mock-provider");
    assert_eq!(stage.mock.count("/token"), 2);
}
