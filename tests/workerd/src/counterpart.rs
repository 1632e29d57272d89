//! OAuth and JOSE libraries that others wrote, as counterparts of Postern (`tests/interop`, in Node and in Python).

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Command};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::Clock;
use crate::process::Process;
use crate::tools;

/// How long a library may take for an answer. The first includes the start of Node or Python, on a machine that may be
/// busy.
const DEADLINE: Duration = Duration::from_mins(1);

/// A library in a process of its own, which remembers what it was given and answers one task after another: whatever
/// the library itself keeps (metadata, keys, tokens) lives as long as this. It is killed when dropped.
#[derive(Debug)]
pub struct Counterpart {
    /// Program and library, for messages.
    name: String,
    /// Where tasks go: one line of JSON each.
    tasks: ChildStdin,
    /// What comes back: one line of JSON for each task.
    answers: Receiver<String>,
    /// The process.
    _process: Process,
}

impl Counterpart {
    /// Starts a program of `tests/interop`, in Node or in Python by its name's end, with the library that it shall use,
    /// by the clock if one is given.
    #[must_use]
    pub fn start(program: &str, library: &str, clock: Option<&Clock>) -> Self {
        let is_python = Path::new(program).extension().is_some_and(|extension| extension == "py");
        let mut command = Command::new(if is_python { tools::interop_python() } else { tools::node() });
        command.arg(tools::made(&format!("tests/interop/{program}"))).arg(library);
        // Python writes no compiled files into the repository.
        command.env_clear().env("PYTHONDONTWRITEBYTECODE", "1");
        if let Some(clock) = clock {
            clock.rule(&mut command);
        }
        let (process, tasks, output) = Process::converse(command);
        let (sender, answers) = channel();
        // Ends with the process.
        thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            lines.map(|line| sender.send(line)).all(|sent| sent.is_ok())
        });
        Self { name: format!("{program} {library}"), tasks, answers, _process: process }
    }

    /// Has it do a task and returns the result; where the library refuses, what it says of that, which the program puts
    /// in the member `error`.
    #[track_caller]
    #[must_use]
    pub fn ask(&self, task: &str, input: &Value) -> Value {
        let order = json!({ "task": task, "input": input });
        // A process that has ended is told below.
        let _ = writeln!(&self.tasks, "{order}");
        let answer = self.answers.recv_timeout(DEADLINE);
        let answer = answer.unwrap_or_else(|error| panic!("{}, {task}: {error}", self.name));
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{}, {task}: {error}: {answer}", self.name))
    }
}
