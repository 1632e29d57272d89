//! The `OpenAPI` document that Postern publishes, against Postern in real workerd: `schemathesis` (`PyPI`) makes
//! requests of the document, good and bad ones, and judges each answer by it, with every check that it has. What there
//! is for the requests to meet is made in `stage.rs`; what schemathesis is told is in `tests/interop/schemathesis.toml`
//! and `tests/interop/schemathesis_hooks.py`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "test: a failure is a failed test")]

#[path = "../common/mod.rs"]
mod common;
mod report;
mod stage;

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::time::Duration;

use report::Report;
use stage::Stage;
use workerd_tests::Schemathesis;

/// Requests per operation that schemathesis makes up in its fuzzing phase, if nobody says another number: about four
/// minutes on two busy cores.
const EXAMPLES: u32 = 100;

/// How long it may take in all.
const DEADLINE: Duration = Duration::from_hours(1);

/// No 5xx, no undocumented status, content type, header or body; what the document forbids is refused, what it allows
/// is not; every route is reached, and answers with success at least once.
#[test]
#[ignore = "npm run interop"]
fn every_answer_is_one_that_the_document_promises() {
    let seed = number("POSTERN_SCHEMATHESIS_SEED").unwrap_or_else(any_number);
    let examples = number("POSTERN_SCHEMATHESIS_EXAMPLES").unwrap_or(EXAMPLES);
    say(&format!("schemathesis: POSTERN_SCHEMATHESIS_SEED={seed} POSTERN_SCHEMATHESIS_EXAMPLES={examples}"));
    let stage = Stage::start();
    let run = stage.brief(Schemathesis::new());
    let document = format!("{}/openapi.json", stage.postern.url());
    let arguments = ["--seed", &seed.to_string(), "--max-examples", &examples.to_string(), &document];
    let (succeeded, printed) = run.run(&arguments, DEADLINE);
    assert!(run.folder().join("verdict.json").is_file(), "{printed}");
    let report = Report::read(run.folder());
    say(&report.table());
    assert!(succeeded, "{printed}");
    report.assert_complete();
}

/// A number that a variable gives.
fn number(name: &str) -> Option<u32> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number below 2^32")))
}

/// A number that nobody chose.
fn any_number() -> u32 {
    u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap()
}

/// Tells the person at the terminal, whether the test fails or not.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
