//! Connector templates and their copies in memory.

use std::{
    cell::{Cell, RefCell, RefMut},
    collections::BTreeMap,
};

use serde_json::Value;

use super::Memory;
use crate::{
    connection::connector_template::TEMPLATE_LIMIT,
    ports::{PortError, TemplateCopies, Templates},
};

/// What is stored of templates.
#[derive(Default)]
pub(crate) struct MemoryTemplates {
    /// The truth, as texts: what is listed, and the template.
    rows: RefCell<BTreeMap<String, (String, String)>>,
    /// The copies.
    pub(crate) copies: RefCell<BTreeMap<String, String>>,
    /// Whether copies can neither be read nor written.
    pub(crate) copies_are_broken: Cell<bool>,
    /// How often the truth was asked for one template.
    pub(crate) asked: Cell<u32>,
}

impl MemoryTemplates {
    /// The copies, unless they are broken.
    fn copies(&self) -> Result<RefMut<'_, BTreeMap<String, String>>, PortError> {
        let broken = PortError("copies are broken".to_owned());
        if self.copies_are_broken.get() { Err(broken) } else { Ok(self.copies.borrow_mut()) }
    }

    /// Everything that is stored, as one text.
    pub(super) fn dump(&self) -> String {
        format!("{:?} {:?}", self.rows.borrow(), self.copies.borrow())
    }
}

impl Templates for Memory {
    async fn template(&self, kind: &str) -> Result<Option<String>, PortError> {
        drop(self.shared.rows()?);
        self.templates.asked.set(self.templates.asked.get() + 1);
        let rows = self.templates.rows.borrow();
        Ok(rows.get(kind).map(|(_, stored)| stored.clone()))
    }

    async fn template_entries(&self) -> Result<Vec<Value>, PortError> {
        drop(self.shared.rows()?);
        Ok(self.templates.rows.borrow().values().map(|(entry, _)| serde_json::from_str(entry).unwrap()).collect())
    }

    async fn put_template(&self, kind: &str, entry: &Value, stored: &str) -> Result<bool, PortError> {
        drop(self.shared.rows()?);
        let mut rows = self.templates.rows.borrow_mut();
        let others = rows.keys().filter(|own| *own != kind).count();
        let has_room = others < usize::try_from(TEMPLATE_LIMIT).unwrap();
        if has_room {
            rows.insert(kind.to_owned(), (entry.to_string(), stored.to_owned()));
        }
        Ok(has_room)
    }

    async fn remove_template(&self, kind: &str) -> Result<bool, PortError> {
        drop(self.shared.rows()?);
        Ok(self.templates.rows.borrow_mut().remove(kind).is_some())
    }
}

impl TemplateCopies for Memory {
    async fn copy(&self, kind: &str) -> Result<Option<String>, PortError> {
        Ok(self.templates.copies()?.get(kind).cloned())
    }

    async fn put_copy(&self, kind: &str, copy: &str) -> Result<(), PortError> {
        self.templates.copies()?.insert(kind.to_owned(), copy.to_owned());
        Ok(())
    }

    async fn remove_copy(&self, kind: &str) -> Result<(), PortError> {
        self.templates.copies()?.remove(kind);
        Ok(())
    }
}
