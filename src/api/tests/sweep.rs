//! The sweep: by request and by cron tick.

use futures_executor::block_on;
use futures_util::future::select;
use serde_json::{Value, json};

use super::{
    Host, authorized,
    stage::{DUE, MAY_BE_DUE, answer, longest, refusal, tokens},
};
use crate::{
    api::sweep::tick,
    connection::ticks::Ticks,
    memory::turns,
    ports::{Clock, Listing},
    protocol::time::Seconds,
};

impl Host {
    /// Runs the sweep by request: its report.
    pub(super) fn sweep(&self) -> Value {
        let swept = self.as_root("POST", "/sweep", &Value::Null);
        assert_eq!(swept.status, 200, "{swept:?}");
        swept.json()
    }

    /// Runs the sweep by a tick of the cron: its line in the log.
    pub(super) fn tick(&self) -> Value {
        let line = self.pool.borrow_mut().run_until(tick(&self.deployment, &self.memory));
        serde_json::to_value(&line).unwrap()
    }
}

/// A report with some counters, the others zero.
pub(super) fn report(counters: &[(&str, u32)]) -> Value {
    let names =
        ["due", "renewed", "not_due", "failed", "paused", "needs_authorization", "gone", "unanswered", "pruned"];
    let names = names.iter().chain(&["resealed", "not_resealed", "sealed_with_another_key"]);
    let mut report: Value = names.map(|name| ((*name).to_owned(), json!(0))).collect();
    report["left"] = false.into();
    for (name, count) in counters {
        report[*name] = json!(count);
    }
    report
}

/// A host with so many connections `k0`, `k1`, … that get tokens by themselves, all with their first.
pub(super) fn with_services(count: usize) -> Host {
    let mut host = Host::new();
    for index in 0..count {
        host = host.with_service(&format!("k{index}"));
        assert_eq!(host.live(&format!("k{index}")).0, 200);
    }
    host
}

/// Nothing due, then due: renewed though nobody reads.
#[test]
fn the_sweep_renews_what_is_due() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([answer(200, &tokens(2))]);
    host.wait(MAY_BE_DUE - 1);
    assert_eq!((host.sweep(), host.requests()), (report(&[]), 1));
    host.wait(DUE - MAY_BE_DUE + 1);
    assert_eq!((host.sweep(), host.requests()), (report(&[("due", 1), ("renewed", 1)]), 2));
    assert_eq!((host.sweep(), host.requests()), (report(&[]), 2));
    assert_eq!(host.live("shop"), (200, "canary-at-2".to_owned()));
}

/// The cron does the same, and says so in one line.
#[test]
fn a_tick_of_the_cron_does_the_same() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([answer(200, &tokens(2))]);
    host.wait(DUE);
    let mut expected = report(&[("due", 1), ("renewed", 1)]);
    expected["level"] = "info".into();
    expected["event"] = "sweep".into();
    expected["pruned"] = 0.into();
    assert_eq!(host.tick(), expected);
    assert_eq!(host.live("shop"), (200, "canary-at-2".to_owned()));
}

/// A tick that cannot run says why, without a panic.
#[test]
fn a_tick_that_cannot_run_says_why() {
    let host = Host::new();
    host.memory.faults().break_directory(true);
    assert_eq!(host.tick(), json!({ "level": "error", "event": "sweep", "cause": "directory is broken", "pruned": 0 }));
    host.memory.faults().break_directory(false);
    host.memory.clients.break_storage();
    assert_eq!(host.tick()["cause"], "storage is broken");
    host.memory.clients.mend_storage();
    host.memory.faults().break_directory(true);
    assert_eq!(host.as_root("POST", "/sweep", &Value::Null).status, 503);
    let unset = Host::with(&[("PUBLIC_URL", "")]);
    assert_eq!(unset.tick()["cause"], "the service is not configured");
}

/// Each end that a connection of a sweep can have is counted by itself.
#[test]
fn each_outcome_is_counted() {
    let mut host = Host::new();
    for key in ["renewed", "failed", "refused", "deleted", "stale"] {
        host = host.with_authorized(key);
    }
    host.wait(DUE);
    host.memory.faults().break_directory(true);
    assert_eq!(host.as_root("DELETE", "/connection/deleted", &Value::Null).status, 503);
    host.provider_answers([answer(200, &tokens(2))]);
    let _ = host.live("stale");
    host.run_behind();
    host.memory.faults().break_directory(false);
    let before = host.requests();
    host.provider_answers([answer(503, &json!({})), refusal(400, "invalid_grant"), answer(200, &tokens(2))]);
    let counted = [("due", 5), ("renewed", 1), ("not_due", 1), ("failed", 1), ("needs_authorization", 1), ("gone", 1)];
    assert_eq!((host.sweep(), host.requests() - before), (report(&counted), 3));
    assert_eq!(host.as_root("GET", "/connection", &Value::Null).json()["total"], 4);
    assert_eq!(host.sweep(), report(&[]));
    host.wait(longest(30));
    assert_eq!(host.sweep(), report(&[("due", 1), ("renewed", 1)]));
}

/// Connections that cannot be read are counted and still due for the next sweep.
#[test]
fn what_does_not_answer_is_due_still() {
    let host = with_services(3);
    host.wait(DUE);
    host.memory.restart();
    host.memory.faults().break_records_after(0);
    assert_eq!(host.sweep(), report(&[("due", 3), ("unanswered", 3)]));
    host.memory.faults().mend_records();
    assert_eq!(host.sweep(), report(&[("due", 3), ("renewed", 3)]));
}

/// The platform's bound on open connections of one request: six at a time, all in the end.
#[test]
fn six_providers_are_asked_at_a_time() {
    let host = with_services(20);
    host.wait(DUE);
    assert_eq!(host.sweep(), report(&[("due", 20), ("renewed", 20)]));
    assert_eq!((host.requests(), host.memory.most_under_way()), (40, 6));
}

/// R7: two sweeps at the same time, and a reader beside them, renew each connection once.
#[test]
fn overlapping_sweeps_renew_once() {
    let host = with_services(4);
    host.wait(3_600);
    let sweep = authorized("POST", "/api/v1/sweep", &host.root(), &Value::Null);
    let answers = host.send_all(&[sweep.clone(), host.reading("k0"), sweep]);
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(host.requests(), 8);
}

/// R6, R7: a tick that dies half-way has lost nothing: what it had begun goes on, the next does the rest, and one after
/// that has nothing to do.
#[test]
fn a_sweep_that_dies_half_way_is_finished_by_the_next() {
    for moment in [4, 12, 20, 30] {
        let host = with_services(20);
        host.wait(DUE);
        let dying = select(Box::pin(tick(&host.deployment, &host.memory)), Box::pin(turns(moment)));
        host.pool.borrow_mut().run_until(async { drop(dying.await) });
        host.run_behind();
        let done = host.requests() - 20;
        assert!((1..20).contains(&done), "{done} at {moment}");
        let rest = u32::try_from(20 - done).unwrap();
        assert_eq!(host.sweep(), report(&[("due", rest), ("renewed", rest)]), "{moment}");
        assert_eq!((host.sweep(), host.requests()), (report(&[]), 40));
    }
}

/// R5: a renewal writes at most two rows of the directory, its own and its place in the order of due instants; what
/// changes nothing writes none.
#[test]
fn a_renewal_writes_two_rows_of_the_directory() {
    let host = Host::new().with_authorized("shop");
    host.run_behind();
    host.wait(DUE);
    let written = |work: &dyn Fn(&Host)| {
        let before = host.memory.directory_rows_written();
        work(&host);
        host.run_behind();
        host.memory.directory_rows_written() - before
    };
    host.provider_answers([answer(200, &tokens(2))]);
    // And the tick's own.
    assert_eq!(written(&|host| assert_eq!(host.sweep()["renewed"], 1)), 2 + 1);
    assert_eq!(written(&|host| assert_eq!(host.sweep()["due"], 0)), 1);
    assert_eq!(written(&|host| assert_eq!(host.live("shop").0, 200)), 0);
    let profile = json!([{ "key": "shop", "name": "Shop", "connection_type": "saas", "access": "read" }]);
    let saved = |host: &Host| assert_eq!(host.as_root("PATCH", "/connection", &profile).status, 200);
    assert_eq!(written(&saved), 1);
}

/// Each tick that came to its end is counted, by whomever it was asked for; one that could not begin is not.
#[test]
fn ticks_are_counted() {
    let host = Host::new().with_authorized("shop");
    let began = host.memory.now();
    let ticks = || block_on(host.memory.ticks()).unwrap();
    assert_eq!(ticks(), Ticks::default());
    host.wait(DUE);
    host.provider_answers([answer(500, &json!({})), answer(200, &tokens(2))]);
    assert_eq!(host.sweep()["failed"], 1);
    host.wait(38);
    assert_eq!(host.tick()["renewed"], 1);
    let last_at = Some(began.plus(Seconds(DUE + 38)));
    let expected = Ticks { ticks: 2, renewed: 1, failed: 1, last_at, ..Ticks::default() };
    assert_eq!(ticks(), expected);
    host.memory.faults().break_directory(true);
    assert_eq!(host.tick()["level"], "error");
    host.memory.faults().break_directory(false);
    assert_eq!(ticks(), expected);
}

/// A connection that backs off is not asked before its time, by no sweep.
#[test]
fn the_sweep_respects_the_back_off() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([answer(503, &json!({})), answer(200, &tokens(2))]);
    host.wait(DUE);
    assert_eq!(host.sweep(), report(&[("due", 1), ("failed", 1)]));
    host.wait(29);
    assert_eq!((host.sweep(), host.requests()), (report(&[]), 2));
    host.wait(longest(30) - 29);
    assert_eq!((host.sweep(), host.requests()), (report(&[("due", 1), ("renewed", 1)]), 3));
}

/// What only a person can help is not due, nor what has no token yet. A token that cannot be renewed is due once, at
/// its end: then it is told that a person is needed.
#[test]
fn what_cannot_be_renewed_is_told_once() {
    let host = Host::new().with_code_flow("empty").with_service("never_read").with_code_flow("no_refresh");
    host.provider_answers([answer(200, &json!({ "access_token": "canary-at-1", "expires_in": 3600 }))]);
    assert_eq!(host.authorize("no_refresh", "canary-code-1").status, 200);
    host.wait(3_599);
    assert_eq!((host.sweep(), host.requests()), (report(&[]), 1));
    host.wait(1);
    assert_eq!((host.sweep(), host.requests()), (report(&[("due", 1), ("needs_authorization", 1)]), 1));
    let refresh = &host.view("no_refresh")["refresh"];
    assert_eq!((&refresh["state"], &refresh["reason"]), (&json!("needs_authorization"), &json!("not_renewable")));
    host.wait(86_400);
    assert_eq!((host.sweep(), host.requests()), (report(&[]), 1));
}

/// New secrets end what was due.
#[test]
fn new_secrets_make_nothing_due() {
    let host = Host::new().with_authorized("shop").with_code_flow("shop");
    host.wait(3_600);
    assert_eq!((host.sweep(), host.requests()), (report(&[]), 1));
}

/// The route wants `sweep:exec`, and nothing that is in the body.
#[test]
fn the_sweep_wants_its_scope() {
    let host = Host::new();
    let narrow = host.caller(&["connection:read", "connection_token:read"]);
    assert_eq!(host.call(&narrow, "POST", "/sweep", &Value::Null).status, 403);
    let allowed = host.caller(&["sweep:exec"]);
    assert_eq!(host.call(&allowed, "POST", "/sweep", &json!({ "x": 1 })).json(), report(&[]));
}
