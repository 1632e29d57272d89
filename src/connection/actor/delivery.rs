//! Events of one connection: noted with the change that they tell of, then delivered behind, in order, at least once.
//!
//! An attempt is marked after its answer. A crash in between delivers the same event again, with the same id. Nobody
//! waits for a delivery; whatever ends it early leaves the event due, and the sweep begins again.

use std::rc::Rc;

use super::{Actor, ObjectPorts, Stop};
use crate::{
    config::Webhook,
    connection::{
        command::Reply,
        connect_link::{ConnectLink, EVENT_LINK_LIFETIME, of_event},
        definition::Definition,
        event::{EVENT_LIMIT, Event, REVOKED},
        fault::Fault,
        record::{Part, Record},
        refresh::RefreshState,
        webhook,
    },
    ports::{PortError, random},
    protocol::{
        page::{Page, PageQuery},
        secret::hex,
        time::UnixSeconds,
    },
};
use futures_util::FutureExt;

impl<P: ObjectPorts> Actor<P> {
    /// The event of a change of the record, if it is one, in its stored form. It is pending in the record from now on,
    /// and so are the parts that say so among those to be stored.
    pub(super) fn note(
        &self,
        former: Option<&Record>,
        record: &mut Rc<Record>,
        parts: &mut Vec<Part>,
    ) -> Result<Option<String>, PortError> {
        let Some(former) = former.filter(|former| former.refresh_state() != record.refresh_state()) else {
            return Ok(None);
        };
        let (id, now) = (format!("evt_{}", hex(&random::<16>()?)), self.ports.now());
        let Some(event) = Event::of((former, record), parts, (id, now), &self.settings.public_url) else {
            return Ok(None);
        };
        let is_wanted = self.webhook().is_some();
        let link = if is_wanted { self.link_for(record, &event, now) } else { None };
        let next = Rc::make_mut(record);
        next.outbox = next.outbox.with_event(is_wanted, now);
        parts.push(Part::Outbox);
        if link.is_some() {
            next.link = link;
            parts.retain(|part| *part != Part::Link);
            parts.push(Part::Link);
        }
        Ok(Some(event.stored()))
    }

    /// The connect link that goes with an event: where a person is needed, can begin, and has no link already. None
    /// where a caller has ended the grant: nobody is to be asked to undo that.
    fn link_for(&self, record: &Record, event: &Event, now: UnixSeconds) -> Option<ConnectLink> {
        let is_needed = record.refresh_state() == Some(RefreshState::NeedsAuthorization)
            && record.definition.as_deref().is_some_and(Definition::is_by_code)
            && event.reason() != Some(REVOKED);
        let has_one = record.link.as_ref().is_some_and(|link| now < link.expires_at);
        if !is_needed || has_one || self.ready(record, true).is_err() {
            return None;
        }
        let token = of_event(&self.settings.application_key, &self.key, &event.id);
        Some(ConnectLink { token: token.digest(), expires_at: now.plus(EVENT_LINK_LIFETIME), return_to: None })
    }

    /// The link that was made for an event and its end, as long as it can be used. Its token is not stored, but follows
    /// from the event's id and the application key, which may have become a previous one.
    fn link_of(&self, record: &Record, event: &Event, now: UnixSeconds) -> Option<(String, UnixSeconds)> {
        let link = record.link.as_ref()?;
        let mut tokens = self.settings.application_keys().map(|key| of_event(key, &self.key, &event.id));
        let token = tokens.find(|token| link.is_opened_by(token, now))?;
        Some((format!("{}/connect/{}", self.settings.public_url.as_str(), token.expose()), link.expires_at))
    }

    /// Lists its events, newest first.
    pub(super) fn read_events(&self, query: PageQuery) -> Result<Reply, Stop> {
        let last = self.existing()?.outbox.last;
        let total = u32::try_from(last).unwrap_or(EVENT_LIMIT).min(EVENT_LIMIT);
        let items = match total.saturating_sub(query.offset()) {
            0 => Vec::new(),
            left => {
                let newest = last.saturating_sub(query.offset().into());
                let stored = self.ports.events(newest, query.size.min(left))?;
                let mut items = Vec::new();
                for stored in stored {
                    items.push(Event::read(&stored)?.view());
                }
                items
            }
        };
        Ok(Reply::Events(Page { items, total }))
    }

    /// Delivers behind whatever is pending and due; one delivery at a time. Looks at what is in memory only, so that it
    /// costs nothing where there is nothing.
    pub(super) fn deliver_behind(self: &Rc<Self>) {
        if self.delivering.get() || !self.has_delivery() {
            return;
        }
        self.delivering.set(true);
        let actor = Rc::clone(self);
        let deliveries = async move {
            let mut failed = None;
            while actor.has_delivery() {
                match actor.deliver().await {
                    Ok(fault) => failed = fault.or(failed),
                    // What fails of ours leaves the event due.
                    Err(_) => break,
                }
            }
            actor.delivering.set(false);
            failed.map(|fault| actor.undelivered(fault))
        };
        self.ports.spawn(deliveries.boxed_local());
    }

    /// Who is told of events, if anybody.
    fn webhook(&self) -> Option<&Webhook> {
        webhook::target(&self.settings).ok().flatten()
    }

    /// When the next event is to be told, if there is one and anybody wants it.
    pub(super) fn next_delivery(&self, record: &Record) -> Option<UnixSeconds> {
        record.outbox.retry_at.filter(|_| self.webhook().is_some())
    }

    /// Whether an event is due, and somebody wants it.
    fn has_delivery(&self) -> bool {
        let outbox = self.record.borrow().as_ref().map(|record| record.outbox).unwrap_or_default();
        outbox.retry_at.is_some() && outbox.is_due(self.ports.now()) && self.webhook().is_some()
    }

    /// One attempt to deliver the next event: why it failed, if it did.
    async fn deliver(&self) -> Result<Option<Fault>, PortError> {
        let (Some(mut record), Some(target)) = (self.stored()?, self.webhook()) else {
            return Ok(None);
        };
        let mut fault = None;
        let (next, now) = (record.outbox.delivered.saturating_add(1), self.ports.now());
        let stored = self.ports.events(next, 1)?;
        // One that cannot be read must not keep the others waiting.
        let outbox = match stored.first().and_then(|stored| Event::read(stored).ok()) {
            Some(event) => {
                let (at, link) = (event.at, self.link_of(&record, &event, now));
                let answer = self.ports.send(webhook::request(target, event, link, now)).await;
                // Deleted meanwhile, made anew, or crowded out by newer ones: then the answer is no news.
                record = match self.stored()? {
                    Some(record) if record.outbox.delivered < next && self.ports.events(next, 1)? == stored => record,
                    _ => return Ok(None),
                };
                fault = webhook::failure(&answer);
                webhook::after(record.outbox, &answer, at, self.ports.now(), random()?)
            }
            None => record.outbox.advanced(now),
        };
        Rc::make_mut(&mut record).outbox = outbox;
        self.store(record, &[Part::Outbox])?;
        self.publish().await?;
        Ok(fault)
    }
}
