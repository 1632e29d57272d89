//! `GET /metrics`: how the deployment is, in the text format of Prometheus (version 0.0.4).
//!
//! Decides: names, types and words of labels, by the conventions of Prometheus: base units, `_total` for what only
//! grows. Every value of a label is one of a fixed list, so nothing is escaped, and no label tells of a single
//! connection or client. Leaves to others: the counting, by registry and directory, when they are asked.

use super::{Context, OK, Ports, answer::Answer, error::ApiError, guard::Guarded};
use crate::{
    authorization_server::registry::{self, Action, RegistryReply},
    connection::{directory, refresh::RefreshState, ticks::Ticks},
    protocol::word::Word,
};

/// The media type of the format.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where a connection can stand, by its word; the last one is for those that get no tokens.
fn states() -> impl Iterator<Item = &'static str> {
    RefreshState::ALL.iter().map(|state| state.word()).chain(["none"])
}

/// All there is.
///
/// # Errors
/// Those of the guard; 503 when the registry or the directory does not answer.
pub(super) async fn show<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    let RegistryReply::Figures(registry) = Guarded::new(context).await?.act(context, Action::Count).await? else {
        return Err(ApiError::unexpected_reply());
    };
    let directory = context.ports.figures(context.ports.now()).await?;
    Ok(Answer::of(MEDIA_TYPE, OK, exposition(registry, &directory).into_bytes()))
}

/// The whole page.
fn exposition(registry: registry::Figures, directory: &directory::Figures) -> String {
    let mut page = String::new();
    let count = |word| {
        let stored = if word == "none" { "" } else { word };
        let found = directory.states.iter().find(|(state, _)| state == stored);
        (word, found.map_or(0, |(_, count)| u64::from(*count)))
    };
    let states: Vec<_> = states().map(count).collect();
    let help = "Connections by where their tokens stand; none: they get no tokens.";
    family(&mut page, "postern_connections", help, ("refresh_state", &states));
    let help = "Connections that the sweep must look at now.";
    single(&mut page, "postern_connections_due", help, directory.due.into());
    let [provider, integration] = directory.open_breakers.map(u64::from);
    let open = [("provider", provider), ("integration", integration)];
    let help = "Circuit breakers that hold callers back now.";
    family(&mut page, "postern_circuit_breakers_open", help, ("kind", &open));
    ticks(&mut page, &directory.ticks);
    let help = "Registered API clients.";
    single(&mut page, "postern_clients", help, registry.clients.into());
    let help = "Access tokens that were revoked one by one and have not expired.";
    single(&mut page, "postern_revoked_tokens", help, registry.revoked_tokens.into());
    let help = "Rows of the audit log that are kept.";
    single(&mut page, "postern_audit_rows", help, registry.audit_rows.into());
    let help = "Clients and networks whose credentials are not looked at for now: too many were wrong.";
    single(&mut page, "postern_spent_failure_budgets", help, registry.spent_budgets.into());
    page
}

/// What the sweep did.
fn ticks(page: &mut String, ticks: &Ticks) {
    let help = "Ticks of the sweep that came to their end.";
    single(page, "postern_sweep_ticks_total", help, ticks.ticks);
    let outcomes = [
        ("renewed", ticks.renewed),
        ("not_due", ticks.not_due),
        ("failed", ticks.failed),
        ("paused", ticks.paused),
        ("needs_authorization", ticks.needs_authorization),
        ("gone", ticks.gone),
        ("unanswered", ticks.unanswered),
    ];
    let help = "Connections that ticks took, by what became of them.";
    family(page, "postern_sweep_connections_total", help, ("outcome", &outcomes));
    let help = "When the last tick began; 0: there was none.";
    let last_at = ticks.last_at.map_or(0, |at| at.0);
    single(page, "postern_sweep_last_tick_timestamp_seconds", help, last_at);
    let help = "How long the last tick took.";
    single(page, "postern_sweep_last_tick_duration_seconds", help, ticks.last_took.0);
}

/// A metric without labels.
fn single(page: &mut String, name: &str, help: &str, value: u64) {
    family(page, name, help, ("", &[("", value)]));
}

/// A metric, which only grows if its name says so: its label, and a value for each word of it.
fn family(page: &mut String, name: &str, help: &str, (label, samples): (&str, &[(&str, u64)])) {
    let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
    page.extend(["# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind, "\n"]);
    for (word, value) in samples {
        page.push_str(name);
        if !label.is_empty() {
            page.extend(["{", label, "=\"", word, "\"}"]);
        }
        page.extend([" ", &value.to_string(), "\n"]);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::protocol::time::{Seconds, UnixSeconds};

    /// The page as it stands in `fixtures/metrics.txt`, all of which the parser in Prometheus's own client library for
    /// Python reads as it is meant: whoever changes it has it read anew.
    #[test]
    fn the_page_is_pinned() {
        let registry = registry::Figures { clients: 1, audit_rows: 2, revoked_tokens: 3, spent_budgets: 4 };
        let ticks = Ticks {
            ticks: u64::MAX,
            renewed: 11,
            not_due: 12,
            failed: 13,
            paused: 14,
            needs_authorization: 15,
            gone: 16,
            unanswered: 17,
            last_at: Some(UnixSeconds(1_700_000_000)),
            last_took: Seconds(18),
            stopped_at: None,
        };
        let states = [("", 5), ("failing", 6), ("from a later version", 7), ("good", 8)];
        let states = states.map(|(state, count)| (state.to_owned(), count)).to_vec();
        let directory = directory::Figures { states, due: 9, open_breakers: [10, 20], ticks };
        assert_eq!(exposition(registry, &directory), include_str!("../../fixtures/metrics.txt"));
    }

    /// A state is counted under the word that its row has.
    #[test]
    fn every_state_has_its_word() {
        let words = RefreshState::ALL.iter().map(|state| serde_json::to_value(state).unwrap());
        let words: Vec<Value> = words.chain([Value::from("none")]).collect();
        assert_eq!(words, states().collect::<Vec<_>>());
    }
}
