//! Events: one for each change of where a connection stands ([`RefreshState`]), stored with that change or not at all.
//!
//! | Command or answer                          | Change                              | Event                            |
//! |--------------------------------------------|-------------------------------------|----------------------------------|
//! | first save; template made; first definition| none → any                          | none: nothing stood before       |
//! | definition replaced                        | to good                             | `connection.recovered`           |
//! | definition replaced                        | between two other states            | that of the new state            |
//! | definition deleted, or one without tokens  | any → none                          | none                             |
//! | secrets replaced (code flow)               | good, failing, … → `needs_authorization` | `connection.needs_authorization` |
//! | secrets replaced (client credentials)      | failing, stopped, in doubt → good   | `connection.recovered`           |
//! | authorization begun, link made or opened   | none                                | none                             |
//! | authorization finished                     | `needs_authorization` → good        | `connection.authorized`          |
//! | authorization finished, renewal succeeded  | failing, stopped, in doubt → good   | `connection.recovered`           |
//! | renewal failed, or found impossible        | to the state that the fault means   | that of the state, once          |
//! | revoked (code flow)                        | any → `needs_authorization`         | `connection.needs_authorization` |
//! | deleted                                    | nothing is left                     | none; what is pending is dropped |
//!
//! Decides: which change is an event, what it says (pinned by `fixtures/storage/v1/event.json`), how many are kept, and
//! which is delivered next. Leaves to others: storing (the actor), the message (`webhook`).

use percent_encoding::utf8_percent_encode;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    fault::Fault,
    record::{Part, Record},
    refresh::RefreshState,
    template::UNRESERVED,
};
use crate::{
    config::PublicUrl,
    ports::PortError,
    protocol::{
        json::{self, BadMember, FromJson, Members, required},
        time::UnixSeconds,
        word::Word,
    },
};

/// Most events of one connection: beyond that the oldest go.
pub const EVENT_LIMIT: u32 = 100;

/// Most characters of a text that others chose: an event stays small, whatever a connection is called.
const TEXT_LIMIT: usize = 200;

/// Longest time that a delivery waits for its next attempt, in seconds: 24 hours and a fifth of jitter.
const LONGEST_WAIT: u64 = 103_680;

/// The type of the event of an authorization by a person.
const AUTHORIZED: &str = "connection.authorized";

/// The type of the event of any other way back.
const RECOVERED: &str = "connection.recovered";

/// The type of the event of a change of state, if it is one.
#[must_use]
pub const fn kind(former: RefreshState, next: RefreshState) -> Option<&'static str> {
    Some(match (former, next) {
        (RefreshState::Good, RefreshState::Good)
        | (RefreshState::Failing, RefreshState::Failing)
        | (RefreshState::Stopped, RefreshState::Stopped)
        | (RefreshState::InDoubt, RefreshState::InDoubt)
        | (RefreshState::NeedsAuthorization, RefreshState::NeedsAuthorization) => return None,
        (RefreshState::NeedsAuthorization, RefreshState::Good) => AUTHORIZED,
        (_, RefreshState::Good) => RECOVERED,
        (_, RefreshState::Failing) => "connection.failing",
        (_, RefreshState::Stopped) => "connection.stopped",
        (_, RefreshState::InDoubt) => "connection.in_doubt",
        (_, RefreshState::NeedsAuthorization) => "connection.needs_authorization",
    })
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its id, the same wherever and however often it is told.
    pub id: String,
    /// When it happened.
    pub at: UnixSeconds,
    /// Its type.
    pub kind: String,
    /// What it says.
    pub data: Value,
}

impl FromJson for Event {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        let mut members = Members::of(value)?;
        Ok(Self {
            id: required(members.text("id")?, "id")?,
            at: required(members.instant("at")?, "at")?,
            kind: required(members.text("type")?, "type")?,
            data: required(members.value("data"), "data")?,
        })
    }
}

impl Event {
    /// The event of the change from one record to another, if it is one; these parts of the other are stored.
    #[must_use]
    pub fn of(
        (former, next): (&Record, &Record),
        parts: &[Part],
        (id, at): (String, UnixSeconds),
        public_url: &PublicUrl,
    ) -> Option<Self> {
        let (before, after) = (former.refresh_state()?, next.refresh_state()?);
        // Where no grant is new, no person was there: the operator has mended what stood in the way.
        let kind = match kind(before, after)? {
            AUTHORIZED if next.grant.is_none() || !parts.contains(&Part::Grant) => RECOVERED,
            kind => kind,
        };
        let kind = kind.to_owned();
        let definition = next.definition.as_deref()?;
        let condition = &next.condition;
        let fault = condition.last_fault.as_ref();
        let needs_person = after == RefreshState::NeedsAuthorization;
        let key = next.profile.key.as_str();
        let authorize = needs_person.then(|| {
            format!("{}/api/v1/connection/{}/authorize", public_url.as_str(), utf8_percent_encode(key, UNRESERVED))
        });
        let data = object(&mut [
            ("connection_key", key.into()),
            ("name", short(next.profile.name.as_deref())),
            ("connector_type", short(Some(definition.kind()))),
            ("state", after.word().into()),
            ("former_state", before.word().into()),
            ("fault_class", json!(condition.class)),
            ("fault", fault.map(Fault::word).into()),
            ("error", short(fault.and_then(Fault::code))),
            ("reason", if needs_person { reason(next, parts) } else { Value::Null }),
            ("retry_at", condition.retry_at.filter(|_| !needs_person).and_then(UnixSeconds::to_rfc3339).into()),
            ("authorize", authorize.into()),
        ]);
        Some(Self { id, at, kind, data })
    }

    /// Why a person is needed, where one is.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.data.get("reason")?.as_str()
    }

    /// The stored form.
    #[must_use]
    pub fn stored(self) -> String {
        let (id, kind) = (self.id.into(), self.kind.into());
        object(&mut [("id", id), ("type", kind), ("at", self.at.0.into()), ("data", self.data)]).to_string()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// 503: it is none.
    pub fn read(stored: &str) -> Result<Self, PortError> {
        json::read(stored.as_bytes()).map_err(|error| PortError::unreadable("event", &error))
    }

    /// As it is listed.
    #[must_use]
    pub fn view(self) -> Value {
        let id = self.id.clone().into();
        let mut view = self.told();
        if let Some(members) = view.as_object_mut() {
            members.insert("id".to_owned(), id);
        }
        view
    }

    /// As it is told: without its id, which goes with the message.
    #[must_use]
    pub fn told(self) -> Value {
        let (kind, at) = (self.kind.into(), self.at.to_rfc3339().into());
        object(&mut [("type", kind), ("timestamp", at), ("data", self.data)])
    }
}

/// The object of these members.
fn object(members: &mut [(&str, Value)]) -> Value {
    let mut object = Map::new();
    for (name, value) in members {
        object.insert((*name).to_owned(), value.take());
    }
    Value::Object(object)
}

/// The beginning of a text.
fn short(text: Option<&str>) -> Value {
    text.map(|text| text.chars().take(TEXT_LIMIT).collect::<String>()).into()
}

/// Why a person is needed: what the provider did to the grant, or what took it away.
fn reason(next: &Record, parts: &[Part]) -> Value {
    if next.grant.is_some() {
        json!(next.condition.reason)
    } else if parts.contains(&Part::Definition) {
        "definition_replaced".into()
    } else if parts.contains(&Part::Secrets) {
        "secrets_replaced".into()
    } else {
        REVOKED.into()
    }
}

/// The reason of an event of a grant that a caller has ended.
pub const REVOKED: &str = "revoked";

/// What is delivered next, and when. Events are numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Outbox {
    /// The newest event.
    pub last: u64,
    /// The newest one that is delivered, or given up, or was not to be delivered.
    pub delivered: u64,
    /// Attempts to deliver the next one that failed.
    pub attempts: u32,
    /// When it is tried next; none when nothing is pending.
    pub retry_at: Option<UnixSeconds>,
}

/// What is not there counts nothing.
impl FromJson for Outbox {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        let mut members = Members::of(value)?;
        Ok(Self {
            last: members.number("last")?.unwrap_or_default(),
            delivered: members.number("delivered")?.unwrap_or_default(),
            attempts: members.count("attempts")?,
            retry_at: members.instant("retry_at")?,
        })
    }
}

impl Outbox {
    /// With one more event, to be delivered if somebody wants it. Pending ones that are no longer kept are left out.
    #[must_use]
    pub fn with_event(self, is_wanted: bool, now: UnixSeconds) -> Self {
        let last = self.last.saturating_add(1);
        let kept_after = if is_wanted { last.saturating_sub(EVENT_LIMIT.into()) } else { last };
        if kept_after > self.delivered {
            return Self { last, delivered: kept_after, attempts: 0, retry_at: is_wanted.then_some(now) };
        }
        Self { last, retry_at: self.retry_at.or(Some(now)), ..self }
    }

    /// After the next one was delivered or given up.
    #[must_use]
    pub fn advanced(self, now: UnixSeconds) -> Self {
        let delivered = self.delivered.saturating_add(1);
        Self { delivered, attempts: 0, retry_at: (delivered < self.last).then_some(now), ..self }
    }

    /// Whether something can be delivered now. An instant further away than any wait means that the clock was set back.
    #[must_use]
    pub fn is_due(self, now: UnixSeconds) -> bool {
        self.retry_at.is_some_and(|at| at <= now || at.since(now).0 > LONGEST_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_of_state_is_one_event() {
        for (before, after, expected) in RefreshState::ALL
            .iter()
            .flat_map(|before| RefreshState::ALL.iter().map(|after| (*before, *after)))
            .map(|(before, after)| {
                let expected = match after {
                    _ if before == after => None,
                    RefreshState::Good if before == RefreshState::NeedsAuthorization => Some("connection.authorized"),
                    RefreshState::Good => Some("connection.recovered"),
                    RefreshState::Failing => Some("connection.failing"),
                    RefreshState::Stopped => Some("connection.stopped"),
                    RefreshState::InDoubt => Some("connection.in_doubt"),
                    RefreshState::NeedsAuthorization => Some("connection.needs_authorization"),
                };
                (before, after, expected)
            })
        {
            assert_eq!(kind(before, after), expected, "{before:?} {after:?}");
        }
    }

    #[test]
    fn stored_forms_are_pinned() {
        let stored = include_str!("../../fixtures/storage/v1/event.json").trim_end();
        let event = Event::read(stored).unwrap();
        assert_eq!((event.clone().stored().as_str(), event.reason()), (stored, Some("refused")));
        assert_eq!(event.view()["timestamp"], "2023-11-14T22:13:20Z");
        for bad in ["", "{}", r#"{"id":"evt_1","type":"x","at":"soon","data":{}}"#] {
            assert!(Event::read(bad).is_err(), "{bad}");
        }
        let stored = include_str!("../../fixtures/storage/v1/outbox.json").trim_end();
        let outbox = Outbox { last: 3, delivered: 2, attempts: 1, retry_at: Some(UnixSeconds(1_700_000_005)) };
        assert_eq!(serde_json::to_string(&outbox).unwrap(), stored);
        assert_eq!(json::read::<Outbox>(stored.as_bytes()).unwrap(), outbox);
        assert_eq!(json::read::<Outbox>(b"{}").unwrap(), Outbox::default());
        assert!(json::read::<Outbox>(br#"{"last":"3"}"#).is_err());
    }

    /// What was not wanted when it happened is never delivered; what is pending is, oldest first, as far as it is kept.
    #[test]
    fn an_outbox_counts_what_is_wanted() {
        let now = UnixSeconds(9);
        let silent = Outbox::default().with_event(false, now).with_event(false, now);
        assert_eq!(silent, Outbox { last: 2, delivered: 2, attempts: 0, retry_at: None });
        let pending = silent.with_event(true, now).with_event(true, UnixSeconds(10));
        assert_eq!(pending, Outbox { last: 4, delivered: 2, attempts: 0, retry_at: Some(now) });
        assert_eq!(pending.advanced(now).advanced(now), Outbox { last: 4, delivered: 4, attempts: 0, retry_at: None });
        assert_eq!(pending.with_event(false, now).retry_at, None);
        let failed = Outbox { attempts: 3, retry_at: Some(UnixSeconds(50)), ..pending };
        assert_eq!(failed.with_event(true, now), Outbox { last: 5, ..failed });
        let full = (0..98).fold(failed, |outbox, _| outbox.with_event(true, now));
        assert_eq!((full.last, full.delivered, full.attempts), (102, 2, 3));
        let over = full.with_event(true, now);
        assert_eq!((over.last, over.delivered, over.attempts, over.retry_at), (103, 3, 0, Some(now)));
    }

    /// R9: a clock that was set back far does not stop deliveries.
    #[test]
    fn a_retry_instant_from_a_distant_future_does_not_bind() {
        let at = |at| Outbox { last: 1, delivered: 0, attempts: 1, retry_at: Some(UnixSeconds(at)) };
        let now = UnixSeconds(1_000);
        assert!(at(1_000).is_due(now) && !at(1_001).is_due(now) && !at(1_000 + LONGEST_WAIT).is_due(now));
        assert!(at(1_001 + LONGEST_WAIT).is_due(now) && !Outbox::default().is_due(now));
    }
}
