//! Looking settings up: their spellings, those that must be there, and defaults.
//!
//! Decides: under which names a setting is found. Leaves to others: what its text means.

use super::{
    INSTANCE, Problem,
    webhook::{self, Webhook},
};

/// Looks a setting up under its own name and under the spellings of Fides and fidesops.
pub(super) struct Reader<Lookup: Fn(&str) -> Option<String>> {
    /// The environment.
    pub(super) lookup: Lookup,
    /// What was wrong so far.
    pub(super) problems: Vec<Problem>,
}

impl<Lookup: Fn(&str) -> Option<String>> Reader<Lookup> {
    /// The text of a setting; an empty one counts as missing.
    pub(super) fn text(&self, setting: &'static str) -> Option<String> {
        // Of these settings, Fides has one outside its security section.
        let prefixes = match setting {
            INSTANCE => ["", "FIDES__", "FIDESOPS__"],
            _ => ["", "FIDES__SECURITY__", "FIDESOPS__SECURITY__"],
        };
        prefixes.iter().find_map(|prefix| (self.lookup)(&format!("{prefix}{setting}")).filter(|text| !text.is_empty()))
    }

    /// A setting that must be there.
    pub(super) fn required<Value>(
        &mut self,
        setting: &'static str,
        read: impl FnOnce(&str) -> Result<Value, &'static str>,
    ) -> Option<Value> {
        let value = self.text(setting).map_or(Err("is missing"), |text| read(&text));
        value.map_err(|problem| self.problems.push(Problem { setting, problem })).ok()
    }

    /// A setting with a default.
    pub(super) fn optional<Value>(
        &mut self,
        setting: &'static str,
        default: Value,
        read: impl FnOnce(&str) -> Result<Value, &'static str>,
    ) -> Option<Value> {
        let Some(text) = self.text(setting) else { return Some(default) };
        read(&text).map_err(|problem| self.problems.push(Problem { setting, problem })).ok()
    }

    /// The webhook, if there is one; none also where its settings are wrong.
    pub(super) fn webhook(&mut self) -> Option<Webhook> {
        let read = Webhook::read(self.text(webhook::URL).as_deref(), self.text(webhook::SECRET).as_deref());
        read.unwrap_or_else(|problem| {
            self.problems.push(problem);
            None
        })
    }
}
