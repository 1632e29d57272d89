//! One look at the same Worker through `wrangler dev`, with the repository's own `wrangler.toml`: what the other tests
//! do in plain workerd holds for the development server that people start.
#![expect(clippy::expect_used, clippy::panic, reason = "test: a failure is a failed test")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use workerd_tests::{APP_ENCRYPTION_KEY, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET, Request, repository};

/// How long it may take to start, on a machine that may be busy; usually a second or two.
const START_DEADLINE: Duration = Duration::from_mins(1);

/// What wrangler prints, followed by its origin, when it is ready.
const READY: &str = "Ready on ";

/// How often, 50 ms apart, it is looked whether wrangler has ended by itself: ten seconds in all.
const ENDING_LOOKS: u32 = 200;

/// A running `wrangler dev` in a process group of its own, which ends with this value.
struct Wrangler {
    /// The process that was started; its own children are in its group.
    process: Child,
    /// Its origin.
    origin: String,
    /// Configuration, settings and state.
    folder: TempDir,
}

impl Wrangler {
    /// Starts it with a copy of `wrangler.toml` in a folder of its own, so that it neither reads nor writes anything of
    /// the repository but the build. The copy does not build: `npm test` has.
    fn start() -> Self {
        let root = repository();
        let folder = TempDir::with_prefix("postern-wrangler-").expect("temporary directory");
        let file = |name: &str| folder.path().join(name);
        let toml = fs::read_to_string(root.join("wrangler.toml")).expect("wrangler.toml");
        fs::write(file("wrangler.toml"), without_build(&toml, root)).expect("write");
        let settings = format!(
            "OAUTH_ROOT_CLIENT_ID={ROOT_CLIENT_ID}\nOAUTH_ROOT_CLIENT_SECRET={ROOT_CLIENT_SECRET}\n\
             APP_ENCRYPTION_KEY={APP_ENCRYPTION_KEY}\nPUBLIC_URL=http://127.0.0.1:8787\n"
        );
        fs::write(file("settings.env"), settings).expect("write");
        let mut command = Command::new(root.join("node_modules/.bin/wrangler"));
        command
            .args(["dev", "--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0"])
            .arg("--show-interactive-dev-session=false")
            .arg("--config")
            .arg(file("wrangler.toml"))
            .arg("--env-file")
            .arg(file("settings.env"))
            .arg("--persist-to")
            .arg(file("state"))
            .current_dir(root)
            .env_clear()
            .env("PATH", path_with_node())
            .env("HOME", folder.path())
            .env("CI", "true")
            .env("NO_COLOR", "1")
            .env("WRANGLER_SEND_METRICS", "false")
            .env("WRANGLER_LOG_PATH", file("logs"))
            .env("CLOUDFLARE_CF_FETCH_ENABLED", "false")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = spawn(command);
        let lines = lines_of(&mut process);
        let mut wrangler = Self { process, origin: String::new(), folder };
        wrangler.origin = await_origin(&lines);
        wrangler
    }

    /// A request to a path of it.
    fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, &format!("{}{path}", self.origin))
    }

    /// Whether a file of the state of some kind (`kv`, `do`, …) holds a text.
    fn holds(&self, kind: &str, text: &str) -> bool {
        let mut folders = vec![self.folder.path().join("state/v3").join(kind)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else if String::from_utf8_lossy(&fs::read(entry.path()).unwrap_or_default()).contains(text) {
                    return true;
                }
            }
        }
        false
    }

    /// Signals the process alone, or its whole group.
    fn signal(&self, signal: libc::c_int, whole_group: bool) {
        let id = libc::pid_t::try_from(self.process.id()).expect("process ids are small");
        // SAFETY: a system call on numbers.
        unsafe { libc::kill(if whole_group { -id } else { id }, signal) };
    }

    /// Asks it to end and waits; whether it did, and nothing of its group runs any more.
    fn stop(&mut self) -> bool {
        self.signal(libc::SIGTERM, false);
        for _ in 0..ENDING_LOOKS {
            let over = !matches!(self.process.try_wait(), Ok(None));
            if over && !runs(self.process.id()) {
                return true;
            }
            thread::sleep(Duration::from_millis(50));
        }
        false
    }
}

/// Whether a process of this group runs. One that has ended, and that its parent has not noticed yet, does not.
fn runs(group: u32) -> bool {
    let processes = fs::read_dir("/proc").expect("Linux").filter_map(Result::ok);
    let mut states = processes.filter_map(|process| fs::read_to_string(process.path().join("stat")).ok());
    // proc(5): number, (name), state, parent, group.
    states.any(|line| {
        let mut fields = line.rsplit(") ").next().unwrap_or_default().split(' ');
        fields.next() != Some("Z") && fields.nth(1) == Some(group.to_string().as_str())
    })
}

impl Drop for Wrangler {
    fn drop(&mut self) {
        if !self.stop() {
            self.signal(libc::SIGKILL, true);
            let _ = self.process.wait();
        }
    }
}

/// Starts a command at the head of a new process group, told to end when the test program dies.
fn spawn(mut command: Command) -> Child {
    // SAFETY: between fork and exec only a system call runs; nothing is allocated.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    command.process_group(0).spawn().expect("node_modules/.bin/wrangler starts: run `npm test`")
}

/// The configuration without its build command, and with an absolute path to what was built.
fn without_build(toml: &str, root: &Path) -> String {
    let mut in_build = false;
    let kept = toml.lines().filter(|line| {
        if line.starts_with('[') {
            in_build = *line == "[build]";
        }
        !in_build
    });
    let main = "main = \"build/index.js\"";
    assert!(toml.contains(main), "wrangler.toml has another entry point");
    let absolute = format!("main = {}", json!(root.join("build/index.js")));
    kept.collect::<Vec<_>>().join("\n").replace(main, &absolute)
}

/// `PATH`, with the Node of `POSTERN_NODE` first.
fn path_with_node() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let node = std::env::var("POSTERN_NODE").unwrap_or_default();
    match Path::new(&node).parent().and_then(Path::to_str) {
        Some(folder) if !folder.is_empty() => format!("{folder}:{path}"),
        _ => path,
    }
}

/// All that the process prints, line by line.
fn lines_of(process: &mut Child) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    follow(process.stdout.take().expect("piped"), sender.clone());
    follow(process.stderr.take().expect("piped"), sender);
    lines
}

/// Passes lines on, and reads on when nobody listens any more: a full pipe would stop the process.
fn follow(pipe: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = lines.send(line);
        }
    });
}

/// Waits for the line that names the origin.
#[expect(clippy::disallowed_methods, reason = "a deadline")]
fn await_origin(lines: &Receiver<String>) -> String {
    let deadline = Instant::now() + START_DEADLINE;
    let mut printed = Vec::new();
    while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if let Some((_, origin)) = line.split_once(READY) {
            return origin.trim().to_owned();
        }
        printed.push(line);
    }
    panic!("wrangler did not get ready:\n{}", printed.join("\n"));
}

/// Settings, tokens, all kinds of objects, KV and the cron path, in the server that `npm start` runs.
#[test]
fn the_worker_runs_in_wrangler_dev_as_configured() {
    let mut wrangler = Wrangler::start();
    let ready = wrangler.request("GET", "/ready").send().expect_status(200);
    assert_eq!(ready.json(), json!({ "status": "ready" }));

    let grant = [("grant_type", "client_credentials")];
    let issue = |id: &str, secret: &str| {
        let answer = wrangler.request("POST", "/api/v1/oauth/token").basic(id, secret).form(&grant).send();
        answer.expect_status(200).json()["access_token"].as_str().unwrap_or_default().to_owned()
    };
    let root = issue(ROOT_CLIENT_ID, ROOT_CLIENT_SECRET);
    let scopes = json!({ "scopes": ["scope:read", "connection:create_or_update"] });
    let made = wrangler.request("POST", "/api/v1/oauth/client").bearer(&root).json(&scopes).send().expect_status(200);
    let made = made.json();
    let own = issue(made["client_id"].as_str().unwrap_or_default(), made["client_secret"].as_str().unwrap_or_default());
    drop(wrangler.request("GET", "/api/v1/oauth/scope").bearer(&own).send().expect_status(200));
    drop(wrangler.request("GET", "/api/v1/connection").bearer(&own).send().expect_status(403));

    let item = json!([{ "key": "shop", "connection_type": "saas", "access": "read" }]);
    drop(wrangler.request("PATCH", "/api/v1/connection").bearer(&own).json(&item).send().expect_status(200));
    let list = wrangler.request("GET", "/api/v1/connection").bearer(&root).send().expect_status(200).json();
    assert_eq!(list["items"][0]["key"], "shop", "{list}");
    // The second read comes from KV; were it broken, the log would say so.
    let yaml = include_str!("../../../fixtures/connector/query_code_flow.yml");
    let register = wrangler.request("POST", "/api/v1/connector-templates/register").bearer(&root);
    drop(register.body("application/yaml", yaml).send().expect_status(200));
    let config = "/api/v1/connector-templates/query_provider/config";
    for _ in 0..2 {
        assert_eq!(wrangler.request("GET", config).bearer(&root).send().expect_status(200).text(), yaml);
    }
    assert!(wrangler.holds("kv", "instance_fides_key"), "no copy in KV");
    drop(wrangler.request("GET", "/cdn-cgi/handler/scheduled?cron=*+*+*+*+*").send().expect_status(200));
    assert!(wrangler.stop(), "wrangler or one of its children did not end");
}
