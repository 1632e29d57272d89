//! What `npm run bundle` writes, started as its own `start.sh` starts it: Postern on a machine of one's own.

#![expect(clippy::expect_used, reason = "test: a failure is a failed test")]

mod common;

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use common::{CLIENT, Client, TOKEN, at, client, connect, read, root, secrets, sign_in, text, token};
use serde_json::{Value, json};
use workerd_tests::{APP_ENCRYPTION_KEY, Mock, MockAnswer, Postern, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET, Setup, bundle};

/// The definition of a client's own tokens.
const CLIENT_CREDENTIALS: &str = include_str!("../../../fixtures/connector/local_client_credentials.yml");

/// A Postern that the bundle's `start.sh` started, as the README has it started: places and settings in the
/// environment.
struct Started {
    /// The process.
    process: Child,
    /// What it prints is read no further, but it may go on printing.
    _printed: BufReader<ChildStdout>,
}

impl Started {
    /// The command, with nothing but what the README says.
    fn command(folder: &Path, socket: &Path, state: &Path) -> Command {
        let mut command = Command::new(folder.join("start.sh"));
        let variables: [(&str, &OsStr); 7] = [
            ("POSTERN_SOCKET", socket.as_ref()),
            ("POSTERN_STATE", state.as_ref()),
            ("POSTERN_CRON", "127.0.0.1:0".as_ref()),
            ("PUBLIC_URL", "https://postern.example".as_ref()),
            ("OAUTH_ROOT_CLIENT_ID", ROOT_CLIENT_ID.as_ref()),
            ("OAUTH_ROOT_CLIENT_SECRET", ROOT_CLIENT_SECRET.as_ref()),
            ("APP_ENCRYPTION_KEY", APP_ENCRYPTION_KEY.as_ref()),
        ];
        command.env_clear().envs(variables).stdin(Stdio::null());
        command
    }

    /// Starts it, and waits until it listens: workerd, which gets the arguments, says so in one line for each of two
    /// sockets.
    fn start(folder: &Path, socket: &Path, state: &Path) -> Self {
        let mut command = Self::command(folder, socket, state);
        let mut process = command.arg("--control-fd=1").stdout(Stdio::piped()).spawn().expect("start.sh");
        let mut printed = BufReader::new(process.stdout.take().expect("a pipe"));
        let said: Vec<String> = printed.by_ref().lines().map_while(Result::ok).take(2).collect();
        let started = Self { process, _printed: printed };
        assert_eq!(said.len(), 2, "{said:?}");
        started
    }
}

impl Drop for Started {
    /// As a power cut: `kill -9`.
    fn drop(&mut self) {
        self.process.kill().expect("kill");
        self.process.wait().expect("end");
    }
}

/// Calls `curl` over the socket as the reverse proxy would; answers the JSON of a success.
fn over(socket: &Path, path: &str, arguments: &[&str]) -> Value {
    let mut command = Command::new("curl");
    command.args(["-sS", "--fail-with-body", "--max-time", "30", "-H", "X-Forwarded-Proto: https", "--unix-socket"]);
    let Output { status, stdout, stderr } =
        command.arg(socket).arg(format!("http://postern.example{path}")).args(arguments).output().expect("curl");
    let told = String::from_utf8_lossy(&[stdout.clone(), stderr].concat()).into_owned();
    assert!(status.success(), "{told}");
    serde_json::from_slice(&stdout).expect("JSON")
}

/// Who may do what with a file.
fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("metadata").permissions().mode() & 0o777
}

/// On a true Unix socket, which a proxy that is in the group can use, before state that only its user can read; a
/// second start harms nothing; killed, it is started again by the same command, and what there was is there.
#[test]
fn start_sh_serves_a_group_keeps_state_private_and_starts_again_after_a_kill() {
    let parent = tempfile::tempdir().unwrap();
    let [folder, socket, state] = ["bundle", "postern.sock", "made/state"].map(|name| parent.path().join(name));
    bundle(&folder).unwrap();
    let start = || Started::start(&folder, &socket, &state);

    let first = start();
    assert_eq!(over(&socket, "/ready", &[])["status"], "ready");
    assert_eq!((mode(&socket), mode(&state)), (0o770, 0o700));
    let sign_in = |id: &str, secret: &str| {
        let credentials = format!("{id}:{secret}");
        over(&socket, TOKEN, &["-d", "grant_type=client_credentials", "-u", &credentials])
    };
    let master = text(&sign_in(ROOT_CLIENT_ID, ROOT_CLIENT_SECRET), "access_token");
    let made = over(&socket, CLIENT, &["-H", &format!("Authorization: Bearer {master}"), "--json", "[]"]);

    let second = Started::command(&folder, &socket, &state).output().unwrap();
    let told = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && told.contains("another process"), "{told}");
    assert_eq!(over(&socket, "/health", &[])["status"], "ok");

    drop(first);
    assert!(socket.exists(), "a killed process leaves its socket");
    let _again = start();
    assert_eq!(sign_in(&text(&made, "client_id"), &text(&made, "client_secret"))["token_type"], "Bearer");
}

/// Without the three variables all is in the bundle's own folder; a file that is no socket is not taken for a stale
/// one.
#[test]
fn start_sh_removes_nothing_but_a_socket() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("bundle");
    bundle(&folder).unwrap();
    let letter: PathBuf = folder.join("postern.sock");
    fs::write(&letter, "dear").unwrap();
    let mut command = Command::new(folder.join("start.sh"));
    let output = command.env_clear().stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success());
    assert_eq!((fs::read_to_string(&letter).unwrap().as_str(), mode(&folder.join("state"))), ("dear", 0o700));
}

/// Started, walked through, killed, written anew while it is down, started again: what there was is there. Providers on
/// this machine are out of its reach, whatever the settings say.
#[test]
fn a_bundle_serves_and_outlives_a_kill() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("postern");
    bundle(&folder).unwrap();
    let mut postern = Postern::start(Setup::new().bundle(&folder));
    drop(postern.get("/ready").send().expect_status(200));
    let master = root(&postern);
    let Client { id, secret } = client(&postern, &master, &["scope:read", "connection:read", "connection_token:read"]);
    let own = token(&postern, &id, &secret);
    let mock = Mock::start(|_| MockAnswer::json(200, &json!({ "access_token": "never" })));
    connect(&postern, &master, "shop", CLIENT_CREDENTIALS, &secrets(&mock.url()));
    drop(read(&postern, &own, "shop").expect_status(502));
    assert!(mock.requests().is_empty());
    drop(postern.fire_cron().expect_status(200));

    postern.kill();
    bundle(&folder).unwrap();
    postern.kill_and_restart();
    drop(sign_in(&postern, &id, &secret).send().expect_status(200));
    let shown = postern.get(&at("shop", "")).bearer(&own).send().expect_status(200).json();
    assert_eq!((&shown["key"], &shown["refresh"]["fault"]), (&json!("shop"), &json!("unreachable")));
}

/// A folder that is no bundle is left as it is.
#[test]
fn a_folder_of_other_things_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.txt");
    fs::write(&file, "dear").unwrap();
    let told = bundle(folder.path()).unwrap_err();
    assert!(told.contains("is no bundle"), "{told}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
