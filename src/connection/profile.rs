//! What an operator says about a connection, and what the last test of it found.
//!
//! Decides: the stored form (pinned by `fixtures/storage/v1/`). Leaves to others: when it is written (the actor), how
//! it is shown (`record`).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::key::ConnectionKey;
use crate::protocol::{
    json::{BadMember, FromJson, Members, required},
    time::UnixSeconds,
    word::words,
};

/// What a connection may be used for; Fides's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Data is only read.
    Read,
    /// Data is changed too.
    Write,
}

words!(Access { Read => "read", Write => "write", });

/// What an operator says about a connection; what is not said stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileInput {
    /// For people.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// What it may be used for.
    pub access: Access,
    /// Switched off by the operator.
    pub disabled: Option<bool>,
}

/// The profile part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// The object's own name; the runtime does not always tell it.
    pub key: ConnectionKey,
    /// For people.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// What it may be used for.
    pub access: Access,
    /// Switched off by the operator; kept and shown, not acted upon, as in Fides.
    pub disabled: bool,
    /// First save.
    pub created_at: UnixSeconds,
    /// Last save.
    pub updated_at: UnixSeconds,
    /// What the last test found, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_test: Option<LastTest>,
}

/// A test that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LastTest {
    /// When it was over.
    pub at: UnixSeconds,
    /// Whether the provider was content.
    pub succeeded: bool,
}

impl FromJson for Profile {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        let mut members = Members::of(value)?;
        let key = members.text("key")?.and_then(|key| ConnectionKey::parse(&key).ok());
        let access = members.word("access")?;
        Ok(Self {
            key: required(key, "key")?,
            name: members.text("name")?,
            description: members.text("description")?,
            access: required(access, "access")?,
            disabled: members.flag("disabled")?,
            created_at: required(members.instant("created_at")?, "created_at")?,
            updated_at: required(members.instant("updated_at")?, "updated_at")?,
            last_test: members.document("last_test")?,
        })
    }
}

impl FromJson for LastTest {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        let mut members = Members::of(value)?;
        Ok(Self { at: required(members.instant("at")?, "at")?, succeeded: members.flag("succeeded")? })
    }
}

impl Profile {
    /// The profile of a connection that is new, or changed by what the operator says now.
    #[must_use]
    pub fn saved(key: &ConnectionKey, input: ProfileInput, former: Option<&Self>, now: UnixSeconds) -> Self {
        Self {
            key: key.clone(),
            name: input.name.or_else(|| former?.name.clone()),
            description: input.description.or_else(|| former?.description.clone()),
            access: input.access,
            disabled: input.disabled.or_else(|| Some(former?.disabled)).unwrap_or_default(),
            created_at: former.map_or(now, |former| former.created_at),
            updated_at: now,
            last_test: former.and_then(|former| former.last_test),
        }
    }
}
