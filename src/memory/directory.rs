//! The directory in memory, as requests and the sweep see it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Memory;
use crate::{
    connection::{
        directory::{Due, Figures, Filter, Row},
        key::ConnectionKey,
        rotation::SealedWith,
        ticks::{Tick, Ticks},
    },
    ports::{Listing, PortError},
    protocol::{
        page::{Page, PageQuery},
        time::UnixSeconds,
    },
};

impl Listing for Memory {
    async fn page(&self, query: PageQuery, filter: Filter) -> Result<Page, PortError> {
        let rows = self.shared.rows()?;
        let mut sorted: Vec<&Row> = rows.values().filter(|row| filter.admits(row)).collect();
        sorted.sort_by_key(|row| (&row.name, &row.key));
        let (offset, size) = (usize::try_from(query.offset()).unwrap(), usize::try_from(query.size).unwrap());
        let items = sorted.iter().skip(offset).take(size).map(|row| row.view.clone()).collect();
        Ok(Page { items, total: u32::try_from(sorted.len()).unwrap() })
    }

    async fn sealed_otherwise(&self, key_id: &str) -> Result<Vec<(SealedWith, u32)>, PortError> {
        let mut counts = BTreeMap::new();
        for row in self.shared.rows()?.values().filter(|row| row.sealed_with.as_str() != key_id) {
            *counts.entry(row.sealed_with.clone()).or_insert(0) += 1;
        }
        Ok(counts.into_iter().collect())
    }

    async fn sealed_with(&self, keys: &SealedWith, limit: u32) -> Result<Vec<ConnectionKey>, PortError> {
        let rows = self.shared.rows()?;
        let found = rows.values().filter(|row| row.sealed_with == *keys).map(|row| row.key.clone());
        Ok(found.take(usize::try_from(limit).unwrap()).collect())
    }

    async fn ticks(&self) -> Result<Ticks, PortError> {
        drop(self.shared.rows()?);
        Ok(self.shared.ticks.borrow().clone())
    }

    async fn figures(&self, now: UnixSeconds) -> Result<Figures, PortError> {
        let rows = self.shared.rows()?;
        let mut states = BTreeMap::new();
        for row in rows.values() {
            let state = row.view.pointer("/refresh/state").and_then(Value::as_str).unwrap_or_default();
            *states.entry(state.to_owned()).or_insert(0) += 1;
        }
        let due = rows.values().filter(|row| row.due.is_some_and(|due| due <= now)).count();
        let ticks = self.shared.ticks.borrow().clone();
        let (states, due) = (states.into_iter().collect(), u32::try_from(due).unwrap());
        Ok(Figures { states, due, open_breakers: self.shared.open_breakers(), ticks })
    }

    async fn ticked(&self, tick: Tick) -> Result<(), PortError> {
        drop(self.shared.rows()?);
        let ticks = self.shared.ticks.take().with(tick);
        self.shared.ticks.replace(ticks);
        self.shared.rows_written.set(self.shared.rows_written.get() + 1);
        Ok(())
    }

    async fn due(&self, now: UnixSeconds, after: Option<&Due>, limit: u32) -> Result<Vec<Due>, PortError> {
        let rows = self.shared.rows()?;
        let due = |row: &Row| row.due.map(|at| Due { at, key: row.key.clone() });
        let is_meant = |due: &Due| due.at <= now && after.is_none_or(|after| due > after);
        let mut due: Vec<Due> = rows.values().filter_map(due).filter(is_meant).collect();
        due.sort();
        due.truncate(usize::try_from(limit).unwrap());
        Ok(due)
    }
}
