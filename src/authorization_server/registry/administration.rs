//! What callers do to clients. Each change and its audit row are stored together or not at all.

use super::{Power, Registry, RegistryReply, Target, page};
use crate::{
    authorization_server::{
        audit::AuditEntry,
        client::{Client, ClientChange, Rotation},
        client_cache::ClientCache,
    },
    ports::{PortError, RegistryStore},
    protocol::{page::PageQuery, scope::Scope},
};

impl<Store: RegistryStore> Registry<Store> {
    /// Registers a client that is no stronger than the caller (checklist C1).
    pub(super) fn create(
        &self,
        power: &Power<'_>,
        client: &Client,
        entry: AuditEntry,
    ) -> Result<RegistryReply, PortError> {
        if let Some(refused) = cannot_assign(power, &client.scope, &client.resources) {
            return Ok(refused);
        }
        let entry = entry.on(&client.client_id, &Scope::default(), &client.scope);
        self.together(&entry, |clients| clients.insert(client))
    }

    /// One page, newest first.
    pub(super) fn list(&self, query: PageQuery) -> Result<RegistryReply, PortError> {
        let (clients, total) = self.clients.store().page(query)?;
        Ok(RegistryReply::Page(page(clients.iter().map(Client::view), total)?))
    }

    /// One client.
    pub(super) fn read(&self, client_id: &str) -> Result<RegistryReply, PortError> {
        Ok(self.clients.find(client_id)?.map_or(RegistryReply::NoSuchClient, |client| shown(&client)))
    }

    /// Changes a client, which can be given only what the caller holds (checklist C2).
    pub(super) fn change(
        &self,
        power: &Power<'_>,
        target: &Target,
        change: ClientChange,
        entry: AuditEntry,
    ) -> Result<RegistryReply, PortError> {
        self.with_manageable(power, target, |mut client| {
            let (none, nothing) = (Scope::default(), Vec::new());
            let (scopes, resources) = (change.scopes.as_ref().unwrap_or(&none), change.resources.as_ref());
            if let Some(refused) = cannot_assign(power, scopes, resources.unwrap_or(&nothing)) {
                return Ok(refused);
            }
            if change != ClientChange::default() {
                let (before, changed) = (client.scope.clone(), change.members());
                client.change(change);
                let entry = AuditEntry { changed, ..entry.on(&client.client_id, &before, &client.scope) };
                self.together(&entry, |clients| clients.update(&client))?;
            }
            Ok(shown(&client))
        })
    }

    /// Gives a client a new secret.
    pub(super) fn rotate(
        &self,
        power: &Power<'_>,
        target: &Target,
        rotation: Rotation,
        entry: AuditEntry,
    ) -> Result<RegistryReply, PortError> {
        self.with_manageable(power, target, |mut client| {
            client.rotate(rotation, entry.at);
            let entry = entry.on(&client.client_id, &client.scope, &client.scope);
            self.together(&entry, |clients| clients.update(&client))
        })
    }

    /// Removes a client.
    pub(super) fn delete(
        &self,
        power: &Power<'_>,
        target: &Target,
        entry: AuditEntry,
    ) -> Result<RegistryReply, PortError> {
        self.with_manageable(power, target, |client| {
            let entry = entry.on(&client.client_id, &client.scope, &Scope::default());
            self.together(&entry, |clients| clients.remove(&client.client_id))
        })
    }

    /// Stores a change and the row about it: both or none.
    fn together(
        &self,
        entry: &AuditEntry,
        change: impl Fn(&ClientCache<Store>) -> Result<(), PortError>,
    ) -> Result<RegistryReply, PortError> {
        let store = self.clients.store();
        store.atomically(&mut || {
            change(&self.clients)?;
            store.append(entry).map(drop)
        })?;
        Ok(RegistryReply::Done)
    }

    /// Runs `change` on a client whose scopes and resources the caller holds itself (checklist C5: no power over a
    /// stronger client), in the version that the caller means.
    fn with_manageable(
        &self,
        power: &Power<'_>,
        target: &Target,
        change: impl FnOnce(Client) -> Result<RegistryReply, PortError>,
    ) -> Result<RegistryReply, PortError> {
        let Some(client) = self.clients.find(&target.client_id)? else { return Ok(RegistryReply::NoSuchClient) };
        let missing = power.missing(&client.scope);
        if !missing.is_empty() {
            Ok(RegistryReply::CannotManage(missing))
        } else if let Some(refused) = resources_not_held(power, &client.resources) {
            Ok(refused)
        } else if target.if_match.as_deref().is_some_and(|wanted| !matches(wanted, &client.tag())) {
            Ok(RegistryReply::Changed)
        } else {
            change((*client).clone())
        }
    }
}

/// A client in the version that it is now.
fn shown(client: &Client) -> RegistryReply {
    RegistryReply::Client(client.view(), client.tag())
}

/// Whether an `If-Match` list names this version; `*` names every one (RFC 9110 §13.1.1).
fn matches(wanted: &str, tag: &str) -> bool {
    wanted.split(',').map(str::trim).any(|wanted| wanted == "*" || wanted == tag)
}

/// Why a caller may not give these scopes and resources to anybody.
fn cannot_assign(power: &Power<'_>, scopes: &Scope, resources: &[String]) -> Option<RegistryReply> {
    let missing = power.missing(scopes);
    if missing.is_empty() { resources_not_held(power, resources) } else { Some(RegistryReply::CannotAssign(missing)) }
}

/// Why a caller may neither give nor rule these resources.
fn resources_not_held(power: &Power<'_>, resources: &[String]) -> Option<RegistryReply> {
    let missing = power.missing_resources(resources);
    (!missing.is_empty()).then_some(RegistryReply::ResourcesNotHeld(missing))
}
