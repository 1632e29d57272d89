//! Clients in the registry object's memory: each token request and each guarded call reads one.
//!
//! Nobody else writes the storage behind it, so what is remembered is what is stored. Unknown ids are not remembered:
//! anybody can make those up.

use std::cell::RefCell;

use crate::{
    authorization_server::client::Client,
    ports::{ClientStore, PortError},
    recent::Recent,
};

/// A store that remembers what it read.
pub struct ClientCache<Store> {
    /// The storage.
    store: Store,
    /// What was read or written lately.
    known: RefCell<Recent<String, Client>>,
}

impl<Store: ClientStore> ClientCache<Store> {
    /// Nothing is remembered yet.
    pub const fn new(store: Store) -> Self {
        Self { store, known: RefCell::new(Recent::new()) }
    }

    /// Writes. Whatever storage says, it is read again the next time.
    fn write(&self, client_id: &str, write: impl FnOnce(&Store) -> Result<(), PortError>) -> Result<(), PortError> {
        self.known.borrow_mut().forget(client_id);
        write(&self.store)
    }
}

impl<Store: ClientStore> ClientStore for ClientCache<Store> {
    fn find(&self, client_id: &str) -> Result<Option<Client>, PortError> {
        if let Some(client) = self.known.borrow().find(client_id) {
            return Ok(Some(client.clone()));
        }
        let client = self.store.find(client_id)?;
        if let Some(client) = &client {
            self.known.borrow_mut().remember(client_id.to_owned(), client.clone());
        }
        Ok(client)
    }

    fn insert(&self, client: &Client) -> Result<(), PortError> {
        self.write(&client.client_id, |store| store.insert(client))
    }

    fn update(&self, client: &Client) -> Result<(), PortError> {
        self.write(&client.client_id, |store| store.update(client))
    }

    fn remove(&self, client_id: &str) -> Result<(), PortError> {
        self.write(client_id, |store| store.remove(client_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        memory::MemoryClients,
        protocol::{secret::SecretDigest, time::UnixSeconds},
    };

    /// A client with this id and epoch.
    fn client(client_id: &str, epoch: u64) -> Client {
        Client {
            client_id: client_id.to_owned(),
            secret: SecretDigest::of("s"),
            scope: crate::protocol::scope::Scope::default(),
            name: None,
            description: None,
            epoch,
            created_at: UnixSeconds(0),
        }
    }

    /// A cache over a store that can be broken.
    fn cache() -> ClientCache<MemoryClients> {
        ClientCache::new(MemoryClients::default())
    }

    /// The epoch that a read finds.
    fn epoch(cache: &ClientCache<MemoryClients>) -> Option<u64> {
        cache.find("c").unwrap().map(|client| client.epoch)
    }

    #[test]
    fn a_client_is_read_from_storage_once() {
        let cache = cache();
        cache.insert(&client("c", 1)).unwrap();
        assert_eq!(epoch(&cache), Some(1));
        cache.store.break_storage();
        assert_eq!(epoch(&cache), Some(1));
    }

    #[test]
    fn every_change_is_seen_by_the_next_read() {
        let cache = cache();
        assert_eq!(epoch(&cache), None);
        for change in 1..3 {
            cache.insert(&client("c", change)).unwrap();
            assert_eq!(epoch(&cache), Some(change));
        }
        cache.update(&client("c", 3)).unwrap();
        assert_eq!(epoch(&cache), Some(3));
        cache.remove("c").unwrap();
        assert_eq!(epoch(&cache), None);
    }

    #[test]
    fn after_a_write_that_failed_storage_is_asked() {
        let cache = cache();
        cache.insert(&client("c", 1)).unwrap();
        assert_eq!(epoch(&cache), Some(1));
        cache.store.break_storage();
        assert!(cache.update(&client("c", 2)).is_err());
        assert!(cache.find("c").is_err());
        cache.store.mend_storage();
        assert_eq!(epoch(&cache), Some(1));
    }

    #[test]
    fn unknown_ids_are_not_remembered() {
        let cache = cache();
        assert!(cache.find("nobody").unwrap().is_none());
        assert!(cache.known.borrow().is_empty());
    }
}
