//! The wall clock of the processes under test.
//!
//! The clock is a file of 8 bytes that the processes map into memory; the library that they preload
//! (`tests/clockshim`) adds its content to the true time. The test program's own clock is not touched.

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::NamedTempFile;

use crate::tools;

/// A wall clock that a test moves. Clones are the same clock: give it to each process that shall agree on the time.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Shared>);

/// What the clones of one clock have in common.
#[derive(Debug)]
struct Shared {
    /// The file that the processes map.
    file: NamedTempFile,
    /// Its content: how far the clock is ahead of the true time, in milliseconds.
    offset: Mutex<i64>,
}

impl Clock {
    /// A clock that shows the true time until it is moved.
    #[must_use]
    pub fn new() -> Self {
        let mut file = NamedTempFile::with_prefix("postern-clock-").expect("temporary file");
        file.write_all(&0_i64.to_ne_bytes()).expect("write the clock's file");
        Self(Arc::new(Shared { file, offset: Mutex::new(0) }))
    }

    /// Moves the clock of all its processes at once, back if negative.
    ///
    /// Timers are not moved. A Durable Object's alarm that is **already armed** waits on the monotonic clock as long as
    /// it would have without the jump; `Postern::kill_and_restart` after the jump makes it fire. Alarms set
    /// afterwards are right.
    pub fn advance(&self, seconds: i64) {
        let mut offset = self.0.offset.lock().unwrap();
        *offset += seconds * 1_000;
        self.0.file.as_file().write_all_at(&offset.to_ne_bytes(), 0).expect("write the clock's file");
    }

    /// What the clock shows, in whole seconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.now_millis().div_euclid(1_000)
    }

    /// What the clock shows, in milliseconds since 1970.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "here the test's clock is made from the machine's")]
    pub fn now_millis(&self) -> i64 {
        let true_time = SystemTime::now().duration_since(UNIX_EPOCH).expect("the machine's clock is set");
        i64::try_from(true_time.as_millis()).expect("milliseconds fit") + *self.0.offset.lock().unwrap()
    }

    /// Makes a process that is about to start live by this clock.
    pub(crate) fn rule(&self, command: &mut Command) {
        command.env("LD_PRELOAD", tools::clock_shim()).env("CLOCK_OFFSET_FILE", self.0.file.path());
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
