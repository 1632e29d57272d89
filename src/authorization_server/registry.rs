//! The client registry: the single writer of all clients. One request in, one reply out; the check of the caller's
//! token rides with the command, so that a route costs one object request.
//!
//! Decides: whether a caller may do what it asks, against the clients as they are now. Leaves to others: signatures and
//! scopes of the token (the guard), how clients are stored.

use serde::{Deserialize, Serialize};

use crate::{
    authorization_server::client::Client,
    ports::{ClientStore, PortError},
    protocol::{scope::Scope, secret::SecretDigest},
};

/// The authenticated API client of a request, as its verified token describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The client.
    pub client_id: String,
    /// The client's epoch when the token was issued.
    pub epoch: u64,
    /// The token's scope.
    pub scope: Scope,
    /// The root client lives in the settings, not in the registry.
    pub is_root: bool,
}

/// What the registry is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum RegistryRequest {
    /// Are you there?
    Ping,
    /// Are these the credentials of a client?
    Authenticate {
        /// Presented id.
        client_id: String,
        /// Digest of the presented secret.
        secret: SecretDigest,
    },
    /// Do something on behalf of a caller, if it still may.
    Act {
        /// Who asks.
        caller: Caller,
        /// The scope that the route requires.
        required: String,
        /// What to do.
        action: Action,
    },
}

/// What a caller can have done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Action {
    /// Nothing: only check the caller.
    Admit,
    /// Register a client.
    Create(Client),
    /// Remove the client of this id.
    Delete(String),
    /// Read the scopes of the client of this id.
    ReadScope(String),
    /// Replace the scopes of the client of this id.
    ReplaceScope(String, Scope),
}

/// What the registry answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryReply {
    /// The credentials are right.
    Authenticated {
        /// What the client holds now.
        scope: Scope,
        /// Its epoch.
        epoch: u64,
    },
    /// They are not; nobody learns why (checklist T13).
    NotAuthenticated,
    /// 401: the caller's client is gone or its tokens were revoked.
    TokenUnusable,
    /// 403: the client no longer holds the required scope.
    ScopeLost,
    /// 403: these scopes are not the caller's to give.
    CannotAssign(Scope),
    /// 403: the client holds these scopes, which the caller lacks.
    CannotManage(Scope),
    /// There is no such client.
    NoSuchClient,
    /// Done.
    Done,
    /// The scopes of a client.
    Scope(Scope),
}

/// Answers one request. Synchronous: nothing else runs between its reads and its writes.
///
/// # Errors
/// 503 when storage failed; then nothing was changed.
pub fn execute<Store: ClientStore>(store: &Store, request: RegistryRequest) -> Result<RegistryReply, PortError> {
    match request {
        RegistryRequest::Ping => Ok(RegistryReply::Done),
        RegistryRequest::Authenticate { client_id, secret } => authenticate(store, &client_id, &secret),
        RegistryRequest::Act { caller, required, action } => {
            let power = match power(store, &caller)? {
                Some(power) if power.contains(&required) => power,
                Some(_) => return Ok(RegistryReply::ScopeLost),
                None => return Ok(RegistryReply::TokenUnusable),
            };
            act(store, &power, action)
        }
    }
}

/// Compares a presented secret; an unknown client costs the same comparison (checklist M1).
fn authenticate<Store: ClientStore>(
    store: &Store,
    client_id: &str,
    secret: &SecretDigest,
) -> Result<RegistryReply, PortError> {
    let client = store.find(client_id)?;
    // The digest of nothing: an empty secret is refused long before it gets here, so this one never matches.
    let nobody = SecretDigest::of("");
    let own = client.as_ref().map_or(&nobody, |client| &client.secret);
    let right = own.matches(secret);
    Ok(match client {
        Some(client) if right => RegistryReply::Authenticated { scope: client.scope, epoch: client.epoch },
        _ => RegistryReply::NotAuthenticated,
    })
}

/// What a caller may do now: its token's scopes that its client still holds. None when the token is dead.
fn power<Store: ClientStore>(store: &Store, caller: &Caller) -> Result<Option<Scope>, PortError> {
    if caller.is_root {
        return Ok(Some(caller.scope.clone()));
    }
    let client = store.find(&caller.client_id)?;
    Ok(client.filter(|client| client.epoch == caller.epoch).map(|client| caller.scope.intersection(&client.scope)))
}

/// Carries an action out for a caller with this power.
fn act<Store: ClientStore>(store: &Store, power: &Scope, action: Action) -> Result<RegistryReply, PortError> {
    match action {
        Action::Admit => Ok(RegistryReply::Done),
        Action::Create(client) => {
            let missing = client.scope.without(power);
            if !missing.is_empty() {
                return Ok(RegistryReply::CannotAssign(missing));
            }
            store.insert(&client)?;
            Ok(RegistryReply::Done)
        }
        Action::Delete(client_id) => with_manageable(store, power, &client_id, |client| {
            store.remove(&client.client_id)?;
            Ok(RegistryReply::Done)
        }),
        Action::ReadScope(client_id) => {
            Ok(store.find(&client_id)?.map_or(RegistryReply::NoSuchClient, |client| RegistryReply::Scope(client.scope)))
        }
        Action::ReplaceScope(client_id, scope) => with_manageable(store, power, &client_id, |mut client| {
            let missing = scope.without(power);
            if !missing.is_empty() {
                return Ok(RegistryReply::CannotAssign(missing));
            }
            client.scope = scope.clone();
            store.update(&client)?;
            Ok(RegistryReply::Done)
        }),
    }
}

/// Runs `change` on a client whose scopes the caller holds itself (checklist C5: no power over a stronger client).
fn with_manageable<Store: ClientStore>(
    store: &Store,
    power: &Scope,
    client_id: &str,
    change: impl Fn(Client) -> Result<RegistryReply, PortError>,
) -> Result<RegistryReply, PortError> {
    let Some(client) = store.find(client_id)? else { return Ok(RegistryReply::NoSuchClient) };
    let missing = client.scope.without(power);
    if missing.is_empty() { change(client) } else { Ok(RegistryReply::CannotManage(missing)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{memory::MemoryClients, protocol::time::UnixSeconds};

    /// A scope of a text.
    fn scope(text: &str) -> Scope {
        text.split_whitespace().collect()
    }

    /// A client with this id and scope, whose secret is its id.
    fn client(id: &str, held: &str) -> Client {
        Client {
            client_id: id.to_owned(),
            secret: SecretDigest::of(id),
            scope: scope(held),
            name: None,
            description: None,
            epoch: 1,
            created_at: UnixSeconds(0),
        }
    }

    /// A caller with a token of this scope.
    fn caller(id: &str, token: &str) -> Caller {
        Caller { client_id: id.to_owned(), epoch: 1, scope: scope(token), is_root: false }
    }

    /// A store with two clients.
    fn store() -> MemoryClients {
        let store = MemoryClients::default();
        for client in [client("weak", "client:create client:update client:delete a"), client("strong", "a b")] {
            store.insert(&client).unwrap();
        }
        store
    }

    /// Acts as the weak client with all it holds.
    fn act_as_weak(store: &MemoryClients, required: &str, action: Action) -> RegistryReply {
        let caller = caller("weak", "client:create client:update client:delete a");
        execute(store, RegistryRequest::Act { caller, required: required.to_owned(), action }).unwrap()
    }

    /// T13, T27: unknown id, wrong secret, other letter case: one reply.
    #[test]
    fn wrong_credentials_get_one_reply() {
        let store = store();
        let ask = |id: &str, secret: &str| {
            let secret = SecretDigest::of(secret);
            execute(&store, RegistryRequest::Authenticate { client_id: id.to_owned(), secret }).unwrap()
        };
        assert!(matches!(ask("strong", "strong"), RegistryReply::Authenticated { epoch: 1, .. }));
        for (id, secret) in [("nobody", "x"), ("strong", "x"), ("STRONG", "strong"), ("nobody", ""), ("strong", "")] {
            assert_eq!(ask(id, secret), RegistryReply::NotAuthenticated, "{id} {secret}");
        }
    }

    /// C1: nobody gives what it does not hold, and nothing is stored.
    #[test]
    fn creating_a_stronger_client_is_refused() {
        let store = store();
        let reply = act_as_weak(&store, "client:create", Action::Create(client("new", "a b c")));
        assert_eq!(reply, RegistryReply::CannotAssign(scope("b c")));
        assert!(store.find("new").unwrap().is_none());
    }

    /// C2: not on itself either.
    #[test]
    fn widening_a_client_beyond_the_caller_is_refused() {
        let store = store();
        let action = Action::ReplaceScope("weak".to_owned(), scope("a b"));
        assert_eq!(act_as_weak(&store, "client:update", action), RegistryReply::CannotAssign(scope("b")));
    }

    /// C3, C4: the token's scopes count, not only the client's.
    #[test]
    fn a_narrowed_token_gives_only_what_it_has_itself() {
        let store = store();
        let caller = caller("weak", "client:create");
        let action = Action::Create(client("new", "a"));
        let request = RegistryRequest::Act { caller, required: "client:create".to_owned(), action };
        assert_eq!(execute(&store, request).unwrap(), RegistryReply::CannotAssign(scope("a")));
    }

    /// C5: a stronger client can neither be changed nor deleted.
    #[test]
    fn a_stronger_client_cannot_be_managed() {
        let store = store();
        let strong = || "strong".to_owned();
        let missing = scope("b");
        let delete = act_as_weak(&store, "client:delete", Action::Delete(strong()));
        assert_eq!(delete, RegistryReply::CannotManage(missing.clone()));
        let narrow = Action::ReplaceScope(strong(), scope("a"));
        assert_eq!(act_as_weak(&store, "client:update", narrow), RegistryReply::CannotManage(missing));
        assert_eq!(store.find("strong").unwrap().unwrap().scope, scope("a b"));
    }

    /// J17: a lost scope is 403 for that scope only, a deleted client's token is dead; J18: so is one of another epoch.
    #[test]
    fn power_follows_the_client_as_it_is_now() {
        let store = store();
        let admit = |required: &str, caller: Caller| {
            let action = Action::Admit;
            execute(&store, RegistryRequest::Act { caller, required: required.to_owned(), action }).unwrap()
        };
        let strong = || caller("strong", "a b");
        assert_eq!(admit("a", strong()), RegistryReply::Done);
        store.update(&client("strong", "a")).unwrap();
        assert_eq!(admit("a", strong()), RegistryReply::Done);
        assert_eq!(admit("b", strong()), RegistryReply::ScopeLost);
        assert_eq!(admit("a", Caller { epoch: 2, ..strong() }), RegistryReply::TokenUnusable);
        store.remove("strong").unwrap();
        assert_eq!(admit("a", strong()), RegistryReply::TokenUnusable);
    }

    /// C14: a storage fault is an error, never a success.
    #[test]
    fn a_storage_fault_is_reported() {
        let store = store();
        store.break_storage();
        let action = Action::Delete("weak".to_owned());
        let request = RegistryRequest::Act {
            caller: Caller { is_root: true, ..caller("root", "client:delete a") },
            required: "client:delete".to_owned(),
            action,
        };
        assert!(execute(&store, request).is_err());
    }
}
