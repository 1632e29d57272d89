//! One Postern in real workerd: its own port, its own state, the settings of the test.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::http::{Answer, Request};
use crate::process::{Log, Process};
use crate::setup::Setup;
use crate::tools;

/// A running Postern. It is killed when dropped, and its state deleted. One in a `static`, which is never dropped, dies
/// with the test program and leaves its state directory behind.
#[derive(Debug)]
pub struct Postern {
    /// How it was started.
    setup: Setup,
    /// The public socket. It stays open between two processes, so the port stays ours.
    public: TcpListener,
    /// The cron socket.
    cron: TcpListener,
    /// The public socket of the twin.
    twin: TcpListener,
    /// What it printed.
    log: Log,
    /// The process; `None` after `kill`.
    process: Option<Process>,
    /// The state directory. Last, so that it goes after the process.
    state: TempDir,
}

impl Postern {
    /// Starts a Postern with empty state; when this returns it answers.
    #[must_use]
    pub fn start(setup: Setup) -> Self {
        let [public, cron, twin] = [(); 3].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind"));
        let parent = setup.memory().map_or_else(env::temp_dir, PathBuf::from);
        let mut postern = Self {
            setup,
            public,
            cron,
            twin,
            log: Log::default(),
            process: None,
            state: TempDir::with_prefix_in("postern-state-", parent).expect("temporary directory"),
        };
        postern.launch();
        postern
    }

    /// Its address, as in the default `PUBLIC_URL`: `http://127.0.0.1:…`, without slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        origin(&self.public)
    }

    /// A GET request to a path of it.
    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    /// A POST request to a path of it.
    pub fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    /// A PUT request to a path of it.
    pub fn put(&self, path: &str) -> Request {
        self.request("PUT", path)
    }

    /// A PATCH request to a path of it.
    pub fn patch(&self, path: &str) -> Request {
        self.request("PATCH", path)
    }

    /// A DELETE request to a path of it.
    pub fn delete(&self, path: &str) -> Request {
        self.request("DELETE", path)
    }

    /// A request of any method to a path of it; where `PUBLIC_URL` is https, as a reverse proxy passes it on.
    pub fn request(&self, method: &str, path: &str) -> Request {
        let request = Request::new(method, &format!("{}{path}", self.url()));
        if self.setup.is_https() { request.header("X-Forwarded-Proto", "https") } else { request }
    }

    /// A request of any method to a path of the second instance (`Setup::twin`).
    pub fn twin(&self, method: &str, path: &str) -> Request {
        assert!(self.setup.has_twin, "no twin was started");
        Request::new(method, &format!("{}{path}", origin(&self.twin)))
    }

    /// Fires the cron trigger, at the moment that its clock shows, and waits until the sweep is done: status 200 if
    /// its handler ended well, else 500.
    #[must_use]
    pub fn fire_cron(&self) -> Answer {
        let now = self.setup.clock.clone().unwrap_or_default().now_millis();
        let path = format!("/cdn-cgi/handler/scheduled?cron=*+*+*+*+*&time={now}");
        Request::new("GET", &format!("{}{path}", origin(&self.cron))).send()
    }

    /// Ends the process as a power cut would (`kill -9`). Requests wait, unanswered, until it is started again.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// `kill -9`, then a new process with the same settings, state and port.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.launch();
    }

    /// `kill -9`, then a new process with other settings, the same state and port.
    pub fn restart_with(&mut self, setup: Setup) {
        self.setup = setup;
        self.kill_and_restart();
    }

    /// How much of the machine's memory the process holds, in KiB.
    #[must_use]
    pub fn resident_kib(&self) -> f64 {
        self.process.as_ref().expect("it runs").resident_kib()
    }

    /// All that it printed so far, on both streams, in all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Every file of the state directory with its bytes, SQLite's write-ahead logs included. `kill` first: what a
    /// running process holds is in motion.
    #[must_use]
    pub fn state_files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        collect(self.state.path(), &mut files).expect("read the state directory");
        files
    }

    /// Has the registry object's database run SQL, as [`Postern::sql`].
    #[must_use]
    pub fn registry_sql(&self, statements: &str) -> Value {
        self.sql("Registry", "registry", statements)
    }

    /// Has the database of an object, by its class and name, run SQL, behind the product's back; answers the rows of
    /// the last statement. `kill` first: a database has one process at a time.
    #[must_use]
    pub fn sql(&self, class: &str, name: &str, statements: &str) -> Value {
        assert!(self.process.is_none(), "the database is in use");
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let mut command = Command::new(tools::workerd());
        command.env_clear();
        let _surgeon = self.serve(command, Some("surgeon.capnp"), &[("http", &socket)]);
        let url = format!("{}/{class}/{name}", origin(&socket));
        Request::new("POST", &url).body("text/plain", statements).send().expect_status(200).json()
    }

    /// Starts the process and waits until it listens.
    fn launch(&mut self) {
        let mut sockets = vec![("http", &self.public), ("cron", &self.cron)];
        for file in ["build/index.js", "build/index_bg.wasm"] {
            tools::made(file);
        }
        let config = match (&self.setup.bundle, self.setup.outbound, self.setup.has_twin) {
            (Some(_), ..) => None,
            (None, Some(_), twin) => {
                assert!(!twin, "a twin has the true network");
                Some("mocked.capnp")
            }
            (None, None, true) => {
                sockets.push(("twin", &self.twin));
                Some("twins.capnp")
            }
            (None, None, false) => Some("test.capnp"),
        };
        let bundle = self.setup.bundle.as_ref();
        let mut command = Command::new(bundle.map_or_else(tools::workerd, |folder| folder.join("start.sh")));
        self.setup.fill_environment(&mut command, &self.url());
        self.process = Some(self.serve(command, config, &sockets));
    }

    /// Starts workerd, with a configuration of `tests/workerd` if the command has none, and waits until it listens on
    /// all sockets.
    fn serve(&self, mut command: Command, config: Option<&str>, sockets: &[(&str, &TcpListener)]) -> Process {
        let (ready, control) = io::pipe().expect("pipe");
        let mut files = vec![control.as_raw_fd()];
        if config.is_some() {
            command.args(["serve", "--experimental"]);
        }
        command.arg(format!("--control-fd={}", control.as_raw_fd()));
        for (name, socket) in sockets {
            files.push(socket.as_raw_fd());
            command.arg(format!("--socket-fd={name}={}", socket.as_raw_fd()));
        }
        command.arg(format!("--directory-path=state={}", self.state.path().display()));
        if let (Some("mocked.capnp"), Some(address)) = (config, self.setup.outbound) {
            command.arg(format!("--external-addr=internet={address}"));
        }
        command.args(config.map(|config| tools::made(&format!("tests/workerd/{config}"))));
        let process = Process::spawn(command, files, &self.log);
        drop(control);
        // One line per socket; the pipe's end before that is the end of the process.
        if BufReader::new(ready).lines().map_while(Result::ok).take(sockets.len()).count() < sockets.len() {
            drop(process);
            panic!("workerd did not start:\n{}", self.log());
        }
        process
    }
}

/// The origin of a socket.
fn origin(socket: &TcpListener) -> String {
    format!("http://{}", socket.local_addr().expect("address"))
}

/// Reads all files of a directory and its subdirectories.
fn collect(directory: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            let content = fs::read(&path)?;
            files.push((path, content));
        }
    }
    Ok(())
}
