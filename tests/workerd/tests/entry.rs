//! The entry of the Worker (`src/edge/entry.mjs`) in real workerd, with a module that traps when it is asked to:
//! whatever comes after a trap gets a new instance, and objects that were made in it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "test: a failure is a failed test")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use common::{client, root};
use serde_json::json;
use tempfile::TempDir;
use workerd_tests::{Postern, Setup, repository, workerd};

/// Where a trap happens.
const PLACES: [&str; 2] = ["/", "/object"];

/// Runs a tool of `node_modules`.
fn run(tool: &str, arguments: &[String]) {
    let mut command = Command::new(repository().join("node_modules/.bin").join(tool));
    let output = command.args(arguments).output().expect("the tool starts");
    assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Starts the configuration of a folder.
fn start_in(folder: &Path, config: &str) -> Postern {
    let config = folder.join(config);
    let command = format!("#!/bin/sh\nexec {} serve --experimental \"$@\" {}\n", workerd().display(), config.display());
    let script = folder.join("start.sh");
    fs::write(&script, command).expect("write");
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).expect("chmod");
    Postern::start(Setup::new().bundle(folder))
}

/// The entry, bundled as the build bundles it but with the module of these tests, and started.
fn start() -> (TempDir, Postern) {
    let folder = TempDir::with_prefix("postern-entry-").expect("temporary directory");
    let (out, from) = (folder.path(), repository().join("tests/workerd/tests/entry"));
    let [module, entry, text] =
        [from.join("module.mjs"), repository().join("src/edge/entry.mjs"), from.join("trap.wat")]
            .map(|path| path.display().to_string());
    let [script, wasm] = ["index.js", "trap.wasm"].map(|name| out.join(name).display().to_string());
    let options = ["--bundle", "--minify", "--format=esm", "--external:./trap.wasm"].map(str::to_owned);
    let places = [format!("--alias:postern={module}"), format!("--outfile={script}"), entry];
    run("esbuild", &[options.as_slice(), &places].concat());
    run("wasm-as", &[text, "-o".to_owned(), wasm]);
    fs::copy(from.join("entry.capnp"), out.join("entry.capnp")).expect("copy");
    let postern = start_in(out, "entry.capnp");
    (folder, postern)
}

/// The product, where the log's line of an answer 404 overflows the stack: it cannot fail, so that is a trap.
fn start_product() -> (TempDir, Postern) {
    let folder = TempDir::with_prefix("postern-entry-").expect("temporary directory");
    let place = |name: &str| folder.path().join(name);
    let read = |path: &str| fs::read_to_string(repository().join(path)).expect("read");
    let log = "const { log } = console; const overflow = () => overflow() + 1;\n\
               console.log = (line) => (line.includes('404') ? overflow() : log(line));\n";
    fs::write(place("index.js"), format!("{log}{}", read("build/index.js"))).expect("write");
    fs::write(place("postern.capnp"), read("selfhost/postern.capnp").replace("../build/", "")).expect("write");
    for file in ["build/index_bg.wasm", "selfhost/entry.mjs"] {
        fs::copy(repository().join(file), place(file.rsplit('/').next().unwrap())).expect("copy");
    }
    let postern = start_in(folder.path(), "postern.capnp");
    (folder, postern)
}

/// What the object tells: the instance that it runs in, the one that it was made in, and how many were made so far.
#[track_caller]
fn object(postern: &Postern) -> [u64; 3] {
    serde_json::from_value(postern.get("/object").send().expect_status(200).json()).unwrap()
}

/// The lines of the log that tell of a trap, when all was printed.
fn lines(mut postern: Postern) -> Vec<String> {
    postern.kill();
    postern.log().lines().filter(|line| line.contains(r#""event":"trap""#)).map(str::to_owned).collect()
}

/// Goes a way that traps, everywhere: it is answered with this status, there is one new instance and one new object
/// after it, and one line in the log, which names this error.
#[track_caller]
fn assert_renewed(way: &str, status: u16, error: Option<&str>) {
    let (_folder, postern) = start();
    for place in PLACES {
        let [instance, own, made] = object(&postern);
        assert_eq!(instance, own, "{way} {place}");
        drop(postern.get(place).header("way", way).send().expect_status(status));
        let renewed = [instance + 1, instance + 1, made + 1];
        assert_eq!([object(&postern), object(&postern)], [renewed; 2], "{way} {place}");
    }
    let error = error.map(|name| format!(r#","error":"{name}""#)).unwrap_or_default();
    assert_eq!(lines(postern), vec![format!(r#"{{"level":"error","event":"trap"{error}}}"#); 2], "{way}");
}

/// A trap at once: it comes out of the module as an error of the engine, or as one that the bindings wrapped.
#[test]
fn after_a_trap_the_next_request_gets_a_new_instance_and_objects_made_in_it() {
    assert_renewed("unreachable", 500, Some("RuntimeError"));
    assert_renewed("overflow", 500, Some("RangeError"));
    assert_renewed("wrapped", 500, Some("Error"));
    assert_renewed("failed", 500, Some("Error"));
}

/// The panic hook tells of it, also where the bindings did not see it.
#[test]
fn after_a_panic_the_next_request_gets_a_new_instance() {
    assert_renewed("panic", 500, Some("RuntimeError"));
    assert_renewed("unguarded", 500, Some("RuntimeError"));
}

/// Such an instance refuses every call and makes no other.
#[test]
fn an_instance_that_could_not_even_abort_is_replaced() {
    assert_renewed("numb", 500, Some("RuntimeError"));
}

/// In a future, or where its error is nobody's and reaches the entry as an unhandled rejection.
#[test]
fn a_trap_after_the_answer_is_seen() {
    assert_renewed("later unreachable", 200, Some("RuntimeError"));
    assert_renewed("later overflow", 200, Some("RangeError"));
    assert_renewed("later panic", 200, Some("RuntimeError"));
    assert_renewed("promised unreachable", 200, Some("RuntimeError"));
    assert_renewed("promised panic", 200, Some("RuntimeError"));
}

/// It waits for a promise while its instance traps. What it points to is in a memory that is gone.
#[test]
fn a_closure_of_the_old_instance_is_refused_and_not_run_in_the_new_one() {
    for (way, status) in [("unreachable", 500), ("wrapped", 500), ("later unreachable", 200), ("later overflow", 200)] {
        let (_folder, postern) = start();
        for (place, refused) in PLACES.into_iter().zip(1..) {
            drop(postern.get(place).header("way", way).send().expect_status(status));
            let closures = postern.get("/").send().expect_status(200).json();
            assert_eq!(closures, json!({ "refused": refused, "strayed": 0 }), "{way} {place}");
        }
    }
}

/// No error reaches the entry: the next call finds what is left.
#[test]
fn a_trap_that_nobody_told_of_is_found_by_the_next_request() {
    assert_renewed("silent unreachable", 200, None);
    assert_renewed("silent panic", 200, None);
}

/// An error that the module answers is no trap, wherever it ends.
#[test]
fn an_error_that_is_no_trap_renews_nothing() {
    let (_folder, postern) = start();
    let before = object(&postern);
    for (way, status) in [("answer", 500), ("range", 500), ("later answer", 200), ("promised answer", 200)] {
        for place in PLACES {
            drop(postern.get(place).header("way", way).send().expect_status(status));
            assert_eq!(object(&postern), before, "{way} {place}");
        }
    }
    assert_eq!(lines(postern), Vec::<String>::new());
}

/// The true module behind its true bindings: its request is lost, those after it and the objects are not.
#[test]
fn the_product_lives_on_after_a_trap() {
    let (_folder, postern) = start_product();
    let make = || client(&postern, &root(&postern), &[]);
    for _ in 0..3 {
        drop(make());
        drop(postern.get("/nowhere").send().expect_status(500));
        drop(make());
    }
    assert_eq!(lines(postern), [r#"{"level":"error","event":"trap","error":"RangeError"}"#; 3]);
}
