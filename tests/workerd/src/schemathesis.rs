//! The `PyPI` package `schemathesis`, which turns an `OpenAPI` document into requests and judges the answers.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Log, Process};
use crate::tools;

/// One run of it, in a folder of its own.
#[derive(Debug)]
pub struct Schemathesis {
    /// Where it runs: it finds its dictionaries and leaves its reports here.
    folder: TempDir,
    /// What its configuration and its hooks are told.
    variables: Vec<(String, String)>,
}

impl Schemathesis {
    /// With the configuration and the hooks of `tests/interop`.
    #[must_use]
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("postern-schemathesis-").expect("temporary directory");
        let configuration = tools::made("tests/interop/schemathesis.toml");
        fs::copy(configuration, folder.path().join("schemathesis.toml")).expect("copy");
        let hooks = tools::made("tests/interop/schemathesis_hooks.py");
        let fixtures = tools::repository().join("fixtures/connector");
        let variables = [("POSTERN_HOOKS", hooks), ("POSTERN_FIXTURES", fixtures)];
        let variables = variables.map(|(name, path)| (name.to_owned(), path.display().to_string()));
        Self { folder, variables: Vec::from(variables) }
    }

    /// Sets a variable, which its configuration and its hooks read.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Where it runs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs it to its end. Whether it found nothing, and all that it printed.
    ///
    /// # Panics
    /// If that takes longer than the deadline.
    #[must_use]
    pub fn run(&self, arguments: &[&str], deadline: Duration) -> (bool, String) {
        let mut command = Command::new(tools::interop_python());
        command.args(["-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run"]).args(arguments);
        command.current_dir(self.folder()).env_clear().envs(self.variables.iter().cloned());
        // No compiled files in the repository; what it prints is UTF-8 whatever the machine's language.
        command.envs([("PYTHONDONTWRITEBYTECODE", "1"), ("PYTHONUTF8", "1")]);
        let log = Log::default();
        let mut process = Process::spawn(command, Vec::new(), &log);
        let status = process.wait(deadline);
        process.kill();
        let status = status.unwrap_or_else(|| panic!("not done after {deadline:?}:\n{}", log.text()));
        (status.success(), log.text())
    }
}

impl Default for Schemathesis {
    fn default() -> Self {
        Self::new()
    }
}
