//! The audit log: one row for each thing done to clients and tokens, and for what was refused.
//!
//! Decides: what a row says, and which refusals get one. Leaves to others: where rows are kept, and for how long.

use std::rc::Rc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    protocol::{
        json::{BadMember, FromJson, Members, required},
        scope::Scope,
        time::UnixSeconds,
        word::words,
    },
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditAction {
    /// A client was registered.
    CreateClient,
    /// A client was changed.
    UpdateClient,
    /// A client got a new secret.
    RotateSecret,
    /// A client got a new secret, and everything from before is dead.
    RevokeClient,
    /// A client was removed.
    DeleteClient,
    /// The root client got a token.
    RootToken,
    /// A client gave a token up (RFC 7009).
    RevokeToken,
    /// Something was refused.
    Denied,
}

words!(AuditAction: Serialize {
    CreateClient => "client.create",
    UpdateClient => "client.update",
    RotateSecret => "client.rotate_secret",
    RevokeClient => "client.revoke",
    DeleteClient => "client.delete",
    RootToken => "root.token",
    RevokeToken => "token.revoke",
    Denied => "denied",
});

/// Why something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

words!(DenialReason: Serialize {
    AuthenticationFailed => "authentication_failed",
    TooManyFailures => "too_many_failures",
    TokenUnusable => "token_unusable",
    InsufficientScope => "insufficient_scope",
    CannotAssign => "cannot_assign",
    CannotManage => "cannot_manage",
    AnothersToken => "anothers_token",
});

/// One row, as stored (`fixtures/storage/v1/audit.json`). No secret is in it, and no digest of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Why it was refused.
    pub reason: Option<DenialReason>,
    /// How often this happened within the minute, at least: written at 1, 2, 4, 8 and so on.
    pub count: u32,
}

impl FromJson for AuditEntry {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        let mut members = Members::of(value)?;
        Ok(Self {
            at: required(members.instant("at")?, "at")?,
            action: required(members.word("action")?, "action")?,
            actor: members.text("actor")?,
            target: members.text("target")?,
            scopes_added: members.document("scopes_added")?.unwrap_or_default(),
            scopes_removed: members.document("scopes_removed")?.unwrap_or_default(),
            origin: required(members.document("origin")?, "origin")?,
            changed: members.document("changed")?.unwrap_or_default(),
            reason: members.word("reason")?,
            count: members.count("count")?,
        })
    }
}

impl FromJson for Origin {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        let mut members = Members::of(value)?;
        let request_id = required(members.text("request_id")?, "request_id")?;
        Ok(Self { request_id, address: members.text("address")? })
    }
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

/// What happened in the current minute, by kind: a row each, not one for every request of a client gone wild.
#[derive(Debug, Default)]
pub struct Tallies(Recent<String, Tally>);

/// Things of one kind, within one minute.
#[derive(Debug, Clone)]
pub struct Tally {
    /// The row about them.
    row: u64,
    /// What the row says of the first of them, and goes on to say.
    first: Rc<AuditEntry>,
    /// So far.
    count: u32,
}

impl Tally {
    /// The first of its kind has this row.
    #[must_use]
    pub fn first(row: u64, entry: AuditEntry) -> Self {
        Self { row, count: entry.count, first: Rc::new(entry) }
    }

    /// What the row has to say now; none while it is near enough.
    #[must_use]
    pub fn rewritten(&self) -> Option<(u64, AuditEntry)> {
        let entry = || AuditEntry { count: self.count, ..(*self.first).clone() };
        self.count.is_power_of_two().then(|| (self.row, entry()))
    }
}

impl Tallies {
    /// The tally with one more in it; none where this is the first of its kind in its minute. Not remembered yet: that
    /// is for when the row is stored.
    #[must_use]
    pub fn one_more(&self, kind: &str, now: UnixSeconds) -> Option<Tally> {
        let known = self.0.find(kind).filter(|known| known.first.at.0 / 60 == now.0 / 60)?;
        Some(Tally { count: known.count.saturating_add(1), ..known.clone() })
    }

    /// Remembers what is stored.
    pub fn remember(&mut self, kind: String, tally: Tally) {
        self.0.remember(kind, tally);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{json, word::Word};

    /// C18: the stored form is pinned; what is shown has actor, target, scope delta, request id and address.
    #[test]
    fn the_stored_form_is_pinned_and_shown_whole() {
        let stored = include_str!("../../fixtures/storage/v1/audit.json");
        let entry: AuditEntry = json::read(stored.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&entry).unwrap(), stored.trim_end());
        let expected = json!({
            "id": 7, "at": "2023-11-14T22:13:20Z", "action": "client.update", "actor": "a1", "target": "b2",
            "scopes_added": ["policy:read"], "scopes_removed": ["rule:read"], "request_id": "r3",
            "address": "192.0.2.1", "changed": ["jwks"], "reason": "insufficient_scope", "count": 4,
        });
        assert_eq!(entry.view(7), expected);
    }

    /// Every action and every reason is read as it is stored; another word is none.
    #[test]
    fn every_word_is_read_as_it_is_stored() {
        let stored = include_str!("../../fixtures/storage/v1/audit.json");
        let entry: AuditEntry = json::read(stored.as_bytes()).unwrap();
        for &action in AuditAction::ALL {
            for reason in DenialReason::ALL.iter().copied().map(Some).chain([None]) {
                let entry = AuditEntry { action, reason, ..entry.clone() };
                assert_eq!(json::read::<AuditEntry>(&serde_json::to_vec(&entry).unwrap()).unwrap(), entry);
            }
        }
        for (word, other) in [("client.update", "client.updated"), ("insufficient_scope", "InsufficientScope")] {
            assert!(json::read::<AuditEntry>(stored.replace(word, other).as_bytes()).is_err(), "{other}");
        }
    }

    /// C18: the scope delta names what came and what went.
    #[test]
    fn the_delta_is_what_came_and_what_went() {
        let scope = |text: &str| Scope::parse(text).unwrap();
        let entry = AuditEntry::new(UnixSeconds(1), AuditAction::UpdateClient, Some("a"), &Origin::default());
        let entry = entry.on("b", &scope("x y"), &scope("y z"));
        assert_eq!((entry.scopes_added, entry.scopes_removed), (scope("z"), scope("x")));
    }

    /// C18: one row per kind and minute, its count right to the power of two; the rest of it is what the first was.
    #[test]
    fn what_happens_often_is_counted_per_kind_and_minute() {
        let mut tallies = Tallies::default();
        let at = |second: u64| UnixSeconds(600 + second);
        assert!(tallies.one_more("a", at(0)).is_none());
        let first = AuditEntry::new(at(0), AuditAction::Denied, Some("a"), &Origin::default());
        tallies.remember("a".to_owned(), Tally::first(9, first.clone()));
        let mut again = |second| {
            let tally = tallies.one_more("a", at(second)).unwrap();
            tallies.remember("a".to_owned(), tally.clone());
            tally.rewritten()
        };
        let counted: Vec<_> = (1..9).map(&mut again).collect();
        let row = |count| Some((9, AuditEntry { count, ..first.clone() }));
        assert_eq!(counted, [row(2), None, row(4), None, None, None, row(8), None]);
        for (kind, second) in [("b", 0), ("", 0), ("a", 60)] {
            assert!(tallies.one_more(kind, at(second)).is_none(), "{kind} {second}");
        }
    }

    /// C18: what could not be stored is counted when it is tried again.
    #[test]
    fn what_is_not_remembered_is_not_counted() {
        let mut tallies = Tallies::default();
        let first = AuditEntry::new(UnixSeconds(600), AuditAction::Denied, None, &Origin::default());
        tallies.remember("a".to_owned(), Tally::first(9, first));
        let counts = [1, 2].map(|_| tallies.one_more("a", UnixSeconds(601)).unwrap().count);
        assert_eq!(counts, [2, 2]);
    }
}
