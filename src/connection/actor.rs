//! The single writer of one connection: command in, reply out.
//!
//! Decides: what is stored before what, and that there is never more than one renewal under way: whoever needs a new
//! token while one is being fetched shares its result. (The runtime lets other requests in while a provider's answer is
//! awaited, so this must be explicit.) Leaves to others: whether a token is due (`refresh`), what is sent to a provider
//! (`token_exchange`), how parts are stored (the `RecordStore` port).

mod authorizing;
mod delivery;
mod documents;
mod instantiating;
mod keeping;
mod listing;
mod reading;
pub mod renewal;
mod reseal;
mod testing;
mod withdrawal;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use futures_util::future::{LocalBoxFuture, Shared};
use serde_json::{Map, Value};

use self::{reading::Remembered, renewal::Unsaved};
use super::{
    command::{Command, LiveToken, Refusal, Reply, Revocation},
    definition::Definition,
    envelope::{Envelope, Place, Unopened, Vault},
    fault::Fault,
    key::ConnectionKey,
    outbound::OutboundPolicy,
    profile::{Profile, ProfileInput},
    record::{Part, Record},
    secrets::Extent,
    template::values::Values,
    token_exchange::{self, AnswerProblem, RequestProblem},
};
use crate::{
    config::Settings,
    ports::{
        Alarm, Background, Breakers, Clock, Directory, EventStore, HistoryStore, PortError, ProviderHttp, RecordStore,
        random,
    },
    protocol::{json, secret::SecretText, time::UnixSeconds},
};

/// Everything that one connection needs from outside.
pub trait ObjectPorts:
    Alarm + Background + Breakers + Clock + Directory + EventStore + HistoryStore + ProviderHttp + RecordStore + 'static
{
}

impl<P> ObjectPorts for P where
    P: Alarm
        + Background
        + Breakers
        + Clock
        + Directory
        + EventStore
        + HistoryStore
        + ProviderHttp
        + RecordStore
        + 'static
{
}

/// Why a command stops.
#[derive(Debug, Clone)]
enum Stop {
    /// The connection refuses.
    Refused(Refusal),
    /// A part of the service failed.
    Broken(PortError),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<RequestProblem> for Stop {
    fn from(problem: RequestProblem) -> Self {
        Self::Refused(problem.into())
    }
}

impl From<PortError> for Stop {
    fn from(error: PortError) -> Self {
        Self::Broken(error)
    }
}

impl From<Unopened> for Stop {
    fn from(error: Unopened) -> Self {
        Self::Broken(PortError(error.to_string()))
    }
}

/// A renewal under way, to be awaited by anybody.
type Flight = Shared<LocalBoxFuture<'static, Result<LiveToken, Stop>>>;

/// The end of a grant under way, to be awaited by anybody.
type Withdrawal = Shared<LocalBoxFuture<'static, Result<Revocation, Stop>>>;

/// Parts of a record as they are stored, by name.
type StoredParts = [(&'static str, String)];

/// One connection.
pub struct Actor<P> {
    /// The deployment's settings.
    settings: Rc<Settings>,
    /// Who it is.
    key: ConnectionKey,
    /// Seals and opens its secrets.
    vault: Vault,
    /// Whom this deployment may talk to.
    policy: OutboundPolicy,
    /// Where providers send browsers back.
    callback: SecretText,
    /// The outside.
    ports: P,
    /// What is stored, as last read or written: nobody else writes it.
    record: RefCell<Option<Rc<Record>>>,
    /// The token that can be answered without looking at anything else.
    live: RefCell<Option<Remembered>>,
    /// The renewal under way, and the revision of the credentials that it uses.
    flight: RefCell<Option<(u64, Flight)>>,
    /// An answer that could not be stored: stored before the provider is asked again.
    unsaved: RefCell<Option<Unsaved>>,
    /// Until when a provider that others found closed is not asked, and why.
    paused: RefCell<Option<(UnixSeconds, Fault)>>,
    /// When the alarm is set to ring.
    alarm: Cell<Option<UnixSeconds>>,
    /// The first of the ordered credentials that the last renewal had no time for; none of them: 0, the first.
    untried: Cell<usize>,
    /// What was wrong with the last answer that gave no tokens, for the log.
    problem: RefCell<Option<AnswerProblem>>,
    /// Rows written since a renewal was last told of: of this connection, of the directory.
    rows: Cell<(u32, u32)>,
    /// Grows whenever credentials change otherwise than by a renewal, so that a renewal under way notices.
    revision: Cell<u64>,
    /// The end of the grant under way.
    withdrawal: RefCell<Option<Withdrawal>>,
    /// Whether the connection is to be forgotten with its grant.
    is_doomed: Cell<bool>,
    /// Whether events are being delivered.
    delivering: Cell<bool>,
    /// When a token was last renewed since a caller reported it.
    reported_at: Cell<Option<UnixSeconds>>,
}

impl<P: ObjectPorts> Actor<P> {
    /// The actor of a key.
    #[must_use]
    pub fn new(settings: Rc<Settings>, key: ConnectionKey, ports: P) -> Rc<Self> {
        let vault = Vault::new(&settings, key.as_str());
        let callback = SecretText::new(settings.public_url.callback());
        Rc::new(Self {
            policy: OutboundPolicy::of(&settings),
            settings,
            key,
            vault,
            callback,
            ports,
            record: RefCell::default(),
            live: RefCell::default(),
            flight: RefCell::default(),
            unsaved: RefCell::default(),
            paused: RefCell::default(),
            alarm: Cell::default(),
            untried: Cell::default(),
            problem: RefCell::default(),
            rows: Cell::default(),
            revision: Cell::default(),
            withdrawal: RefCell::default(),
            is_doomed: Cell::default(),
            delivering: Cell::default(),
            reported_at: Cell::default(),
        })
    }

    /// Carries a command out.
    ///
    /// # Errors
    /// 503 when storage, directory or randomness fail. What was stored until then stays, and the command can be
    /// repeated.
    pub async fn execute(self: &Rc<Self>, command: Command) -> Result<Reply, PortError> {
        let result = match command {
            Command::Save(input) => self.save(input).await,
            Command::Make(input, document, secrets, former) => self.make(input, document, &secrets, former).await,
            Command::Read => self.read(),
            Command::Delete => self.delete().await,
            Command::PutDefinition(document) => self.put_definition(document).await,
            Command::ReadDefinition => self.read_definition(),
            Command::DeleteDefinition => self.delete_definition().await,
            Command::ReadHistory => self.read_history(),
            Command::ReadSnapshot(version) => self.read_snapshot(&version),
            Command::PutSecrets(secrets) => self.save_secrets(&secrets, Extent::Whole).await,
            Command::PatchSecrets(secrets) => self.save_secrets(&secrets, Extent::Part).await,
            Command::BeginAuthorization(return_to) => self.begin_unbound(return_to).await,
            Command::MakeLink(return_to) => self.make_link(return_to).await,
            Command::ReadLink(token) => self.read_link(&SecretText::new(token)),
            Command::FollowLink(token, browser) => self.follow_link(&SecretText::new(token), browser).await,
            Command::CompleteAuthorization(back) => self.complete(back).await,
            Command::AccessToken => self.access_token().await,
            Command::RenewIfDue => self.renew_if_due().await,
            Command::Test => self.test().await,
            Command::Reseal => self.reseal().await,
            Command::Revoke => self.revoke().await,
            Command::Report(sha256) => self.reported(&sha256).await,
            Command::ReadEvents(query) => self.read_events(query),
        };
        self.deliver_behind();
        match result {
            Ok(reply) => Ok(reply),
            Err(Stop::Refused(refusal)) => Ok(Reply::Refused(refusal)),
            Err(Stop::Broken(error)) => Err(error),
        }
    }

    /// Creates the connection, or changes what the operator says about it.
    async fn save(&self, input: ProfileInput) -> Result<Reply, Stop> {
        let former = self.stored()?;
        let profile =
            Profile::saved(&self.key, input, former.as_deref().map(|record| &record.profile), self.ports.now());
        let record = match former {
            Some(mut record) => {
                Rc::make_mut(&mut record).profile = profile;
                record
            }
            None => Rc::new(Record::new(profile)),
        };
        let record = self.store(record, &[Part::Profile])?;
        self.publish().await?;
        self.shown(&record)
    }

    /// Shows it.
    fn read(&self) -> Result<Reply, Stop> {
        self.shown(&*self.existing()?)
    }

    /// Definition and secrets, when the connection has what its strategy needs.
    fn ready(&self, record: &Record, by_code: bool) -> Result<(Rc<Definition>, Map<String, Value>), Stop> {
        let definition = record.definition.as_ref().ok_or(Refusal::NoDefinition)?;
        definition.authentication().ok_or(Refusal::NoAuthentication)?;
        if by_code && !definition.is_by_code() {
            return Err(Refusal::NotAuthorizationCode.into());
        }
        let secrets = self.secrets(record)?;
        // `redirect_uri` has a default: our own callback.
        let values = Values::new().with("redirect_uri", &self.callback).with_all(&secrets);
        let missing = token_exchange::missing_secrets(definition, &values);
        if missing.is_empty() {
            Ok((Rc::clone(definition), secrets))
        } else {
            Err(Refusal::MissingSecrets(missing.into_iter().map(str::to_owned).collect()).into())
        }
    }

    /// The secrets in clear.
    fn secrets(&self, record: &Record) -> Result<Map<String, Value>, Stop> {
        let Some(envelope) = &record.secrets else { return Ok(Map::new()) };
        let text = self.open("secrets", 0, envelope)?;
        let secrets =
            json::read(text.expose().as_bytes()).map_err(|_| PortError("secrets are no object".to_owned()))?;
        Ok(secrets)
    }

    /// The connection as the API shows it.
    fn shown(&self, record: &Record) -> Result<Reply, Stop> {
        let secrets = record.secrets.as_ref().map(|_| self.secrets(record)).transpose()?;
        let mut view = self.view(record, secrets.as_ref());
        if let (Some(definition), Some(grant), Some(secrets)) = (&record.definition, &record.grant, &secrets) {
            let requested = token_exchange::requested_scope(definition, &Values::new().with_all(secrets));
            let missing = requested.as_ref().map(|requested| grant.lacks(requested.expose())).unwrap_or_default();
            if let (Some(view), false) = (view.as_object_mut(), missing.is_empty()) {
                view.insert("missing_scopes".to_owned(), missing.into());
            }
        }
        Ok(Reply::Connection(view))
    }

    /// The public view, with how its tokens are.
    fn view(&self, record: &Record, secrets: Option<&Map<String, Value>>) -> Value {
        let mut view = record.view(secrets);
        if let Some(members) = view.as_object_mut() {
            members.insert("refresh".to_owned(), record.refresh_view(self.next_renewal(record)));
        }
        view
    }

    /// What is stored.
    fn stored(&self) -> Result<Option<Rc<Record>>, PortError> {
        if let Some(record) = &*self.record.borrow() {
            return Ok(Some(Rc::clone(record)));
        }
        let record = Record::load(&self.ports)?.map(Rc::new);
        self.record.replace(record.clone());
        Ok(record)
    }

    /// What is stored, or a refusal.
    fn existing(&self) -> Result<Rc<Record>, Stop> {
        Ok(self.stored()?.ok_or(Refusal::NoConnection)?)
    }

    /// Stores parts of a new record.
    fn store(&self, record: Rc<Record>, parts: &[Part]) -> Result<Rc<Record>, PortError> {
        self.store_by(record, parts, &|stored| self.ports.write(stored))
    }

    /// Stores parts of a new record in some way, and with them the event of the change, if it is one: all or nothing.
    /// Afterwards memory says what storage says, also when storing failed.
    fn store_by(
        &self,
        mut record: Rc<Record>,
        parts: &[Part],
        write: &dyn Fn(&StoredParts) -> Result<u32, PortError>,
    ) -> Result<Rc<Record>, PortError> {
        let (former, mut parts) = (self.stored()?, parts.to_vec());
        let event = self.note(former.as_deref(), &mut record, &mut parts)?;
        self.record.take();
        self.live.take();
        // A breaker stands for these: whatever else is written, the provider is as it was.
        if parts.iter().any(|part| matches!(part, Part::Definition | Part::Secrets | Part::Grant)) {
            self.paused.take();
        }
        let stored = parts.iter().map(|part| record.stored(*part)).collect::<Result<Vec<_>, _>>()?;
        let rows = match event {
            None => write(&stored)?,
            Some(event) => self.ports.write_with_event(&mut || write(&stored), record.outbox.last, &event)?,
        };
        self.count(rows, 0);
        self.record.replace(Some(Rc::clone(&record)));
        Ok(record)
    }

    /// Seals a field with a fresh nonce.
    fn seal(&self, field: &str, generation: u64, text: &SecretText) -> Result<Envelope, Stop> {
        Ok(self.vault.seal(Place { field, generation }, text, random()?)?)
    }

    /// Opens a field.
    fn open(&self, field: &str, generation: u64, envelope: &Envelope) -> Result<SecretText, Stop> {
        Ok(self.vault.open(Place { field, generation }, envelope)?)
    }
}
