//! What is stored for one connection, part by part, and how it is shown.
//!
//! Decides: the stored forms (pinned by `fixtures/storage/v1/`) and the public view. Leaves to others: when what is
//! written (the actor), encryption (`envelope`).

use std::rc::Rc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    connect_link::ConnectLink,
    definition::{Authentication, Definition},
    envelope::Envelope,
    event::Outbox,
    fault::Fault,
    grant::Grant,
    profile::Profile,
    refresh::{Condition, RefreshState},
    rotation::SealedWith,
    secrets,
};
use crate::{
    ports::{PortError, RecordStore},
    protocol::{
        json::{self, BadMember, FromJson, Members, required},
        secret::SecretDigest,
        time::UnixSeconds,
    },
};

/// What Fides shows instead of a sensitive value.
pub const MASK: &str = "**********";

/// The pending part: an authorization that was begun (RFC 6749 §4.1.1).
#[derive(Debug, Clone, Serialize)]
pub struct Pending {
    /// Digest of the state parameter.
    pub state: SecretDigest,
    /// When it is too late.
    pub expires_at: UnixSeconds,
    /// PKCE verifier, sealed.
    pub code_verifier: Option<Envelope>,
    /// Digest of the cookie of the browser that began it, where it is bound to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser: Option<SecretDigest>,
    /// Where the browser is sent in the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_to: Option<String>,
}

impl FromJson for Pending {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        let mut members = Members::of(value)?;
        Ok(Self {
            state: required(members.text("state")?.map(SecretDigest::stored), "state")?,
            expires_at: required(members.instant("expires_at")?, "expires_at")?,
            code_verifier: members.text("code_verifier")?.map(Envelope::stored),
            browser: members.text("browser")?.map(SecretDigest::stored),
            return_to: members.text("return_to")?,
        })
    }
}

/// Everything about one connection.
#[derive(Debug, Clone)]
pub struct Record {
    /// Who it is.
    pub profile: Profile,
    /// The connector document, parsed.
    pub definition: Option<Rc<Definition>>,
    /// Provider credentials and parameters: a sealed JSON object.
    pub secrets: Option<Envelope>,
    /// The provider's tokens.
    pub grant: Option<Grant>,
    /// An authorization under way.
    pub pending: Option<Pending>,
    /// A connect link that was not used yet.
    pub link: Option<ConnectLink>,
    /// How refreshing went lately.
    pub condition: Condition,
    /// Which events are still to be delivered.
    pub outbox: Outbox,
}

/// One stored part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// [`Record::profile`].
    Profile,
    /// [`Record::definition`], as its document.
    Definition,
    /// [`Record::secrets`].
    Secrets,
    /// [`Record::grant`].
    Grant,
    /// [`Record::pending`].
    Pending,
    /// [`Record::link`].
    Link,
    /// [`Record::condition`].
    Condition,
    /// [`Record::outbox`].
    Outbox,
}

/// One sealed text of a record, and its place.
pub struct Sealed<Text> {
    /// The part that it is stored in.
    pub part: Part,
    /// See [`Place`](super::envelope::Place).
    pub field: &'static str,
    /// See [`Place`](super::envelope::Place).
    pub generation: u64,
    /// The text.
    pub envelope: Text,
}

/// Everything that is sealed, part by part, by reference (`as_ref`) or to be changed (`as_mut`): the one list of it.
/// What is not in it survives no rotation of the application key; so every field is named, and a new one must say
/// whether it is sealed.
macro_rules! everything_sealed {
    ($record:expr, $as:ident) => {{
        let Record { profile: _, definition: _, secrets, grant, pending, link: _, condition: _, outbox: _ } = $record;
        let mut sealed = Vec::new();
        let mut add = |part, field, generation, envelope: Option<_>| {
            sealed.extend(envelope.map(|envelope| Sealed { part, field, generation, envelope }));
        };
        add(Part::Secrets, "secrets", 0, secrets.$as());
        if let Some(grant) = grant {
            let Grant {
                generation,
                access_token,
                refresh_token,
                refresh_token_generation,
                kept,
                token_type: _,
                obtained_at: _,
                expires_at: _,
                scope: _,
                jitter: _,
                repeated: _,
                credentials: _,
            } = grant;
            add(Part::Grant, "access_token", *generation, Some(access_token));
            add(Part::Grant, "refresh_token", *refresh_token_generation, refresh_token.$as());
            add(Part::Grant, "kept", *generation, kept.$as());
        }
        if let Some(Pending { state: _, expires_at: _, code_verifier, browser: _, return_to: _ }) = pending {
            add(Part::Pending, "code_verifier", 0, code_verifier.$as());
        }
        sealed
    }};
}

impl Record {
    /// Everything that is sealed, to be sealed anew.
    pub fn sealed(&mut self) -> Vec<Sealed<&mut Envelope>> {
        everything_sealed!(self, as_mut)
    }

    /// The application keys that it needs; where nothing is sealed yet, the one that will seal.
    #[must_use]
    pub fn sealed_with(&self, present: &str) -> SealedWith {
        let sealed: Vec<Sealed<&Envelope>> = everything_sealed!(self, as_ref);
        let key_ids: Vec<&str> = sealed.iter().filter_map(|sealed| sealed.envelope.key_id()).collect();
        SealedWith::new(if key_ids.is_empty() { vec![present] } else { key_ids })
    }

    /// Where it stands; none for one whose definition gets no tokens.
    #[must_use]
    pub fn refresh_state(&self) -> Option<RefreshState> {
        let definition = self.definition.as_ref()?;
        let authentication = definition.authentication()?;
        let by_code = match authentication {
            Authentication::Direct(_) => return None,
            Authentication::AuthorizationCode(_) => true,
            Authentication::ClientCredentials(_) => false,
        };
        let is_unauthorized = by_code && self.grant.is_none();
        Some(if is_unauthorized { RefreshState::NeedsAuthorization } else { self.condition.state })
    }

    /// How its tokens are, as the API shows it: never a word of the provider but its error code. `next` is when they
    /// must be looked at next.
    #[must_use]
    pub fn refresh_view(&self, next: Option<UnixSeconds>) -> Value {
        let Some(state) = self.refresh_state() else { return Value::Null };
        let (condition, grant) = (&self.condition, self.grant.as_ref());
        let fault = condition.last_fault.as_ref();
        json!({
            "state": state,
            "last_at": grant.and_then(|grant| grant.obtained_at.to_rfc3339()),
            "next_at": next.and_then(UnixSeconds::to_rfc3339),
            "expires_at": grant.and_then(|grant| grant.expires_at.to_rfc3339()),
            "failures": condition.failures,
            "fault_class": condition.class,
            "fault": fault.map(Fault::word),
            "error": fault.and_then(Fault::code),
            "reason": condition.reason,
        })
    }

    /// The record of a connection that was just made.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        let (condition, outbox) = (Condition::default(), Outbox::default());
        Self { profile, definition: None, secrets: None, grant: None, pending: None, link: None, condition, outbox }
    }

    /// Loads all parts; none when there is no profile.
    ///
    /// # Errors
    /// 503 when storage fails or a part cannot be read.
    pub fn load<Store: RecordStore>(store: &Store) -> Result<Option<Self>, PortError> {
        let parts = store.read()?;
        let Some(profile) = part(&parts, "profile")? else { return Ok(None) };
        let document: Option<Value> = part(&parts, "definition")?;
        let definition = document.map(Definition::from_document).transpose();
        let grant: Option<Grant> = part(&parts, "grant")?;
        let condition: Condition = part(&parts, "condition")?.unwrap_or_default();
        let is_about_this = condition.generation == grant.as_ref().map_or(0, |grant| grant.generation);
        Ok(Some(Self {
            profile,
            definition: definition
                .map_err(|_| PortError("the stored definition is no longer valid".to_owned()))?
                .map(Rc::new),
            secrets: part(&parts, "secrets")?,
            grant,
            pending: part(&parts, "pending")?,
            link: part(&parts, "link")?,
            condition: if is_about_this { condition } else { Condition::default() },
            outbox: part(&parts, "outbox")?.unwrap_or_default(),
        }))
    }

    /// Name and JSON text of a part, as stored.
    ///
    /// # Errors
    /// 503 when it cannot be written as JSON.
    pub fn stored(&self, part: Part) -> Result<(&'static str, String), PortError> {
        let (name, text) = match part {
            Part::Profile => ("profile", serde_json::to_string(&self.profile)),
            Part::Definition => {
                let document = self.definition.as_ref().map(|definition| definition.document());
                ("definition", serde_json::to_string(&document))
            }
            Part::Secrets => ("secrets", serde_json::to_string(&self.secrets)),
            Part::Grant => ("grant", serde_json::to_string(&self.grant)),
            Part::Pending => ("pending", serde_json::to_string(&self.pending)),
            Part::Link => ("link", serde_json::to_string(&self.link)),
            Part::Condition => {
                let generation = self.grant.as_ref().map_or(0, |grant| grant.generation);
                ("condition", serde_json::to_string(&Condition { generation, ..self.condition.clone() }))
            }
            Part::Outbox => ("outbox", serde_json::to_string(&self.outbox)),
        };
        text.map(|text| (name, text)).map_err(|error| PortError(format!("part {name}: {error}")))
    }

    /// The connection as the API shows it. `secrets` are shown by their parameters: sensitive ones masked, undeclared
    /// ones not at all.
    #[must_use]
    pub fn view(&self, secrets: Option<&Map<String, Value>>) -> Value {
        let profile = &self.profile;
        let shown =
            self.definition.as_ref().zip(secrets).map(|(definition, secrets)| secrets::shown(definition, secrets));
        json!({
            "connection_type": "saas",
            "secrets": shown,
            "saas_config": self.definition.as_ref().map(|definition| json!({
                "fides_key": definition.fides_key(),
                "name": definition.name(),
                "type": definition.kind(),
            })),
            "name": profile.name,
            "key": profile.key,
            "description": profile.description,
            "access": profile.access,
            "created_at": profile.created_at.to_rfc3339(),
            "updated_at": profile.updated_at.to_rfc3339(),
            "disabled": profile.disabled,
            "last_test_timestamp": profile.last_test.and_then(|test| test.at.to_rfc3339()),
            "last_test_succeeded": profile.last_test.map(|test| test.succeeded),
            "authorized": self.grant.is_some() && self.condition.state != RefreshState::NeedsAuthorization,
            "enabled_actions": null,
            "linked_systems": [],
        })
    }
}

/// One part of what is stored; JSON `null` is as good as absent.
fn part<Document: FromJson>(parts: &[(String, String)], name: &str) -> Result<Option<Document>, PortError> {
    let Some((_, text)) = parts.iter().find(|(own, _)| own == name) else { return Ok(None) };
    json::read(text.as_bytes()).map_err(|error| PortError::unreadable(&format!("part {name}"), &error))
}

#[cfg(test)]
mod tests;
