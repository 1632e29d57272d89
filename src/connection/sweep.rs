//! The cron's work: renew what is due, seal anew what an earlier application key has sealed, report.
//!
//! Decides: how many connections one tick takes, how many at a time, and for how long. Leaves to others: whether each
//! is really due (its actor). A tick that dies half-way, or stops, loses nothing: what was not renewed is still due for
//! the next one, and what was not sealed anew is still counted. Ticks may overlap: a connection that two of them ask
//! does its work once.

use std::{
    pin::{Pin, pin},
    vec,
};

use futures_util::{
    StreamExt,
    stream::{self, Stream},
};
use serde::{Deserialize, Serialize};

use super::{
    command::{Command, Reply, ResealOutcome, SweepOutcome},
    directory::Due,
    key::ConnectionKey,
    rotation::Rotation,
};
use crate::{
    config::Settings,
    ports::{Clock, ConnectionActors, Listing, PortError},
    protocol::time::{Seconds, UnixSeconds},
};

/// Most connections of one tick; the rest is due still for the next. One request may ask 10,000 objects, and one
/// workerd bears about 3,000 at a time.
const TICK_LIMIT: u32 = 2_000;

/// Connections that are read from the directory at a time. Its answer is awaited by one seat of six while the other
/// five are busy, for a thousandth of the time that their work takes.
const PAGE: u32 = 500;

/// Most connections of one tick that are sealed anew: 18,000 an hour.
const RESEAL_LIMIT: u32 = 300;

/// How long each of the two goes on to ask further connections. Both together, and the last answers, which take half a
/// minute at most, stay within the 15 minutes that the platform gives a tick.
const PATIENCE: Seconds = Seconds(300);

/// Connections asked at the same time: the platform's own limit on open connections of one request.
const CONCURRENCY: usize = 6;

/// What a tick did: one line in the log, and the answer of `POST /api/v1/sweep`.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepReport {
    /// Connections that were due and taken.
    pub due: u32,
    /// Have a new token.
    pub renewed: u32,
    /// Were not due after all.
    pub not_due: u32,
    /// Their provider failed; tried again later.
    pub failed: u32,
    /// Their provider, or the operator's client there, is left alone for a while after faults of others.
    pub paused: u32,
    /// Only a person can help.
    pub needs_authorization: u32,
    /// Were deleted meanwhile.
    pub gone: u32,
    /// Did not answer.
    pub unanswered: u32,
    /// Whether more is due than was taken.
    pub left: bool,
}

/// What came of a tick.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Swept {
    /// What it did; none: it could not even begin.
    pub report: Option<SweepReport>,
    /// The last connection that it took, where it left others: the next tick begins after it.
    pub stopped_at: Option<Due>,
    /// What kept it from going on.
    pub fault: Option<PortError>,
}

/// The way through what is due, from where the last tick stopped round to there again, until this one has had enough.
/// So two thousand that do not answer keep none from its turn. By places and not by asking what is due again: one that
/// did not answer is due still, and must not come twice.
struct Course<'a, P> {
    /// The outside.
    ports: &'a P,
    /// When the tick began, and what counts as due.
    began: UnixSeconds,
    /// Where it began, until it comes to the end and goes on from the beginning.
    start: Option<Due>,
    /// Where it ends, after that.
    end: Option<Due>,
    /// What was read and not yet taken.
    page: vec::IntoIter<Due>,
    /// Whether there is none behind that page.
    is_last: bool,
    /// The last one that was taken, where pages are read from.
    last: Option<Due>,
    /// How many were taken.
    taken: u32,
    /// Whether the tick has had enough.
    is_over: bool,
    /// Why there are no further pages.
    fault: Option<PortError>,
}

impl<'a, P: Clock + Listing> Course<'a, P> {
    /// At its beginning.
    fn new(ports: &'a P, start: Option<Due>) -> Self {
        Self {
            ports,
            began: ports.now(),
            last: start.clone(),
            start,
            end: None,
            page: Vec::new().into_iter(),
            is_last: false,
            taken: 0,
            is_over: false,
            fault: None,
        }
    }

    /// The next connection.
    async fn take(&mut self) -> Option<ConnectionKey> {
        let due = self.next().await.unwrap_or_else(|fault| {
            self.fault = Some(fault);
            None
        })?;
        self.is_over = self.taken == TICK_LIMIT || is_late(self.ports, self.began);
        if self.is_over {
            return None;
        }
        self.taken += 1;
        Some(self.last.insert(due).key.clone())
    }

    /// The next one that is due, whether or not it is to be taken.
    async fn next(&mut self) -> Result<Option<Due>, PortError> {
        loop {
            match self.page.next() {
                Some(due) => return Ok(Some(due).filter(|due| self.end.as_ref().is_none_or(|end| due <= end))),
                None if !self.is_last => {
                    let page = self.ports.due(self.began, self.last.as_ref(), PAGE).await?;
                    self.is_last = u32::try_from(page.len()).is_ok_and(|length| length < PAGE);
                    self.page = page.into_iter();
                }
                None if self.start.is_some() => {
                    (self.end, self.last, self.is_last) = (self.start.take(), None, false);
                }
                None => return Ok(None),
            }
        }
    }
}

/// Whether something that began then should not go on.
fn is_late(ports: &impl Clock, began: UnixSeconds) -> bool {
    began.plus(PATIENCE) <= ports.now()
}

/// Renews what is due, from where the last tick stopped.
pub async fn run<P: Clock + ConnectionActors + Listing>(ports: &P, start: Option<Due>) -> Swept {
    let (mut report, mut course) = (SweepReport::default(), Course::new(ports, start));
    renew_all(ports, &mut course, &mut report).await;
    (report.due, report.left) = (course.taken, course.is_over);
    let has_begun = course.fault.is_none() || course.taken > 0;
    Swept {
        report: has_begun.then_some(report),
        stopped_at: course.last.filter(|_| course.is_over),
        fault: course.fault,
    }
}

/// Has what is on the way renewed, and counts how each ended.
async fn renew_all<P: Clock + ConnectionActors + Listing>(
    ports: &P,
    course: &mut Course<'_, P>,
    report: &mut SweepReport,
) {
    let keys = pin!(stream::unfold(course, async |course| Some((course.take().await?, course))));
    let count = |reply| {
        let counter = match reply {
            Ok(Reply::Sweep(SweepOutcome::Renewed)) => &mut report.renewed,
            Ok(Reply::Sweep(SweepOutcome::NotDue)) => &mut report.not_due,
            Ok(Reply::Sweep(SweepOutcome::Failed)) => &mut report.failed,
            Ok(Reply::Sweep(SweepOutcome::Paused)) => &mut report.paused,
            Ok(Reply::Sweep(SweepOutcome::NeedsAuthorization)) => &mut report.needs_authorization,
            Ok(Reply::Sweep(SweepOutcome::Gone)) => &mut report.gone,
            Ok(_) | Err(_) => &mut report.unanswered,
        };
        *counter += 1;
    };
    ask_all(ports, keys, || Command::RenewIfDue, count).await;
}

/// Has connections carry out a command, several at the same time: one that hangs keeps one seat, the others go on.
async fn ask_all<P: ConnectionActors>(
    ports: &P,
    keys: Pin<&mut dyn Stream<Item = ConnectionKey>>,
    command: fn() -> Command,
    mut count: impl FnMut(Result<Reply, PortError>),
) {
    let mut replies = keys.map(|key| async move { ports.command(&key, command()).await }).buffer_unordered(CONCURRENCY);
    while let Some(reply) = replies.next().await {
        count(reply);
    }
}

/// What a tick did for a rotation of the application key.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct ResealReport {
    /// Connections that are sealed with the present application key since this tick.
    pub resealed: u32,
    /// Connections that could not be: a key is missing, something is damaged, or they did not answer.
    pub not_resealed: u32,
    /// How many are left after this tick, those included whose key is missing.
    pub sealed_with_another_key: u32,
    /// Ids of the keys that are needed and not configured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_keys: Vec<String>,
}

/// Has connections seal anew what another than the present application key has sealed.
///
/// # Errors
/// 503 when the directory does not answer.
pub async fn reseal<P: Clock + ConnectionActors + Listing>(
    ports: &P,
    settings: &Settings,
) -> Result<ResealReport, PortError> {
    let began = ports.now();
    let present = settings.application_key.id();
    let mut rotation = Rotation::new(settings, ports.sealed_otherwise(present).await?);
    let (mut keys, mut room) = (Vec::new(), RESEAL_LIMIT);
    for set in &rotation.sets {
        if room > 0 {
            let found = ports.sealed_with(set, room).await?;
            room = room.saturating_sub(u32::try_from(found.len()).unwrap_or(room));
            keys.extend(found);
        }
    }
    let (mut report, is_due) = (ResealReport::default(), !keys.is_empty());
    let keys = pin!(stream::iter(keys.into_iter().take_while(|_| !is_late(ports, began))));
    let count = |reply| match reply {
        Ok(Reply::Reseal(ResealOutcome::Resealed)) => report.resealed += 1,
        Ok(Reply::Reseal(ResealOutcome::NothingToDo | ResealOutcome::Gone)) => {}
        Ok(_) | Err(_) => report.not_resealed += 1,
    };
    ask_all(ports, keys, || Command::Reseal, count).await;
    if is_due {
        rotation = Rotation::new(settings, ports.sealed_otherwise(present).await?);
    }
    report.sealed_with_another_key = rotation.left;
    report.missing_keys = rotation.missing.into_iter().map(|(id, _)| id).collect();
    Ok(report)
}

#[cfg(test)]
mod tests;
