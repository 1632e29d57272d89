//! A library for `LD_PRELOAD` that moves the wall clock of one process. Linux with glibc only.
//!
//! It answers `clock_gettime`, `gettimeofday` and `time` with the true time plus an offset. workerd asks the first,
//! Node (V8's `Date.now`) the second. The offset is read, at each call, from a file of 8 bytes that the process maps
//! into memory: milliseconds, `i64` in native byte order; whoever writes the file moves the clock of all processes that
//! map it. `CLOCK_OFFSET_FILE` names the file; without it the library changes nothing.
//!
//! The monotonic clock stays true, and with it every timer that is already running.

#[cfg(not(target_os = "linux"))]
compile_error!("the integration tests run on Linux only: the clock shim needs LD_PRELOAD");

use std::ptr;
use std::sync::atomic::{AtomicI64, AtomicPtr, Ordering};

use libc::{c_int, c_void, clockid_t, time_t, timespec, timeval};

/// Nanoseconds in a second.
const NANOSECONDS: i64 = 1_000_000_000;

/// Where the offset is mapped; null until the first call, [`NO_OFFSET`] if there is no file.
static OFFSET: AtomicPtr<AtomicI64> = AtomicPtr::new(ptr::null_mut());

/// Stands in for the file where none is named or it cannot be mapped.
static NO_OFFSET: AtomicI64 = AtomicI64::new(0);

/// Replaces the C library's function of this name.
///
/// # Safety
/// As the original: `now` points to a `timespec`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, now: *mut timespec) -> c_int {
    // SAFETY: the kernel checks the pointer and answers EFAULT; after success it is valid.
    unsafe {
        if libc::syscall(libc::SYS_clock_gettime, clock, now) != 0 {
            return -1;
        }
        if matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE) {
            *now = shifted(*now);
        }
    }
    0
}

/// Replaces the C library's function of this name. The obsolete time zone is answered as UTC.
///
/// # Safety
/// As the original: both pointers may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(now: *mut timeval, zone: *mut c_void) -> c_int {
    let instant = realtime();
    // SAFETY: the caller's pointers are null or valid; `struct timezone` is two C integers.
    unsafe {
        if !now.is_null() {
            *now = timeval { tv_sec: instant.tv_sec, tv_usec: instant.tv_nsec / 1_000 };
        }
        if !zone.is_null() {
            ptr::write_bytes(zone.cast::<c_int>(), 0, 2);
        }
    }
    0
}

/// Replaces the C library's function of this name.
///
/// # Safety
/// As the original: `now` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn time(now: *mut time_t) -> time_t {
    let seconds = realtime().tv_sec;
    // SAFETY: the caller's pointer is null or valid.
    unsafe {
        if !now.is_null() {
            *now = seconds;
        }
    }
    seconds
}

/// The moved wall clock.
fn realtime() -> timespec {
    let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a live timespec. Reading this clock cannot fail.
    unsafe { clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    now
}

/// An instant plus the offset.
fn shifted(instant: timespec) -> timespec {
    let offset = offset().load(Ordering::Relaxed);
    let nanoseconds = instant.tv_nsec + offset.rem_euclid(1_000) * 1_000_000;
    timespec {
        tv_sec: instant.tv_sec + offset.div_euclid(1_000) + nanoseconds.div_euclid(NANOSECONDS),
        tv_nsec: nanoseconds.rem_euclid(NANOSECONDS),
    }
}

/// The offset in milliseconds, mapped at first use. Two threads that come first both map it, to the same effect.
fn offset() -> &'static AtomicI64 {
    let mut mapped = OFFSET.load(Ordering::Acquire);
    if mapped.is_null() {
        mapped = map_offset().unwrap_or_else(|| (&raw const NO_OFFSET).cast_mut());
        OFFSET.store(mapped, Ordering::Release);
    }
    // SAFETY: a page that is never unmapped, or a static.
    unsafe { &*mapped }
}

/// Maps the file that `CLOCK_OFFSET_FILE` names; `None` without the variable, or if the file cannot be mapped.
///
/// Plain C calls only: this runs inside the process's first question for the time, before anything is set up.
fn map_offset() -> Option<*mut AtomicI64> {
    // SAFETY: each result is checked before its use; the mapping lives as long as the process.
    unsafe {
        let name = libc::getenv(c"CLOCK_OFFSET_FILE".as_ptr());
        if name.is_null() {
            return None;
        }
        let file = libc::open(name, libc::O_RDONLY | libc::O_CLOEXEC);
        if file < 0 {
            return None;
        }
        let page = libc::mmap(ptr::null_mut(), size_of::<i64>(), libc::PROT_READ, libc::MAP_SHARED, file, 0);
        libc::close(file);
        (page != libc::MAP_FAILED).then_some(page.cast())
    }
}
