//! The single writer of one connection: command in, reply out.
//!
//! Decides: what is stored before what, and that there is never more than one renewal under way: whoever needs a new
//! token while one is being fetched shares its result. (The runtime lets other requests in while a provider's answer is
//! awaited, so this must be explicit.) Leaves to others: whether a token is due (`refresh`), what is sent to a provider
//! (`token_exchange`), how parts are stored (the `RecordStore` port).

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use futures_util::{
    FutureExt,
    future::{LocalBoxFuture, Shared},
};
use serde_json::{Map, Value};

use super::{
    authorization::{self, Chance},
    command::{AuthorizationOutcome, Command, LiveToken, Refusal, Reply, SweepOutcome},
    definition::{Authentication, Definition},
    directory::Row,
    envelope::{Envelope, Place, Unopened, Vault},
    key::ConnectionKey,
    record::{Part, Pending, Profile, ProfileInput, Record},
    refresh::{Condition, Fault, Grant, ReadDecision, Renewal, next_look, on_read},
    state::STATE_LIFETIME,
    template::values::Values,
    token_exchange::{self, AnswerProblem, TokenAnswer},
};
use crate::{
    config::Settings,
    ports::{
        Background, Clock, Directory, PortError, ProviderFailure, ProviderHttp, ProviderRequest, RecordStore, random,
    },
    protocol::{secret::SecretText, time::UnixSeconds, validation::Issue},
};

/// Everything that one connection needs from outside.
pub trait ObjectPorts: Background + Clock + Directory + ProviderHttp + RecordStore + 'static {}

impl<P: Background + Clock + Directory + ProviderHttp + RecordStore + 'static> ObjectPorts for P {}

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

/// One connection.
pub struct Actor<P> {
    /// The deployment's settings.
    settings: Rc<Settings>,
    /// Who it is.
    key: ConnectionKey,
    /// Seals and opens its secrets.
    vault: Vault,
    /// The outside.
    ports: P,
    /// What is stored, as last read or written: nobody else writes it.
    record: RefCell<Option<Rc<Record>>>,
    /// The token that can be answered without looking at anything else, and until when.
    live: RefCell<Option<(LiveToken, UnixSeconds)>>,
    /// The renewal under way.
    flight: RefCell<Option<Flight>>,
    /// Grows whenever credentials change otherwise than by a renewal, so that a renewal under way notices.
    revision: Cell<u64>,
}

impl<P: ObjectPorts> Actor<P> {
    /// The actor of a key.
    #[must_use]
    pub fn new(settings: Rc<Settings>, key: ConnectionKey, ports: P) -> Rc<Self> {
        let vault = Vault::new(&settings.application_key, key.as_str());
        let (record, live, flight) = (RefCell::default(), RefCell::default(), RefCell::default());
        Rc::new(Self { settings, key, vault, ports, record, live, flight, revision: Cell::new(0) })
    }

    /// Carries a command out.
    ///
    /// # Errors
    /// 503 when storage, directory or randomness fail. What was stored until then stays, and the command can be repeated.
    pub async fn execute(self: &Rc<Self>, command: Command) -> Result<Reply, PortError> {
        let result = match command {
            Command::Save(input) => self.save(input).await,
            Command::Read => self.read(),
            Command::Delete => self.delete().await,
            Command::PutDefinition(document) => self.put_definition(document).await,
            Command::ReadDefinition => self.read_definition(),
            Command::PutSecrets(secrets) => self.put_secrets(&secrets).await,
            Command::BeginAuthorization => self.begin(),
            Command::CompleteAuthorization { state, outcome } => self.complete(&SecretText::new(state), outcome).await,
            Command::AccessToken => self.access_token().await,
            Command::RenewIfDue => self.renew_if_due().await,
        };
        match result {
            Ok(reply) => Ok(reply),
            Err(Stop::Refused(refusal)) => Ok(Reply::Refused(refusal)),
            Err(Stop::Broken(error)) => Err(error),
        }
    }

    /// Creates the connection, or changes what the operator says about it.
    async fn save(&self, input: ProfileInput) -> Result<Reply, Stop> {
        let now = self.ports.now();
        let record = match self.stored()? {
            Some(record) => {
                let profile = Profile { input, updated_at: now, ..record.profile.clone() };
                Record { profile, ..(*record).clone() }
            }
            None => Record::new(Profile { key: self.key.clone(), input, created_at: now, updated_at: now }),
        };
        let record = self.store(record, &[Part::Profile])?;
        self.publish(&record).await?;
        self.shown(&record)
    }

    /// Shows it.
    fn read(&self) -> Result<Reply, Stop> {
        self.shown(&*self.existing()?)
    }

    /// Forgets it. The truth goes first: should the directory fail, the same command again finishes the work.
    async fn delete(&self) -> Result<Reply, Stop> {
        let existed = self.stored()?.is_some();
        if existed {
            self.ports.clear()?;
            self.record.take();
            self.live.take();
            self.revision.set(self.revision.get() + 1);
        }
        let listed = self.ports.remove(&self.key).await?;
        if existed || listed { Ok(Reply::Done) } else { Err(Refusal::NoConnection.into()) }
    }

    /// Replaces its definition.
    async fn put_definition(&self, document: Value) -> Result<Reply, Stop> {
        let record = self.existing()?;
        let definition = Rc::new(Definition::from_document(document).map_err(Refusal::Invalid)?);
        refuse(definition.check_hosts(&authorization::policy(&self.settings)))?;
        let mut record = (*record).clone();
        record.definition = Some(Rc::clone(&definition));
        record.profile.updated_at = self.ports.now();
        self.revision.set(self.revision.get() + 1);
        let record = self.store(record, &[Part::Profile, Part::Definition])?;
        self.publish(&record).await?;
        Ok(Reply::Definition(definition.document().clone()))
    }

    /// Shows its definition.
    fn read_definition(&self) -> Result<Reply, Stop> {
        let record = self.existing()?;
        let definition = record.definition.as_ref().ok_or(Refusal::NoDefinition)?;
        Ok(Reply::Definition(definition.document().clone()))
    }

    /// Replaces its secrets. Tokens that were got with the old ones go with them, as in Fides.
    async fn put_secrets(&self, secrets: &Map<String, Value>) -> Result<Reply, Stop> {
        let record = self.existing()?;
        let definition = record.definition.as_ref().ok_or(Refusal::NoDefinition)?;
        let secrets = self.checked_secrets(definition, secrets)?;
        refuse(definition.check_secret_hosts(&secrets, &authorization::policy(&self.settings)))?;
        let text = serde_json::to_string(&secrets).map_err(|error| PortError(format!("secrets: {error}")))?;
        let mut record = (*record).clone();
        record.secrets = Some(self.seal("secrets", 0, &SecretText::new(text))?);
        (record.grant, record.pending, record.condition) = (None, None, Condition::default());
        record.profile.updated_at = self.ports.now();
        self.revision.set(self.revision.get() + 1);
        let record =
            self.store(record, &[Part::Profile, Part::Secrets, Part::Grant, Part::Pending, Part::Condition])?;
        self.publish(&record).await?;
        Ok(Reply::Done)
    }

    /// Secrets as the definition wants them, defaults filled in. A redirect URI that is not given is our own callback, and
    /// stays that when `PUBLIC_URL` changes.
    fn checked_secrets(
        &self,
        definition: &Definition,
        given: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Refusal> {
        /// The one secret that has a default of ours.
        const NAME: &str = "redirect_uri";
        let mut completed = given.clone();
        let own = !completed.contains_key(NAME);
        if own {
            completed.insert(NAME.to_owned(), self.settings.public_url.callback().into());
        }
        let mut secrets = definition.check_secrets(&completed).map_err(Refusal::Invalid)?;
        if own {
            secrets.remove(NAME);
        }
        Ok(secrets)
    }

    /// Begins an authorization; a second one replaces the first.
    fn begin(&self) -> Result<Reply, Stop> {
        let record = self.existing()?;
        let (definition, secrets) = self.ready(&record, true)?;
        let chance = Chance { state: random()?, verifier: random()? };
        let begun = authorization::begin(&self.settings, &self.key, &definition, &secrets, &chance)?;
        let seal = |verifier: &SecretText| self.seal("code_verifier", 0, verifier);
        let pending = Pending {
            state: begun.state.digest(),
            expires_at: self.ports.now().plus(STATE_LIFETIME),
            code_verifier: begun.verifier.as_ref().map(seal).transpose()?,
        };
        let record = Record { pending: Some(pending), ..(*record).clone() };
        self.store(record, &[Part::Pending])?;
        Ok(Reply::AuthorizationUrl(begun.url.into()))
    }

    /// Finishes an authorization: the state is used up before the provider hears anything (RFC 9700 §4.5).
    async fn complete(&self, state: &SecretText, outcome: AuthorizationOutcome) -> Result<Reply, Stop> {
        let Some(record) = self.stored()? else { return Err(Refusal::UnknownState.into()) };
        let pending = authorization::judge(record.pending.as_ref(), state, self.ports.now())?;
        let verifier = pending.code_verifier.as_ref();
        let verifier = verifier.map(|sealed| self.open("code_verifier", 0, sealed)).transpose()?;
        let used = Record { pending: None, ..(*record).clone() };
        let record = self.store(used, &[Part::Pending])?;
        let code = match outcome {
            AuthorizationOutcome::Code(code) => SecretText::new(code),
            AuthorizationOutcome::Refused(error) => return Err(Refusal::AuthorizationRefused(error).into()),
        };
        let (definition, secrets) = self.ready(&record, true)?;
        let redirect_uri = SecretText::new(self.settings.public_url.callback());
        let mut values = Values::new().with("redirect_uri", &redirect_uri).with_all(&secrets).with("code", &code);
        if let Some(verifier) = &verifier {
            values = values.with("code_verifier", verifier);
        }
        let request = token_exchange::token_request(&definition, &values, &authorization::policy(&self.settings))
            .map_err(|problem| Refusal::NotSendable(problem.to_string()))?;
        let before = self.revision.get();
        let answer = self.exchange(&definition, request).await.map_err(|fault| match fault {
            Fault::Refused { error } => Refusal::CodeRefused(error),
            other => Refusal::Provider(other),
        })?;
        if self.revision.get() != before {
            return Err(Refusal::UnknownState.into());
        }
        self.revision.set(before + 1);
        self.keep(&answer, None)?;
        self.publish(&*self.existing()?).await?;
        Ok(Reply::Done)
    }

    /// Gives the live access token.
    async fn access_token(self: &Rc<Self>) -> Result<Reply, Stop> {
        let now = self.ports.now();
        if let Some((token, until)) = &*self.live.borrow()
            && now < *until
        {
            return Ok(Reply::Token(token.clone()));
        }
        let record = self.existing()?;
        let renewal = renewal_of(&record)?;
        match on_read(record.grant.as_ref(), &record.condition, renewal, self.settings.refresh_lead, now) {
            ReadDecision::Serve => Ok(Reply::Token(self.live_token(&record)?)),
            ReadDecision::ServeAndRenew => {
                drop(self.renewal());
                Ok(Reply::Token(self.live_token(&record)?))
            }
            ReadDecision::Renew => self.renewal().await.map(Reply::Token),
            ReadDecision::BackingOff(fault) => Err(Refusal::Provider(fault).into()),
            ReadDecision::NeedsAuthorization => Err(Refusal::NeedsAuthorization.into()),
        }
    }

    /// The sweep's command. Also repairs a directory row that fell behind.
    async fn renew_if_due(self: &Rc<Self>) -> Result<Reply, Stop> {
        let Some(record) = self.stored()? else {
            self.ports.remove(&self.key).await?;
            return Ok(Reply::Sweep(SweepOutcome::Gone));
        };
        let renewal = renewal_of(&record).unwrap_or(Renewal::Impossible);
        let (now, lead) = (self.ports.now(), self.settings.refresh_lead);
        let decision = on_read(record.grant.as_ref(), &record.condition, renewal, lead, now);
        let outcome = match decision {
            ReadDecision::ServeAndRenew | ReadDecision::Renew => match self.renewal().await {
                Ok(_) => SweepOutcome::Renewed,
                Err(Stop::Refused(Refusal::NeedsAuthorization)) => SweepOutcome::NeedsAuthorization,
                Err(Stop::Refused(_)) => SweepOutcome::Failed,
                Err(Stop::Broken(error)) => return Err(error.into()),
            },
            ReadDecision::Serve | ReadDecision::BackingOff(_) | ReadDecision::NeedsAuthorization => {
                self.publish(&record).await?;
                SweepOutcome::NotDue
            }
        };
        Ok(Reply::Sweep(outcome))
    }

    /// The one renewal under way; begins it when there is none. It goes on when nobody waits for it any more.
    fn renewal(self: &Rc<Self>) -> Flight {
        if let Some(flight) = &*self.flight.borrow() {
            return flight.clone();
        }
        let actor = Rc::clone(self);
        let flight = async move {
            let renewed = actor.renew().await;
            actor.flight.take();
            renewed
        };
        let flight = flight.boxed_local().shared();
        self.flight.replace(Some(flight.clone()));
        self.ports.spawn(flight.clone().map(drop).boxed_local());
        flight
    }

    /// One renewal: ask the provider, store the answer, then answer.
    async fn renew(&self) -> Result<LiveToken, Stop> {
        let record = self.existing()?;
        let renewal = renewal_of(&record)?;
        let before = self.revision.get();
        let answer = match self.renewal_request(&record, renewal) {
            Ok((definition, request)) => self.exchange(&definition, request).await,
            Err(Stop::Refused(_)) => Err(Fault::NotSendable),
            Err(broken) => return Err(broken),
        };
        let record = self.existing()?;
        if self.revision.get() != before {
            // Credentials were replaced meanwhile: what came back belongs to the old ones.
            return Err(Refusal::NeedsAuthorization.into());
        }
        let result = match answer {
            Ok(answer) => self.keep(&answer, record.grant.as_ref()),
            Err(fault) => {
                let condition = record.condition.after(fault.clone(), renewal, self.ports.now());
                let needs_authorization = condition.needs_authorization;
                let record = Record { condition, ..(*record).clone() };
                self.store(record, &[Part::Condition])?;
                Err(if needs_authorization { Refusal::NeedsAuthorization } else { Refusal::Provider(fault) }.into())
            }
        };
        // Should this fail, the row stays due and the sweep repairs it.
        let _ = self.publish(&*self.existing()?).await;
        result
    }

    /// The request that renews.
    fn renewal_request(&self, record: &Record, renewal: Renewal) -> Result<(Rc<Definition>, ProviderRequest), Stop> {
        let (definition, secrets) = self.ready(record, false)?;
        let grant = record.grant.as_ref();
        let refresh_token = grant
            .and_then(|grant| grant.refresh_token.as_ref().map(|sealed| (grant.refresh_token_generation, sealed)))
            .map(|(generation, sealed)| self.open("refresh_token", generation, sealed))
            .transpose()?;
        let access_token =
            grant.map(|grant| self.open("access_token", grant.generation, &grant.access_token)).transpose()?;
        let redirect_uri = SecretText::new(self.settings.public_url.callback());
        let mut values = Values::new().with("redirect_uri", &redirect_uri).with_all(&secrets);
        for (name, token) in [("refresh_token", &refresh_token), ("access_token", &access_token)] {
            if let Some(token) = token {
                values = values.with(name, token);
            }
        }
        let policy = authorization::policy(&self.settings);
        let request = match renewal {
            Renewal::ByRefreshToken => token_exchange::refresh_request(&definition, &values, &policy),
            Renewal::ByClientCredentials | Renewal::Impossible => {
                token_exchange::token_request(&definition, &values, &policy)
            }
        };
        let request = request.map_err(|problem| Refusal::NotSendable(problem.to_string()))?;
        Ok((definition, request))
    }

    /// Sends a request and reads the answer.
    async fn exchange(&self, definition: &Definition, request: ProviderRequest) -> Result<TokenAnswer, Fault> {
        let response = self.ports.send(request).await.map_err(|failure| match failure {
            ProviderFailure::Unreachable => Fault::Unreachable,
            ProviderFailure::TimedOut => Fault::TimedOut,
            ProviderFailure::TooLarge => Fault::Unreadable,
        })?;
        let assumed = definition.authentication().and_then(Authentication::expires_in);
        token_exchange::read_answer(&response, self.ports.now(), assumed).map_err(|problem| match problem {
            AnswerProblem::Refused { error, .. } => Fault::Refused { error: error.map(|code| code.to_string()) },
            AnswerProblem::TooManyRequests { .. } => Fault::Busy,
            AnswerProblem::Failed { .. } => Fault::Failed,
            AnswerProblem::Redirected { .. }
            | AnswerProblem::Html
            | AnswerProblem::NotUnderstood
            | AnswerProblem::TooLarge
            | AnswerProblem::NoAccessToken
            | AnswerProblem::UnusableToken { .. }
            | AnswerProblem::UnsupportedTokenType
            | AnswerProblem::BadLifetime => Fault::Unreadable,
        })
    }

    /// Stores an answer of the provider. A refresh token that is not replaced stays (RFC 6749 §6).
    fn keep(&self, answer: &TokenAnswer, former: Option<&Grant>) -> Result<LiveToken, Stop> {
        let record = self.existing()?;
        let generation = record.grant.as_ref().map_or(1, |grant| grant.generation + 1);
        let refresh_token = match &answer.refresh_token {
            Some(token) => Some((self.seal("refresh_token", generation, token)?, generation)),
            None => former.and_then(|former| {
                former.refresh_token.clone().map(|envelope| (envelope, former.refresh_token_generation))
            }),
        };
        let (refresh_token, refresh_token_generation) =
            refresh_token.map_or((None, 0), |(envelope, generation)| (Some(envelope), generation));
        let grant = Grant {
            generation,
            access_token: self.seal("access_token", generation, &answer.access_token)?,
            token_type: answer.token_type.clone().unwrap_or_else(|| "Bearer".to_owned()),
            refresh_token,
            refresh_token_generation,
            obtained_at: self.ports.now(),
            expires_at: answer.expires_at,
            scope: answer.scope.clone(),
        };
        let recovered = record.condition != Condition::default();
        let record = Record { grant: Some(grant), condition: Condition::default(), ..(*record).clone() };
        let parts: &[Part] = if recovered { &[Part::Grant, Part::Condition] } else { &[Part::Grant] };
        let record = self.store(record, parts)?;
        self.live_token(&record)
    }

    /// The stored token in clear; remembered until it is due.
    fn live_token(&self, record: &Record) -> Result<LiveToken, Stop> {
        let grant = record.grant.as_ref().ok_or(Refusal::NeedsAuthorization)?;
        let access_token = self.open("access_token", grant.generation, &grant.access_token)?;
        let token = LiveToken {
            access_token: access_token.expose().to_owned(),
            token_type: grant.token_type.clone(),
            expires_at: grant.expires_at,
        };
        self.live.replace(Some((token.clone(), grant.due_at(self.settings.refresh_lead))));
        Ok(token)
    }

    /// Definition and secrets, when the connection has what its strategy needs.
    fn ready(&self, record: &Record, by_code: bool) -> Result<(Rc<Definition>, Map<String, Value>), Stop> {
        let definition = record.definition.as_ref().ok_or(Refusal::NoDefinition)?;
        let authentication = definition.authentication().ok_or(Refusal::NoAuthentication)?;
        if by_code && !matches!(authentication, Authentication::AuthorizationCode(_)) {
            return Err(Refusal::NotAuthorizationCode.into());
        }
        let secrets = self.secrets(record)?;
        // `redirect_uri` has a default: our own callback.
        let redirect_uri = SecretText::new(self.settings.public_url.callback());
        let values = Values::new().with("redirect_uri", &redirect_uri).with_all(&secrets);
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
        let secrets = serde_json::from_slice(text.expose().as_bytes())
            .map_err(|_| PortError("secrets are no object".to_owned()))?;
        Ok(secrets)
    }

    /// The connection as the API shows it.
    fn shown(&self, record: &Record) -> Result<Reply, Stop> {
        let secrets = record.secrets.as_ref().map(|_| self.secrets(record)).transpose()?;
        Ok(Reply::Connection(record.view(secrets.as_ref())))
    }

    /// Tells the directory. Its row holds no secret, not even a masked one.
    async fn publish(&self, record: &Record) -> Result<(), PortError> {
        let renewal = renewal_of(record).unwrap_or(Renewal::Impossible);
        let due = next_look(record.grant.as_ref(), &record.condition, renewal, self.settings.refresh_lead);
        let name = record.profile.input.name.clone().unwrap_or_else(|| self.key.to_string());
        self.ports.put(Row { key: self.key.clone(), name, view: record.view(None), due }).await
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

    /// Stores parts of a new record. Afterwards memory says what storage says, also when storing failed.
    fn store(&self, record: Record, parts: &[Part]) -> Result<Rc<Record>, PortError> {
        self.record.take();
        self.live.take();
        let stored: Result<Vec<_>, _> = parts.iter().map(|part| record.stored(*part)).collect();
        self.ports.write(&stored?)?;
        let record = Rc::new(record);
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

/// A refusal, if anything is wrong.
fn refuse(issues: Vec<Issue>) -> Result<(), Refusal> {
    if issues.is_empty() { Ok(()) } else { Err(Refusal::Invalid(issues)) }
}

/// How a connection can get a new token without a person.
fn renewal_of(record: &Record) -> Result<Renewal, Refusal> {
    let definition = record.definition.as_ref().ok_or(Refusal::NoDefinition)?;
    match definition.authentication() {
        None => Err(Refusal::NoAuthentication),
        Some(Authentication::Direct(_)) => Err(Refusal::NotOauth),
        Some(Authentication::ClientCredentials(flow)) => {
            let refresh_token = record.grant.as_ref().is_some_and(|grant| grant.refresh_token.is_some());
            let by_refresh_token = flow.refresh_request.is_some() && refresh_token;
            Ok(if by_refresh_token { Renewal::ByRefreshToken } else { Renewal::ByClientCredentials })
        }
        Some(Authentication::AuthorizationCode(flow)) => {
            let refresh_token = record.grant.as_ref().is_some_and(|grant| grant.refresh_token.is_some());
            let possible = flow.refresh_request.is_some() && refresh_token;
            Ok(if possible { Renewal::ByRefreshToken } else { Renewal::Impossible })
        }
    }
}
