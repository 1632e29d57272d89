//! What a monitor is told.

use serde_json::{Value, json};

use super::{
    Answered, Host, authorized, bare, form,
    stage::{answer, refusal, tokens},
};
use crate::ports::Clock;

impl Host {
    /// The page of metrics.
    fn metrics(&self) -> Answered {
        self.send(&authorized("GET", "/metrics", &self.root(), &Value::Null))
    }

    /// The values of some metrics, each with its labels.
    fn measured<const COUNT: usize>(&self, names: [&str; COUNT]) -> [u64; COUNT] {
        let page = self.metrics().text();
        let value = |name: &str| page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        names.map(|name| value(name).unwrap_or_else(|| panic!("no {name} in {page}")))
    }
}

/// B8, H1: the page has the format's media type, and is for callers with its scope alone, stored nowhere.
#[test]
fn the_metrics_are_a_page_for_a_monitor() {
    let host = Host::new();
    let page = host.metrics();
    assert_eq!((page.status, page.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(host.send(&bare("GET", "/metrics")).status, 401);
    let narrow = host.caller(&["connection:read", "audit:read"]);
    assert_eq!(host.send(&authorized("GET", "/metrics", &narrow, &Value::Null)).status, 403);
    let allowed = host.caller(&["metrics:read"]);
    let page = host.send(&authorized("GET", "/metrics", &allowed, &Value::Null));
    assert_eq!((page.status, page.text().contains("postern_clients 2\n")), (200, true), "{page:?}");
}

/// L8: each connection is counted where it stands, and never named.
#[test]
fn connections_are_counted_by_where_they_stand() {
    let host =
        Host::new().with_authorized("shop").with_authorized("bank").with_authorized("mail").with_code_flow("new");
    let item = json!([{ "key": "bare", "connection_type": "saas", "access": "read" }]);
    assert_eq!(host.as_root("PATCH", "/connection", &item).status, 200);
    let names = ["good", "failing", "needs_authorization", "none"];
    let names = names.map(|state| format!("postern_connections{{refresh_state=\"{state}\"}}"));
    let states = |host: &Host| host.measured(names.each_ref().map(String::as_str));
    assert_eq!((states(&host), host.measured(["postern_connections_due"])), ([3, 0, 1, 1], [0]));
    host.wait(3_200);
    assert_eq!(host.measured(["postern_connections_due"]), [3]);
    host.provider_answers([answer(500, &json!({})), refusal(400, "invalid_grant"), answer(200, &tokens(2))]);
    assert_eq!(host.sweep()["due"], 3);
    assert_eq!((states(&host), host.measured(["postern_connections_due"])), ([1, 1, 2, 1], [0]));
    let outcomes = ["renewed", "failed", "needs_authorization", "unanswered"];
    let outcomes = outcomes.map(|outcome| format!("postern_sweep_connections_total{{outcome=\"{outcome}\"}}"));
    assert_eq!(host.measured(outcomes.each_ref().map(String::as_str)), [1, 1, 1, 0]);
    let last = ["postern_sweep_ticks_total", "postern_sweep_last_tick_timestamp_seconds"];
    assert_eq!(host.measured(last), [1, host.memory.now().0]);
    let page = host.metrics().text();
    assert!(["shop", "bank", "bare", "provider.example"].iter().all(|name| !page.contains(name)), "{page}");
}

/// L8: clients, what was revoked, what was guessed; no label is anybody's id, and what is over is not counted.
#[test]
fn the_registry_is_counted() {
    let host = Host::new();
    let (id, secret) = host.client(&["scope:read"]);
    let names = ["postern_clients", "postern_revoked_tokens", "postern_spent_failure_budgets"];
    assert_eq!(host.measured(names), [1, 0, 0]);
    let token = host.token(&id, &secret);
    let body = format!("client_id={id}&client_secret={secret}&token={token}");
    assert_eq!(host.send(&form("/api/v1/oauth/revoke", &body)).status, 200);
    for _ in 0..15 {
        let guess = format!("grant_type=client_credentials&client_id={id}&client_secret=guess");
        assert_eq!(host.send(&form("/api/v1/oauth/token", &guess)).status, 401);
    }
    assert_eq!(host.measured(names), [1, 1, 1]);
    let [rows] = host.measured(["postern_audit_rows"]);
    assert!(rows >= 3, "{rows}");
    host.send(&form("/api/v1/oauth/token", "grant_type=client_credentials&client_id=made-up&client_secret=guess"));
    let page = host.metrics().text();
    assert!([id.as_str(), "root-id", "made-up"].iter().all(|id| !page.contains(id)), "{page}");
    host.wait(30 * 86_400);
    assert_eq!(host.measured(names), [1, 0, 0]);
}

/// A monitor writes nothing, and is told nothing that is not so.
#[test]
fn metrics_write_nothing_and_fail_closed() {
    let host = Host::new().with_authorized("shop");
    let root = host.root();
    let written = |host: &Host| (host.memory.directory_rows_written(), host.memory.clients.writes());
    let before = written(&host);
    assert_eq!(host.send(&authorized("GET", "/metrics", &root, &Value::Null)).status, 200);
    assert_eq!(written(&host), before);
    host.memory.faults().break_directory(true);
    assert_eq!(host.metrics().status, 503);
}
