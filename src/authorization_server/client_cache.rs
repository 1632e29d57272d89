//! Clients in the registry object's memory: each token request and each guarded call reads one.
//!
//! Nobody else writes the storage behind it, so what is remembered is what is stored. Unknown ids are not remembered:
//! anybody can make those up.

use std::{cell::RefCell, rc::Rc};

use crate::{
    authorization_server::client::Client,
    ports::{ClientStore, PortError},
    recent::Recent,
};

/// A store that remembers the clients that it read.
pub struct ClientCache<Store> {
    /// The storage.
    store: Store,
    /// What was read lately.
    known: RefCell<Recent<String, Rc<Client>>>,
}

impl<Store: ClientStore> ClientCache<Store> {
    /// Nothing is remembered yet.
    pub const fn new(store: Store) -> Self {
        Self { store, known: RefCell::new(Recent::new()) }
    }

    /// The storage, for everything that is not one client.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The client of an id.
    ///
    /// # Errors
    /// 503.
    pub fn find(&self, client_id: &str) -> Result<Option<Rc<Client>>, PortError> {
        if let Some(client) = self.known.borrow().find(client_id) {
            return Ok(Some(Rc::clone(client)));
        }
        let client = self.store.find(client_id)?.map(Rc::new);
        if let Some(client) = &client {
            self.known.borrow_mut().remember(client_id.to_owned(), Rc::clone(client));
        }
        Ok(client)
    }

    /// Stores a client that is not there yet.
    ///
    /// # Errors
    /// 503.
    pub fn insert(&self, client: &Client) -> Result<(), PortError> {
        self.write(&client.client_id, |store| store.insert(client))
    }

    /// Replaces a client that is there.
    ///
    /// # Errors
    /// 503.
    pub fn update(&self, client: &Client) -> Result<(), PortError> {
        self.write(&client.client_id, |store| store.update(client))
    }

    /// Removes a client.
    ///
    /// # Errors
    /// 503.
    pub fn remove(&self, client_id: &str) -> Result<(), PortError> {
        self.write(client_id, |store| store.remove(client_id))
    }

    /// Writes. Whatever storage says, and whatever becomes of the write, it is read again the next time.
    fn write(&self, client_id: &str, write: impl FnOnce(&Store) -> Result<(), PortError>) -> Result<(), PortError> {
        self.known.borrow_mut().forget(client_id);
        write(&self.store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{authorization_server::client::tests, memory::MemoryRegistry};

    /// A client with this id and epoch.
    fn client(client_id: &str, epoch: u64) -> Client {
        Client { epoch, ..tests::client(client_id, "") }
    }

    /// A cache over a store that can be broken.
    fn cache() -> ClientCache<MemoryRegistry> {
        ClientCache::new(MemoryRegistry::default())
    }

    /// The epoch that a read finds.
    fn epoch(cache: &ClientCache<MemoryRegistry>) -> Option<u64> {
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
        cache.insert(&client("c", 1)).unwrap();
        assert_eq!(epoch(&cache), Some(1));
        for change in 2..4 {
            cache.update(&client("c", change)).unwrap();
            assert_eq!(epoch(&cache), Some(change));
        }
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
