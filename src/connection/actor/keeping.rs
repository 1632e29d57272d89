//! What a provider answered, kept; and what is kept, opened.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::{Actor, ObjectPorts, Stop};
use crate::{
    connection::{
        command::{LiveToken, Refusal},
        definition::Definition,
        envelope::Envelope,
        fault::Fault,
        grant::Grant,
        record::{Part, Record},
        refresh::Condition,
        secrets,
        template::values::Values,
        token_exchange::{self, RequestProblem, TokenAnswer, kept::Kept},
    },
    ports::{PortError, ProviderRequest, random},
    protocol::{json, secret::SecretText, time::Seconds},
};

/// So long after the first of the ordered credentials was sent, no further one is. With the ten seconds that its answer
/// may take, and ten more for the request that the token is for (a test, a revocation), that is less than a caller
/// waits for an object (25 s), and than a breaker waits for who went to try.
const SEQUENCE: Seconds = Seconds(4);

/// What is stored of a provider's answer, in clear: tokens by their names in templates, and what else is kept.
pub(super) type Held = (Vec<(&'static str, SecretText)>, Kept);

/// Why an exchange failed, and how long the provider wants to be left alone.
pub(super) type Failed = (Fault, Option<Seconds>);

impl<P: ObjectPorts> Actor<P> {
    /// What the provider gave; nothing where there is no grant.
    pub(super) fn held_tokens(&self, record: &Record) -> Result<Held, Stop> {
        let Some(grant) = &record.grant else { return Ok(Held::default()) };
        let mut tokens = vec![("access_token", self.open("access_token", grant.generation, &grant.access_token)?)];
        if let Some(sealed) = &grant.refresh_token {
            tokens.push(("refresh_token", self.open("refresh_token", grant.refresh_token_generation, sealed)?));
        }
        Ok((tokens, self.open_kept(grant)?))
    }

    /// Sends a request with the first of the ordered credentials, and with the next one when the provider refuses the
    /// client. When the time for that is over, the last refusal is what is said, and the next time begins with those
    /// that are left.
    pub(super) async fn exchange_in_order(
        &self,
        definition: &Definition,
        mut requests: Vec<(u8, ProviderRequest)>,
    ) -> Result<(TokenAnswer, u8), Failed> {
        let (mut failed, began_at) = ((Fault::NotSendable, None), self.ports.now());
        let (all, first) = (requests.len(), self.untried.take());
        requests.rotate_left(first.min(all));
        for (place, (credentials, request)) in (first..).zip(requests) {
            if self.ports.now().since(began_at) >= SEQUENCE {
                self.untried.set(place % all);
                break;
            }
            match self.exchange(definition, request).await {
                Ok(answer) => return Ok((answer, credentials)),
                Err(other) if other.0.refuses_client(&definition.token_rules().faults) => failed = other,
                Err(other) => return Err(other),
            }
        }
        Err(failed)
    }

    /// Sends a request and reads the answer.
    async fn exchange(&self, definition: &Definition, request: ProviderRequest) -> Result<TokenAnswer, Failed> {
        self.problem.take();
        // A token's life begins when the provider makes it, which may be any moment from now on.
        let asked_at = self.ports.now();
        let response = self.ports.send(request).await.map_err(|failure| (failure.into(), None))?;
        let answer = token_exchange::read_answer(&response, asked_at, definition.token_rules());
        answer.map_err(|problem| {
            self.problem.replace(Some(problem.clone()));
            (problem.into(), token_exchange::retry_after(&response, self.ports.now()))
        })
    }

    /// Stores an answer of the provider. A refresh token that is not replaced stays (RFC 6749 §6).
    pub(super) fn keep(
        &self,
        answer: &TokenAnswer,
        credentials: u8,
        former: Option<&Grant>,
    ) -> Result<LiveToken, Stop> {
        let mut record = self.existing()?;
        let generation = record.grant.as_ref().map_or(1, |grant| grant.generation + 1);
        let refresh_token = match &answer.refresh_token {
            Some(token) => Some((self.seal("refresh_token", generation, token)?, generation)),
            None => former.and_then(|former| {
                former.refresh_token.clone().map(|envelope| (envelope, former.refresh_token_generation))
            }),
        };
        let former_token =
            former.map(|former| self.open("access_token", former.generation, &former.access_token)).transpose()?;
        let former_kept = former.map(|former| self.open_kept(former)).transpose()?.unwrap_or_default();
        let rules = record.definition.as_ref().map(|definition| definition.token_rules());
        let kept = answer.kept.clone().over(former_kept, rules.map_or(&[][..], |rules| &rules.keep));
        let (refresh_token, refresh_token_generation) =
            refresh_token.map_or((None, 0), |(envelope, generation)| (Some(envelope), generation));
        let [jitter] = random()?;
        let grant = Grant {
            generation,
            access_token: self.seal("access_token", generation, &answer.access_token)?,
            token_type: answer.token_type.clone().unwrap_or_else(|| "Bearer".to_owned()),
            refresh_token,
            refresh_token_generation,
            obtained_at: self.ports.now(),
            expires_at: answer.expires_at,
            scope: answer.scope.clone(),
            kept: self.seal_kept(&kept, generation)?,
            jitter,
            repeated: former_token.is_some_and(|former| former.digest().matches(&answer.access_token.digest())),
            credentials,
        };
        let next = Rc::make_mut(&mut record);
        // The stored condition is about the former grant: it need not be written.
        (next.grant, next.condition) = (Some(grant), Condition::default());
        let record = self.store(record, &[Part::Grant])?;
        self.live_token(&record)
    }

    /// Seals what is kept of an answer, if anything.
    fn seal_kept(&self, kept: &Kept, generation: u64) -> Result<Option<Envelope>, Stop> {
        if kept.is_empty() {
            return Ok(None);
        }
        let text = serde_json::to_string(kept).map_err(|error| PortError(format!("kept members: {error}")))?;
        self.seal("kept", generation, &SecretText::new(text)).map(Some)
    }

    /// What is kept of the answer that gave a grant.
    pub(super) fn open_kept(&self, grant: &Grant) -> Result<Kept, Stop> {
        let Some(envelope) = &grant.kept else { return Ok(Kept::default()) };
        let text = self.open("kept", grant.generation, envelope)?;
        let kept = json::read(text.expose().as_bytes());
        Ok(kept.map_err(|_| PortError("kept members are no object".to_owned()))?)
    }
}

/// One request for each of the ordered credentials among the secrets: the one that the provider took last comes first.
/// A code or a refresh token is its client's (RFC 6749 §4.1.3, §6): another client, which would be told that it is
/// over, is not tried where the request `is_bound`.
pub(super) fn in_order(
    secrets: &Map<String, Value>,
    first: u8,
    is_bound: bool,
    build: impl Fn(&Map<String, Value>) -> Result<ProviderRequest, RequestProblem>,
) -> Result<Vec<(u8, ProviderRequest)>, Refusal> {
    let (mut requests, own) = (Vec::new(), secrets::taken(secrets, first));
    for (number, secrets) in (0..).zip(secrets::credentials(secrets)) {
        if is_bound && secrets.get("client_id") != own.get("client_id") {
            continue;
        }
        let request = build(&secrets)?;
        let place = if number == first { 0 } else { requests.len() };
        requests.insert(place, (number, request));
    }
    Ok(requests)
}

/// The values of a request that may name what the provider gave. Secrets hide kept members, tokens hide both.
pub(super) fn values_with<'a>(
    redirect_uri: &'a SecretText,
    secrets: &'a Map<String, Value>,
    (tokens, kept): &'a Held,
) -> Values<'a> {
    let values = Values::new().with("redirect_uri", redirect_uri).with_all(kept.members()).with_all(secrets);
    tokens.iter().fold(values, |values, (name, token)| values.with(name, token))
}
