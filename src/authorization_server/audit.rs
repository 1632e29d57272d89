//! The audit log: one row for each thing done to clients and tokens, and for what was refused.
//!
//! Decides: what a row says, and which refusals get one. Leaves to others: where rows are kept, and for how long.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    protocol::{scope::Scope, time::UnixSeconds},
    recent::Recent,
};

/// Where a request came from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// The id that its answer and its line of the log have too.
    pub request_id: String,
    /// The sender's address, where the platform gives one.
    pub address: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuditAction {
    /// A client was registered.
    #[serde(rename = "client.create")]
    CreateClient,
    /// A client was changed.
    #[serde(rename = "client.update")]
    UpdateClient,
    /// A client got a new secret.
    #[serde(rename = "client.rotate_secret")]
    RotateSecret,
    /// A client got a new secret, and everything from before is dead.
    #[serde(rename = "client.revoke")]
    RevokeClient,
    /// A client was removed.
    #[serde(rename = "client.delete")]
    DeleteClient,
    /// The root client got a token.
    #[serde(rename = "root.token")]
    RootToken,
    /// A client gave a token up (RFC 7009).
    #[serde(rename = "token.revoke")]
    RevokeToken,
    /// Something was refused.
    #[serde(rename = "denied")]
    Denied,
}

/// Why something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DenialReason {
    /// Wrong credentials.
    AuthenticationFailed,
    /// Too many wrong credentials before.
    TooManyFailures,
    /// The token or its client is gone.
    TokenUnusable,
    /// The token, or its client by now, lacks the scope.
    InsufficientScope,
    /// The caller would give scopes or resources that it lacks.
    CannotAssign,
    /// The client has scopes or resources that the caller lacks.
    CannotManage,
    /// The token is another client's.
    AnothersToken,
}

/// One row, as stored (`fixtures/storage/v1/audit.json`). No secret is in it, and no digest of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: UnixSeconds,
    /// What.
    pub action: AuditAction,
    /// The client that did it or tried to; none when nobody knows who it was.
    pub actor: Option<String>,
    /// The client that it was done to.
    pub target: Option<String>,
    /// Scopes that the target gained.
    pub scopes_added: Scope,
    /// Scopes that the target lost.
    pub scopes_removed: Scope,
    /// From where.
    pub origin: Origin,
    /// Members of the target that were replaced, where that is not all there is to say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Why it was refused.
    pub reason: Option<DenialReason>,
    /// How often this happened within the minute, at least: written at 1, 2, 4, 8 and so on.
    pub count: u32,
}

impl AuditEntry {
    /// A row about a target, without scopes.
    #[must_use]
    pub fn new(at: UnixSeconds, action: AuditAction, actor: Option<&str>, origin: &Origin) -> Self {
        Self {
            at,
            action,
            actor: actor.map(str::to_owned),
            target: None,
            scopes_added: Scope::default(),
            scopes_removed: Scope::default(),
            origin: origin.clone(),
            changed: Vec::new(),
            reason: None,
            count: 1,
        }
    }

    /// With the client that it was done to, and what that did to its scopes.
    #[must_use]
    pub fn on(mut self, target: &str, before: &Scope, after: &Scope) -> Self {
        self.target = Some(target.to_owned());
        self.scopes_added = after.without(before);
        self.scopes_removed = before.without(after);
        self
    }

    /// What `GET /oauth/audit` shows.
    #[must_use]
    pub fn view(&self, id: u64) -> Value {
        json!({
            "id": id,
            "at": self.at.to_rfc3339(),
            "action": self.action,
            "actor": self.actor,
            "target": self.target,
            "scopes_added": self.scopes_added,
            "scopes_removed": self.scopes_removed,
            "changed": self.changed,
            "reason": self.reason,
            "count": self.count,
            "request_id": self.origin.request_id,
            "address": self.origin.address,
        })
    }
}

/// What to write about something that happens often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tally {
    /// The first of its kind in this minute: a new row.
    First,
    /// So many by now: the row of this id says so.
    Again(u64, u32),
    /// The row is near enough.
    Enough,
}

/// What happened in the current minute, by kind: a row each, not one for every request of a client gone wild.
#[derive(Debug, Default)]
pub struct Tallies(Recent<String, Counted>);

/// Things of one kind.
#[derive(Debug, Clone, Copy)]
struct Counted {
    /// Minutes since 1970.
    minute: u64,
    /// So far.
    count: u32,
    /// The row about them.
    row: u64,
}

impl Tallies {
    /// Counts one more.
    pub fn count(&mut self, kind: &str, now: UnixSeconds) -> Tally {
        let Some(known) = self.0.find(kind).copied().filter(|known| known.minute == now.0 / 60) else {
            return Tally::First;
        };
        let count = known.count.saturating_add(1);
        self.0.remember(kind.to_owned(), Counted { count, ..known });
        if count.is_power_of_two() { Tally::Again(known.row, count) } else { Tally::Enough }
    }

    /// Remembers the row of the first.
    pub fn written(&mut self, kind: String, now: UnixSeconds, row: u64) {
        self.0.remember(kind, Counted { minute: now.0 / 60, count: 1, row });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C18: the stored form is pinned; what is shown has actor, target, scope delta, request id and address.
    #[test]
    fn the_stored_form_is_pinned_and_shown_whole() {
        let stored = include_str!("../../fixtures/storage/v1/audit.json");
        let entry: AuditEntry = serde_json::from_str(stored).unwrap();
        assert_eq!(serde_json::to_string(&entry).unwrap(), stored.trim_end());
        let expected = json!({
            "id": 7, "at": "2023-11-14T22:13:20Z", "action": "client.update", "actor": "a1", "target": "b2",
            "scopes_added": ["policy:read"], "scopes_removed": ["rule:read"], "request_id": "r3",
            "address": "192.0.2.1", "changed": ["jwks"], "reason": "insufficient_scope", "count": 4,
        });
        assert_eq!(entry.view(7), expected);
    }

    /// C18: the scope delta names what came and what went.
    #[test]
    fn the_delta_is_what_came_and_what_went() {
        let scope = |text: &str| Scope::parse(text).unwrap();
        let entry = AuditEntry::new(UnixSeconds(1), AuditAction::UpdateClient, Some("a"), &Origin::default());
        let entry = entry.on("b", &scope("x y"), &scope("y z"));
        assert_eq!((entry.scopes_added, entry.scopes_removed), (scope("z"), scope("x")));
    }

    /// C18: one row per kind and minute, its count right to the power of two.
    #[test]
    fn what_happens_often_is_counted_per_kind_and_minute() {
        let mut tallies = Tallies::default();
        let at = |second: u64| UnixSeconds(600 + second);
        assert_eq!(tallies.count("a", at(0)), Tally::First);
        tallies.written("a".to_owned(), at(0), 9);
        let counted: Vec<Tally> = (1..9).map(|second| tallies.count("a", at(second))).collect();
        let again = |count| Tally::Again(9, count);
        let enough = Tally::Enough;
        assert_eq!(counted, [again(2), enough, again(4), enough, enough, enough, again(8), enough]);
        for (kind, second) in [("b", 0), ("", 0), ("a", 60)] {
            assert_eq!(tallies.count(kind, at(second)), Tally::First, "{kind} {second}");
        }
    }
}
