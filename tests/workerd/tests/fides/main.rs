//! What a real Fides was asked and answered, asked again: Postern with `FIDES_COMPATIBILITY=true` answers the same, or
//! as `fixtures/fides/differences.json` says, for the reason of a row in the README.
//!
//! `fixtures/fides/requests.json` is a small sample of our own. `POSTERN_FIDES_SAMPLE` names a larger one in the same
//! format, recorded from a running Fides (an absolute path); what its cases start from, and no case of it makes, is
//! made by `fixtures/fides/preparation.json`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test: a failure is a failed test")]

#[path = "../common/mod.rs"]
mod common;
mod crafted;
mod differences;
mod expectation;
mod sample;

use std::collections::BTreeMap;
use std::{env, fs};

use differences::{Differences, as_listed};
use expectation::compare;
use sample::{RecordedRoot, Variables, ask, text};
use serde_json::Value;
use workerd_tests::{APP_ENCRYPTION_KEY, Clock, Postern, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET, Setup};

/// The sample that is always there.
const OWN: &str = include_str!("../../../../fixtures/fides/requests.json");

/// What cases start from that no case makes.
const PREPARATION: &str = include_str!("../../../../fixtures/fides/preparation.json");

/// The list of differences.
const DIFFERENCES: &str = include_str!("../../../../fixtures/fides/differences.json");

/// The document that explains them.
const README: &str = include_str!("../../../../README.md");

/// The groups of cases that are about tokens, clients, scopes and bearer handling. The others are about connections and
/// users.
const GROUPS: [&str; 14] = [
    "token",
    "scope",
    "client_create",
    "client_token",
    "client_list",
    "client_get",
    "client_update",
    "client_scope",
    "client_rotate",
    "token_after_change",
    "client_delete",
    "authorization_header",
    "crafted_token",
    "misc",
];

/// A sample and the Postern that it is replayed against.
struct Replay {
    /// The Postern.
    postern: Postern,
    /// Its clock.
    clock: Clock,
    /// The recorded root client.
    root: RecordedRoot,
    /// The application key, for tokens as Fides makes them.
    key: String,
    /// What is known so far.
    variables: Variables,
    /// Requests before a case, by its name.
    preparation: Vec<Value>,
}

impl Replay {
    /// Starts a Postern with the application key of the recording, if it tells one, and a root client of our own.
    fn start(sample: &Value) -> Self {
        let key = sample.pointer("/server_config/app_encryption_key").and_then(Value::as_str);
        let key = key.unwrap_or(APP_ENCRYPTION_KEY).to_owned();
        let clock = Clock::new();
        let setup = Setup::new().set("FIDES_COMPATIBILITY", "true").set("APP_ENCRYPTION_KEY", &key).clock(&clock);
        let variable = |name| sample["variables"][name].as_str().unwrap().to_owned();
        let root = RecordedRoot { id: variable("root_id"), secret: variable("root_secret") };
        let preparation: Value = serde_json::from_str(PREPARATION).unwrap();
        let preparation = preparation["steps"].as_array().unwrap().clone();
        let postern = Postern::start(setup);
        let mut replay = Self { postern, clock, root, key, variables: Variables::default(), preparation };
        replay.derive();
        replay
    }

    /// Variables that no case saves.
    fn derive(&mut self) {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", ROOT_CLIENT_ID),
            ("client_secret", ROOT_CLIENT_SECRET),
        ];
        let answer = self.postern.post("/api/v1/oauth/token").form(&form).send().expect_status(200).json();
        let token = text(&answer, "access_token");
        let scopes = self.postern.get("/api/v1/oauth/scope").bearer(token).send().expect_status(200).json();
        let scopes: Vec<_> = scopes.as_array().unwrap().iter().map(|scope| scope.as_str().unwrap()).collect();
        self.variables.set("root_id", ROOT_CLIENT_ID);
        self.variables.set("root_secret", ROOT_CLIENT_SECRET);
        self.variables.set("root_token", token);
        self.variables.set("scope_list", scopes.join(" "));
        self.variables.set("scope_list_repr", format!("['{}']", scopes.join("', '")));
        for (name, tampered) in crafted::tampered(token).unwrap() {
            self.variables.set(name, tampered);
        }
    }

    /// Makes what a case starts from.
    fn prepare(&mut self, case: &Value) -> Result<(), String> {
        let steps: Vec<Value> =
            self.preparation.iter().filter(|step| step["before"] == case["name"]).cloned().collect();
        for step in steps {
            let answer = ask(&self.postern, &self.root, &self.variables, &step)?;
            if answer.status != 200 {
                return Err(format!("preparation: status {}, body {}", answer.status, answer.text()));
            }
            self.variables.save(&step["save"], &answer.json());
        }
        if case.get("token_payload").is_some() {
            self.variables.set(text(case, "name"), crafted::token(case, &self.key, self.clock.now())?);
        }
        Ok(())
    }

    /// Sends a case and judges the answer: nothing to say, or what is wrong.
    fn judge(&mut self, case: &Value, listed: Option<&Value>) -> Result<(), String> {
        self.prepare(case)?;
        let answer = ask(&self.postern, &self.root, &self.variables, case)?;
        if let Ok(body) = serde_json::from_slice(&answer.body) {
            self.variables.save(&case["save"], &body);
        }
        let expected = self.variables.fill_all(&case["expect"])?;
        match (compare(&expected, &answer), listed) {
            (same, None) => same,
            (Ok(()), Some(_)) => Err("answered as recorded, but listed as different".to_owned()),
            (Err(_), Some(entry)) => as_listed(entry, &self.variables, &expected, &answer)
                .map_err(|difference| format!("not as the list of differences says: {difference}")),
        }
    }
}

/// Replays a sample: the names of its cases, and what is wrong with each that is not as it should be.
fn replay(sample: &Value, differences: &Differences) -> (Vec<String>, Vec<String>) {
    let mut replay = Replay::start(sample);
    let (mut names, mut faults, mut others) = (Vec::new(), Vec::new(), BTreeMap::<&str, usize>::new());
    for case in sample["cases"].as_array().unwrap() {
        if !GROUPS.contains(&text(case, "group")) {
            *others.entry(text(case, "group")).or_default() += 1;
            continue;
        }
        let name = text(case, "name").to_owned();
        if let Err(fault) = replay.judge(case, differences.of(&name)) {
            faults.push(format!("{name}: {fault}"));
        }
        names.push(name);
    }
    let listed = names.iter().filter(|name| differences.of(name).is_some()).count();
    println!(
        "{} cases, {} as recorded, {listed} listed as different",
        names.len(),
        names.len() - listed - faults.len()
    );
    println!("not about tokens, clients or scopes: {others:?}");
    (names, faults)
}

/// T9, T10, T14, B3, B7, B9: the switch makes Postern a drop-in, but for the differences that are listed with their
/// reasons.
#[test]
fn recorded_requests_are_answered_as_recorded_or_as_the_list_of_differences_says() {
    let differences = Differences::read(DIFFERENCES, README);
    let own: Value = serde_json::from_str(OWN).unwrap();
    let (mut cases, mut faults) = replay(&own, &differences);
    if let Some(path) = env::var_os("POSTERN_FIDES_SAMPLE") {
        let recorded = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (names, more) = replay(&serde_json::from_slice(&recorded).unwrap(), &differences);
        cases.extend(names);
        faults.extend(more);
        let stale = differences.stale(&cases);
        assert!(stale.is_empty(), "listed as different, but no case: {stale:?}");
    }
    assert!(faults.is_empty(), "{} of {} cases:\n{}", faults.len(), cases.len(), faults.join("\n"));
}
