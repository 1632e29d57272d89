//! Requests and replies of the directory.

use super::*;
use crate::{
    connection::{
        breaker::{Admission, Call, Outcome},
        directory::{DirectoryReply, DirectoryRequest, Due, Figures, Filter, Row, Tested},
        fault::Fault,
        key::ConnectionKey,
        rotation::SealedWith,
        sweep::SweepReport,
        ticks::{Tick, Ticks},
    },
    protocol::{
        page::{Page, PageQuery},
        time::{Seconds, UnixSeconds},
    },
};

/// A key.
fn key() -> ConnectionKey {
    ConnectionKey::parse("a.key").unwrap()
}

/// A call.
fn call() -> Call {
    Call { connection: key(), provider: text("login.example:8443"), integration: text("00ff") }
}

/// What a refused client is told.
fn refused() -> Fault {
    Fault::Refused { error: Some(text("invalid_client")), status: 401 }
}

/// A connection that is due.
fn due() -> Due {
    Due { at: UnixSeconds(1_600_000_000), key: key() }
}

/// A tick.
fn tick() -> Tick {
    let report = SweepReport { due: 300, renewed: 299, failed: 1, left: true, ..SweepReport::default() };
    Tick { began: UnixSeconds(1_700_000_000), took: Seconds(300), report, stopped_at: Some(due()) }
}

/// Rows with all there is and with nothing.
fn rows() -> [Row; 2] {
    let due = Some(UnixSeconds(u64::MAX));
    [
        Row { key: key(), name: text("é"), view: document(), due, sealed_with: SealedWith::stored("a b") },
        Row { key: key(), name: text(""), view: json!({}), due: None, sealed_with: SealedWith::default() },
    ]
}

/// Every request and reply.
pub(super) fn all() -> Vec<u8> {
    let [full, empty] = rows();
    let tested = [Tested::Failed, Tested::Passed, Tested::Untested];
    let filter =
        Filter { search: text("é"), disabled: Some(true), tested: Some(Tested::Untested), kinds: vec![text("saas")] };
    let query = PageQuery { page: 10_000_000, size: 100 };
    let requests = [
        DirectoryRequest::Put(full.clone()),
        DirectoryRequest::Put(empty),
        DirectoryRequest::Claim(full),
        DirectoryRequest::Remove(key()),
        DirectoryRequest::Page(query, filter),
        DirectoryRequest::Page(query, Filter::default()),
        DirectoryRequest::Due(UnixSeconds(1_700_000_000), None, u32::MAX),
        DirectoryRequest::Due(UnixSeconds(1_700_000_000), Some(due()), 500),
        DirectoryRequest::SealedOtherwise(text("a")),
        DirectoryRequest::SealedWith(SealedWith::stored("a b"), 50),
        DirectoryRequest::Template(text("kind")),
        DirectoryRequest::TemplateEntries,
        DirectoryRequest::PutTemplate(text("kind"), text("{}"), text("{\"é\":1}")),
        DirectoryRequest::RemoveTemplate(text("kind")),
        DirectoryRequest::Admit(call()),
        DirectoryRequest::Report(call(), Outcome::Worked),
        DirectoryRequest::Report(call(), Outcome::ProviderFailed(Fault::Busy)),
        DirectoryRequest::Report(call(), Outcome::CredentialsRefused(refused())),
        DirectoryRequest::Ticks,
        DirectoryRequest::Ticked(tick()),
        DirectoryRequest::Figures(UnixSeconds(1_700_000_000)),
    ];
    let replies = [
        DirectoryReply::Done,
        DirectoryReply::Whether(true),
        DirectoryReply::Page(Page { items: vec![document(), json!(1)], total: u32::MAX }),
        DirectoryReply::Page(Page { items: Vec::new(), total: 0 }),
        DirectoryReply::Keys(vec![key(), key()]),
        DirectoryReply::Counts(vec![(SealedWith::stored("a b"), 300), (SealedWith::default(), 0)]),
        DirectoryReply::Template(Some(text("{}"))),
        DirectoryReply::Template(None),
        DirectoryReply::Admission(Admission::Go { watched: true }),
        DirectoryReply::Admission(Admission::Wait { until: UnixSeconds(1_700_000_000), fault: refused() }),
        DirectoryReply::Due(vec![due(), due()]),
        DirectoryReply::Rows(2),
        DirectoryReply::Ticks(Ticks::default()),
        DirectoryReply::Ticks(Ticks::default().with(tick())),
        DirectoryReply::Figures(Figures::default()),
        DirectoryReply::Figures(Figures {
            states: vec![(text("good"), 300), (text(""), 1)],
            due: 2,
            open_breakers: [3, 4],
            ticks: Ticks::default(),
        }),
    ];
    [all_sent(&requests), all_sent(&replies), all_sent(&tested)].concat()
}
