//! The sweep: what it does, what it leaves alone, and that it can die at any moment.

mod common;

use std::sync::Mutex;
use std::sync::mpsc;

use common::{at, authorized, client, live, provider, root, sweeps, token};
use serde_json::{Value, json};
use workerd_tests::{Clock, Mock, MockAnswer, Postern, Setup};

/// Just inside the lead of ten minutes before a token of the mock expires, whatever the jitter.
const DUE: i64 = 3_600 - 440;

/// A Postern with connections to one mock, all of the same age.
fn start(clock: &Clock, mock: &Mock, keys: &[&str]) -> (Postern, String) {
    let postern = Postern::start(Setup::new().clock(clock));
    let root = root(&postern);
    for key in keys {
        authorized(&postern, &root, key, mock);
    }
    (postern, root)
}

/// What a sweep reports: due, renewed, failed.
#[track_caller]
fn sweep(postern: &Postern, root: &str) -> [u64; 3] {
    let report = postern.post("/api/v1/sweep").bearer(root).send().expect_status(200).json();
    ["due", "renewed", "failed"].map(|name| report.get(name).and_then(Value::as_u64).unwrap_or(u64::MAX))
}

/// R7: nothing to do is a line of zeros.
#[test]
fn an_idle_tick_reports_nothing() {
    let (clock, mock) = (Clock::new(), provider(|_, _| None));
    let (mut postern, _) = start(&clock, &mock, &["shop"]);
    assert_eq!(postern.fire_cron().status, 200);
    postern.kill();
    let reports = sweeps(&postern);
    let [report] = reports.as_slice() else { panic!("{}", postern.log()) };
    for name in ["due", "renewed", "not_due", "failed", "paused", "needs_authorization", "gone", "unanswered"] {
        assert_eq!(report[name], 0, "{name}: {report}");
    }
    assert_eq!(mock.count("/token"), 1);
}

/// A tick of a deployment that is not configured says so and does not crash.
#[test]
fn a_tick_without_settings_reports_an_error() {
    let mut postern = Postern::start(Setup::new().unset("APP_ENCRYPTION_KEY"));
    drop(postern.fire_cron());
    postern.kill();
    assert_eq!(sweeps(&postern)[0]["level"], "error");
}

/// R7: everything that is due in one tick, once; a second tick finds nothing.
#[test]
fn one_tick_renews_all_that_is_due_and_the_next_none() {
    let (clock, mock) = (Clock::new(), provider(|_, _| None));
    let keys: Vec<String> = (0..15).map(|number| format!("shop-{number}")).collect();
    let (postern, root) = start(&clock, &mock, &keys.iter().map(String::as_str).collect::<Vec<_>>());
    clock.advance(1_000);
    authorized(&postern, &root, "younger", &mock);
    clock.advance(DUE - 1_000);
    assert_eq!(sweep(&postern, &root), [15, 15, 0]);
    assert_eq!(sweep(&postern, &root), [0, 0, 0]);
    assert_eq!(mock.count("/token"), 16 + 15);
    clock.advance(1_000);
    assert_eq!(sweep(&postern, &root), [1, 1, 0]);
}

/// K18: a provider that is down is left alone for a while that grows, and forgiven when it is back.
#[test]
fn a_provider_that_is_down_is_backed_off_from_and_recovers() {
    let clock = Clock::new();
    let mock = provider(|_, number| matches!(number, 2..=4).then(|| MockAnswer::text(503, "")));
    let (postern, root) = start(&clock, &mock, &["shop"]);
    clock.advance(DUE);
    for wait in [30, 60, 120] {
        assert_eq!(sweep(&postern, &root), [1, 0, 1]);
        assert_eq!(sweep(&postern, &root), [0, 0, 0]);
        clock.advance(wait - 5);
        assert_eq!(sweep(&postern, &root), [0, 0, 0], "before {wait} seconds were over");
        assert_eq!(live(&postern, &root, "shop"), "access-1-of-the-mock-provider");
        // A quarter is jitter.
        clock.advance(5 + wait / 4 + 1);
    }
    assert_eq!(sweep(&postern, &root), [1, 1, 0]);
    assert_eq!(live(&postern, &root, "shop"), "access-5-of-the-mock-provider");
    assert_eq!(sweep(&postern, &root), [0, 0, 0]);
    assert_eq!(mock.count("/token"), 5);
    // All is forgotten: the next failure waits the shortest time again.
    let shown = postern.get(&at("shop", "")).bearer(&root).send().expect_status(200).json();
    assert_eq!(shown["authorized"], true);
}

/// R7: one connection in trouble does not keep the others from their tokens.
#[test]
fn one_failing_connection_does_not_stop_the_others() {
    let clock = Clock::new();
    let good = provider(|_, _| None);
    let bad = provider(|_, number| (number > 1).then(MockAnswer::close));
    let (postern, root) = start(&clock, &good, &["a", "c", "d"]);
    authorized(&postern, &root, "b", &bad);
    clock.advance(DUE);
    assert_eq!(sweep(&postern, &root), [4, 3, 1]);
    assert_eq!((good.count("/token"), bad.count("/token")), (6, 2));
}

/// R6, R7: killed while the provider thinks. Nobody knows whether it took the refresh token: the first tick after the
/// token has expired does the work.
#[test]
fn a_sweep_that_is_killed_half_way_is_finished_by_the_next() {
    let clock = Clock::new();
    let (asked, reached) = mpsc::channel::<()>();
    let asked = Mutex::new(asked);
    let mock = provider(move |_, number| {
        (number == 2).then(|| {
            let _ = asked.lock().unwrap().send(());
            MockAnswer::never()
        })
    });
    let (mut postern, root) = start(&clock, &mock, &["shop"]);
    clock.advance(DUE);
    let request = postern.post("/api/v1/sweep").bearer(&root);
    let sweeping = std::thread::spawn(move || request.try_send());
    reached.recv().unwrap();
    postern.kill_and_restart();
    assert!(sweeping.join().unwrap().is_err());
    assert_eq!(sweep(&postern, &root)[1..], [0, 0]);
    assert_eq!((live(&postern, &root, "shop"), mock.count("/token")), ("access-1-of-the-mock-provider".to_owned(), 2));
    clock.advance(3_600 - DUE);
    assert_eq!(sweep(&postern, &root), [1, 1, 0]);
    assert_eq!(live(&postern, &root, "shop"), "access-3-of-the-mock-provider");
    let last = mock.requests().pop().and_then(|request| request.field("refresh_token"));
    assert_eq!(last.as_deref(), Some("refresh-1-of-the-mock-provider"));
}

/// R7: two ticks at the same time share one renewal.
#[test]
fn overlapping_ticks_renew_once() {
    let clock = Clock::new();
    let slow = |number| MockAnswer::json(200, &common::tokens(number)).after(std::time::Duration::from_millis(500));
    let mock = provider(move |_, number| (number > 1).then(|| slow(number)));
    let (postern, root) = start(&clock, &mock, &["shop"]);
    clock.advance(DUE);
    std::thread::scope(|scope| {
        let ticks: Vec<_> = (0..5).map(|_| scope.spawn(|| sweep(&postern, &root))).collect();
        assert!(ticks.into_iter().all(|tick| tick.join().unwrap()[2] == 0));
    });
    assert_eq!(mock.count("/token"), 2);
}

/// B8: the sweep by HTTP is for clients with its scope.
#[test]
fn the_sweep_by_http_needs_its_own_scope() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    let [sweeper, other] = ["sweep:exec", "connection:read"].map(|scope| {
        let client = client(&postern, &root, &[scope]);
        token(&postern, &client.id, &client.secret)
    });
    drop(postern.post("/api/v1/sweep").send().expect_status(401));
    drop(postern.post("/api/v1/sweep").bearer(&other).send().expect_status(403));
    assert_eq!(sweep(&postern, &sweeper), [0, 0, 0]);
    assert_eq!(postern.post("/api/v1/sweep").bearer(&sweeper).send().expect_status(200).json()["due"], json!(0));
}
