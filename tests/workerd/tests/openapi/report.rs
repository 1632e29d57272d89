//! What schemathesis and its hooks wrote down of a run.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// How often an operation answered with each status.
type Statuses = BTreeMap<String, u64>;

/// A run.
pub(crate) struct Report {
    /// The verdict of schemathesis (`--report json`).
    verdict: Value,
    /// What each operation answered, by method and path (`schemathesis_hooks.py`).
    answers: BTreeMap<String, Statuses>,
}

impl Report {
    /// Reads it from the folder that the run was in.
    pub(crate) fn read(folder: &Path) -> Self {
        let read = |name: &str| fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self {
            verdict: serde_json::from_slice(&read("verdict.json")).unwrap(),
            answers: serde_json::from_slice(&read("answers.json")).unwrap(),
        }
    }

    /// A part of the verdict.
    fn part(&self, path: &str) -> &Value {
        self.verdict.pointer(path).unwrap_or_else(|| panic!("no {path} in {:#}", self.verdict))
    }

    /// A line for each operation with the statuses that it answered, and one for the whole.
    pub(crate) fn table(&self) -> String {
        let mut table = String::new();
        for (operation, statuses) in &self.answers {
            let statuses: Vec<_> = statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
            writeln!(table, "{operation:<72} {}", statuses.join(", ")).unwrap();
        }
        let (cases, seconds) = (self.part("/test_cases/generated"), self.part("/running_time"));
        write!(table, "schemathesis: {cases} cases, {seconds} seconds, failures: {}", self.part("/failures")).unwrap();
        table
    }

    /// Fails unless every phase came to its end, every operation was asked, and each succeeded at least once.
    pub(crate) fn assert_complete(&self) {
        assert_eq!((self.part("/stop_reason"), self.part("/errors")), (&json!("completed"), &json!([])));
        for phase in ["examples", "coverage", "fuzzing", "stateful"] {
            assert_eq!(self.part(&format!("/phases/{phase}/status")), "success", "{phase}");
        }
        let operations = self.part("/operations/total");
        assert_eq!((self.part("/operations/tested"), &json!(self.answers.len())), (operations, operations));
        let is_success = |status: &String| status.starts_with('2') || status.starts_with('3');
        let failed = self.answers.iter().filter(|(_, statuses)| !statuses.keys().any(is_success));
        assert_eq!(failed.map(|(operation, _)| operation).collect::<Vec<_>>(), [""; 0], "these never succeeded");
    }
}
