//! What ticks of the sweep have done since the directory was made, and where the next one begins.
//!
//! Decides: how a tick is added, and the stored form (pinned by `fixtures/storage/v1/`). Leaves to others: what a tick
//! does (`sweep`), the one row that this is stored in (the directory). A tick that died is not counted; its connections
//! are due still.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{directory::Due, key::ConnectionKey, sweep::SweepReport};
use crate::protocol::{
    json::{BadMember, FromJson, Members, required},
    time::{Seconds, UnixSeconds},
};

/// A tick that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// When it began.
    pub began: UnixSeconds,
    /// How long it took.
    pub took: Seconds,
    /// What it did.
    pub report: SweepReport,
    /// The last connection that it took, where it left others.
    pub stopped_at: Option<Due>,
}

/// All ticks together: how many there were, and what became of connections that they took; and something of the last.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticks {
    /// How many there were.
    pub ticks: u64,
    /// See [`SweepReport::renewed`].
    pub renewed: u64,
    /// See [`SweepReport::not_due`].
    pub not_due: u64,
    /// See [`SweepReport::failed`].
    pub failed: u64,
    /// See [`SweepReport::paused`].
    pub paused: u64,
    /// See [`SweepReport::needs_authorization`].
    pub needs_authorization: u64,
    /// See [`SweepReport::gone`].
    pub gone: u64,
    /// See [`SweepReport::unanswered`].
    pub unanswered: u64,
    /// When the last one began; none: there was none.
    pub last_at: Option<UnixSeconds>,
    /// How long it took.
    pub last_took: Seconds,
    /// See [`Tick::stopped_at`]: the next one begins after it, so that what fails again and again keeps nothing from
    /// its turn.
    pub stopped_at: Option<Due>,
}

impl FromJson for Ticks {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        let mut members = Members::of(value)?;
        let mut number = |name| members.number(name).map(Option::unwrap_or_default);
        Ok(Self {
            ticks: number("ticks")?,
            renewed: number("renewed")?,
            not_due: number("not_due")?,
            failed: number("failed")?,
            paused: number("paused")?,
            needs_authorization: number("needs_authorization")?,
            gone: number("gone")?,
            unanswered: number("unanswered")?,
            last_took: Seconds(number("last_took")?),
            last_at: members.instant("last_at")?,
            stopped_at: members.value("stopped_at").map(due).transpose()?,
        })
    }
}

impl Ticks {
    /// All of them, with one more.
    #[must_use]
    pub fn with(mut self, tick: Tick) -> Self {
        let SweepReport { due: _, renewed, not_due, failed, paused, needs_authorization, gone, unanswered, left: _ } =
            tick.report;
        for (total, more) in [
            (&mut self.ticks, 1),
            (&mut self.renewed, renewed),
            (&mut self.not_due, not_due),
            (&mut self.failed, failed),
            (&mut self.paused, paused),
            (&mut self.needs_authorization, needs_authorization),
            (&mut self.gone, gone),
            (&mut self.unanswered, unanswered),
        ] {
            *total = total.saturating_add(more.into());
        }
        Self { last_at: Some(tick.began), last_took: tick.took, stopped_at: tick.stopped_at, ..self }
    }
}

/// Reads where a tick stopped.
fn due(value: Value) -> Result<Due, BadMember> {
    let mut members = Members::of(value)?;
    let key = members.text("key")?.and_then(|key| ConnectionKey::parse(&key).ok());
    Ok(Due { at: required(members.instant("at")?, "at")?, key: required(key, "key")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{connection::key::ConnectionKey, protocol::json};

    /// A tick with another number for each counter.
    fn tick() -> Tick {
        let report = SweepReport {
            due: 28,
            renewed: 1,
            not_due: 2,
            failed: 3,
            paused: 4,
            needs_authorization: 5,
            gone: 6,
            unanswered: 7,
            left: true,
        };
        let key = ConnectionKey::parse("shop").unwrap();
        let stopped_at = Some(Due { at: UnixSeconds(1_699_999_000), key });
        Tick { began: UnixSeconds(1_700_000_000), took: Seconds(12), report, stopped_at }
    }

    #[test]
    fn ticks_add_up_and_the_last_one_is_remembered() {
        let once = Ticks::default().with(tick());
        let twice = once.clone().with(Tick { took: Seconds(1), stopped_at: None, ..tick() });
        assert_eq!((once.ticks, once.renewed, once.unanswered, once.last_took), (1, 1, 7, Seconds(12)));
        assert_eq!([twice.ticks, twice.renewed, twice.not_due, twice.failed, twice.paused], [2, 2, 4, 6, 8]);
        assert_eq!([twice.needs_authorization, twice.gone, twice.unanswered], [10, 12, 14]);
        assert_eq!((twice.last_at, twice.last_took, twice.stopped_at), (once.last_at, Seconds(1), None));
    }

    #[test]
    fn the_stored_form_is_pinned() {
        let stored = include_str!("../../fixtures/storage/v1/ticks.json").trim_end();
        assert_eq!(serde_json::to_string(&Ticks::default().with(tick())).unwrap(), stored);
        assert_eq!(json::read::<Ticks>(stored.as_bytes()).unwrap(), Ticks::default().with(tick()));
    }
}
