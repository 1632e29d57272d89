//! The cases in which Postern answers otherwise, each with the row of the README that says why.

use serde_json::Value;
use workerd_tests::Answer;

use crate::expectation::compare;
use crate::sample::{Variables, text};

/// The reasons there may be.
const REASONS: [&str; 2] = ["security", "specification"];

/// The list of differences.
pub(crate) struct Differences(Vec<Value>);

impl Differences {
    /// The list, each entry of which names a row of the README's table and one of the reasons.
    pub(crate) fn read(list: &str, readme: &str) -> Self {
        let document: Value = serde_json::from_str(list).unwrap();
        let rows = rows(readme);
        let known = |entry: &&Value| rows.contains(&text(entry, "fides"));
        let entries = document["differences"].as_array().unwrap().clone();
        let lenient = document["lenient"].as_array().unwrap();
        let unknown: Vec<_> = entries.iter().chain(lenient).filter(|entry| !known(entry)).collect();
        assert!(unknown.is_empty(), "no such row in the README: {unknown:?}");
        let unreasonable: Vec<_> = entries.iter().filter(|entry| !REASONS.contains(&text(entry, "why"))).collect();
        assert!(unreasonable.is_empty(), "neither security nor specification: {unreasonable:?}");
        Self(entries)
    }

    /// The entry of a case.
    pub(crate) fn of(&self, case: &str) -> Option<&Value> {
        self.0.iter().find(|entry| names(entry).any(|name| name == case))
    }

    /// The names that stand in the list although no recording has such a case.
    pub(crate) fn stale(&self, cases: &[String]) -> Vec<&str> {
        self.0.iter().flat_map(names).filter(|name| !cases.iter().any(|case| case == name)).collect()
    }
}

/// The names of cases in an entry.
fn names(entry: &Value) -> impl Iterator<Item = &str> {
    entry["cases"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Whether a listed case is answered as the entry says: given what was recorded, since a list may be the recorded one
/// and more.
///
/// # Errors
/// How it is answered instead.
pub(crate) fn as_listed(entry: &Value, variables: &Variables, recorded: &Value, answer: &Answer) -> Result<(), String> {
    let postern = &entry["postern"];
    if postern.get("recorded_and_more").is_none() {
        return compare(&variables.fill_all(postern)?, answer);
    }
    let own: Vec<Value> = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
    let lost: Vec<_> = recorded["body"].as_array().into_iter().flatten().filter(|item| !own.contains(item)).collect();
    if answer.status == 200 && lost.is_empty() { Ok(()) } else { Err(format!("without {lost:?}")) }
}

/// The first column of the README's table of differences.
fn rows(readme: &str) -> Vec<&str> {
    let table = readme.split("\n## Differences from Fides\n").nth(1).and_then(|rest| rest.split("\n## ").next());
    let lines = table.unwrap().lines().filter_map(|line| line.strip_prefix("| "));
    lines.filter_map(|line| line.split(" | ").next()).collect()
}
