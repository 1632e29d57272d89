//! Where the programs and files are that the tests start. What is missing is named, with the command that makes it.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tests/workerd lies in the repository")
}

/// The workerd binary: `POSTERN_WORKERD`, else the one that wrangler brought.
#[must_use]
pub fn workerd() -> PathBuf {
    if let Some(given) = env::var_os("POSTERN_WORKERD") {
        return demand(PathBuf::from(given));
    }
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "64" };
    demand(repository().join(format!("node_modules/@cloudflare/workerd-linux-{machine}/bin/workerd")))
}

/// The Node binary: `POSTERN_NODE`, else the first on `PATH`. Absolute, because the processes get no `PATH`.
pub(crate) fn node() -> PathBuf {
    if let Some(given) = env::var_os("POSTERN_NODE") {
        return demand(PathBuf::from(given));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join("node")).find(|program| program.is_file());
    found.expect("node is not on PATH: install Node.js and run `npm test`")
}

/// The Python that has the counterparts written in it.
pub(crate) fn interop_python() -> PathBuf {
    let given = env::var_os("POSTERN_INTEROP_PYTHON");
    PathBuf::from(
        given.expect("POSTERN_INTEROP_PYTHON is not set: `npm run interop` makes that Python and runs the tests"),
    )
}

/// Has `npm run bundle` write its folder; answers what it printed.
///
/// # Errors
/// It failed.
pub fn bundle(folder: &Path) -> Result<String, String> {
    let mut command = Command::new(node());
    command.arg(repository().join("scripts/bundle.mjs")).arg("--out").arg(folder);
    let output = command.output().expect("node starts");
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(printed) } else { Err(printed) }
}

/// Bytes, compressed (RFC 1952), by Node.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    /// Reads all of the standard input, writes it compressed.
    const SCRIPT: &str = "process.stdout.write(require('zlib').gzipSync(require('fs').readFileSync(0)))";
    let mut command = Command::new(node());
    let pipes = command.args(["-e", SCRIPT]).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = pipes.spawn().expect("node starts");
    // Node writes nothing before it has read everything.
    process.stdin.take().expect("a pipe").write_all(bytes).expect("node reads");
    let output = process.wait_with_output().expect("node ends");
    assert!(output.status.success(), "node: {}", output.status);
    output.stdout
}

/// The clock shim, which cargo builds with this crate: beside the test program, or one folder up.
pub(crate) fn clock_shim() -> PathBuf {
    let program = env::current_exe().expect("path of the test program");
    let mut places = program.ancestors().skip(1).take(2).map(|folder| folder.join("libclockshim.so"));
    places.find(|library| library.is_file()).expect("libclockshim.so is not built: run `npm test`")
}

/// A file of the repository that something else makes.
pub(crate) fn made(path: &str) -> PathBuf {
    demand(repository().join(path))
}

/// The path, if a file is there.
fn demand(path: PathBuf) -> PathBuf {
    assert!(path.is_file(), "{} is missing: run `npm test`, which makes it", path.display());
    path
}
