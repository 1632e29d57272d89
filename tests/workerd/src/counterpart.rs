//! OAuth and JOSE libraries that others wrote, as counterparts of Postern (`counterpart.mjs`, in Node).

use std::process::Command;

use serde_json::Value;

use crate::clock::Clock;
use crate::tools;

/// Runs one task of `counterpart.mjs` to its end, by the clock if one is given, and returns its result: that of the library, or `{"error": …}` where the
/// library refuses.
#[track_caller]
#[must_use]
pub fn counterpart(clock: Option<&Clock>, task: &str, input: &Value) -> Value {
    let mut command = Command::new(tools::node());
    command.arg(tools::made("tests/workerd/counterpart.mjs")).args([task, &input.to_string()]).env_clear();
    if let Some(clock) = clock {
        clock.rule(&mut command);
    }
    let output = command.output().expect("node starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{task}: {error}: {errors}"))
}
