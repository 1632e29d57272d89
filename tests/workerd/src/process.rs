//! A child process that cannot outlive the test program, with all it printed. Where a test fails, the end of that
//! stands beside the failure.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::iter;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How many of its last lines a failed test shows.
const SHOWN: usize = 40;

/// Everything that was printed, by one process or by several in a row.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<String>>);

impl Log {
    /// The text so far.
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds the lines of a pipe, in a thread of its own that ends with the pipe.
    fn follow(&self, pipe: impl Read + Send + 'static) -> JoinHandle<()> {
        let log = self.clone();
        thread::spawn(move || {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                let text = String::from_utf8_lossy(&line);
                log.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
                line.clear();
            }
        })
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text())
    }
}

/// A running process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    /// Program and first argument, for messages.
    name: String,
    /// The process.
    child: Child,
    /// The threads that read what it prints.
    readers: Vec<JoinHandle<()>>,
    /// What is read goes here.
    log: Log,
}

impl Process {
    /// Starts a process that sees no variable of ours but those of `command`, no input and no file of ours but
    /// `inherited`, which keep their numbers.
    pub(crate) fn spawn(mut command: Command, inherited: Vec<RawFd>, log: &Log) -> Self {
        command.stdin(Stdio::null());
        let name = name(&command);
        let mut child = begin(command, inherited);
        let readers =
            [child.stdout.take().map(|pipe| log.follow(pipe)), child.stderr.take().map(|pipe| log.follow(pipe))];
        Self { name, child, readers: readers.into_iter().flatten().collect(), log: log.clone() }
    }

    /// Starts a process that is talked to: its input and its output are the caller's, only its errors are read here.
    pub(crate) fn converse(mut command: Command) -> (Self, ChildStdin, ChildStdout) {
        let log = Log::default();
        command.stdin(Stdio::piped());
        let name = name(&command);
        let mut child = begin(command, Vec::new());
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let readers = child.stderr.take().map(|pipe| log.follow(pipe));
        (Self { name, child, readers: readers.into_iter().collect(), log }, input, output)
    }

    /// How much of the machine's memory it holds, in KiB.
    pub(crate) fn resident_kib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Whether it ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it ends by itself, and says how; none if that takes longer than the deadline.
    #[expect(clippy::disallowed_methods, reason = "a deadline")]
    pub(crate) fn wait(&mut self, deadline: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + deadline;
        loop {
            let over = Instant::now() > deadline;
            match self.child.try_wait() {
                Ok(None) if !over => thread::sleep(Duration::from_millis(100)),
                ended => return ended.ok().flatten(),
            }
        }
    }

    /// Ends the process as a power cut would (SIGKILL). When this returns it is gone and its log complete.
    pub(crate) fn kill(&mut self) {
        // Fails only if the process ended before, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let text = self.log.text();
        if thread::panicking() && !text.is_empty() {
            let lines: Vec<_> = text.lines().collect();
            let last = lines.split_at(lines.len().saturating_sub(SHOWN)).1;
            eprintln!("the last that {} printed:\n{}\n", self.name, last.join("\n"));
        }
    }
}

/// A command's program and first argument, without folders.
fn name(command: &Command) -> String {
    let words = iter::once(command.get_program()).chain(command.get_args().take(1)).map(Path::new);
    words.filter_map(Path::file_name).map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Starts a process that ends with the test program and has no file of ours but `inherited`.
fn begin(mut command: Command, inherited: Vec<RawFd>) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    // SAFETY: between fork and exec only two system calls run; nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            for file in &inherited {
                if libc::fcntl(*file, libc::F_SETFD, 0) != 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
    let name = command.get_program().to_owned();
    spawn_from_lasting_thread(command).unwrap_or_else(|error| panic!("{}: {error}", name.display()))
}

/// A command to start, and where the result goes.
type Order = (Command, Sender<io::Result<Child>>);

/// Starts a command from a thread that lives as long as the test program.
///
/// The parent death signal comes when the *thread* that started the child ends. A test's thread ends with the test, and
/// a process that several tests share would die with the first of them.
fn spawn_from_lasting_thread(command: Command) -> io::Result<Child> {
    static ORDERS: LazyLock<Sender<Order>> = LazyLock::new(|| {
        let (orders, queue) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, result) in queue {
                // Nobody waits any more: the child in the unsent result is only reaped late.
                let _ = result.send(command.spawn());
            }
        });
        orders
    });
    let (result, answer) = mpsc::channel();
    ORDERS.send((command, result)).expect("the starting thread never ends");
    answer.recv().expect("the starting thread answers each order")
}
