//! Reading a document member by member, with the way to each value at hand.
//!
//! Decides: the wording of what is wrong with the type of a member. Leaves to others: what a member means.

use serde_json::{Map, Value};

use crate::{
    connection::template::{Placeholder, Template},
    protocol::validation::{Issue, Step},
};

/// Most issues that are listed for one document: the first ones tell enough.
const ISSUE_LIMIT: usize = 100;

/// What is wrong so far.
#[derive(Debug, Default)]
pub(super) struct Issues(Vec<Issue>);

impl Issues {
    /// Notes one more.
    pub(super) fn push(&mut self, issue: Issue) {
        if self.0.len() < ISSUE_LIMIT {
            self.0.push(issue);
        }
    }

    /// The result, if nothing is wrong.
    pub(super) fn unless_any<T>(self, result: Option<T>) -> Result<T, Vec<Issue>> {
        match result {
            Some(result) if self.0.is_empty() => Ok(result),
            _ => Err(self.0),
        }
    }
}

/// The names that a template may use.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// Parameters of the connector, and the credentials that every OAuth connector has.
    pub(super) secrets: &'a [String],
    /// Values of ours that exist when the request is made.
    pub(super) ours: &'a [&'a str],
}

impl Known<'_> {
    /// Whether there can be a value of this name.
    fn has(self, name: &str) -> bool {
        self.ours.contains(&name) || self.secrets.iter().any(|secret| secret == name)
    }

    /// Notes each placeholder that nothing stands behind (checklist P6).
    pub(super) fn check<'p>(
        self,
        placeholders: impl Iterator<Item = &'p Placeholder>,
        node: &Node<'_>,
        issues: &mut Issues,
    ) {
        for placeholder in placeholders.filter(|placeholder| !self.has(placeholder.name())) {
            issues.push(node.issue(format!(
                "unknown placeholder <{}> (character {})",
                placeholder.written(),
                placeholder.offset()
            )));
        }
    }
}

/// A value of the document, if there is one, and the way to it.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    /// The value.
    value: Option<&'a Value>,
    /// The way from the document's outside.
    loc: Vec<Step>,
}

impl<'a> Node<'a> {
    /// The whole document.
    pub(super) const fn root(value: &'a Value) -> Self {
        Self { value: Some(value), loc: Vec::new() }
    }

    /// A member of the object here.
    pub(super) fn member(&self, name: &str) -> Self {
        self.child(self.value.and_then(|value| value.get(name)), name.into())
    }

    /// A value one step further in.
    fn child(&self, value: Option<&'a Value>, step: Step) -> Self {
        let mut loc = self.loc.clone();
        loc.push(step);
        Self { value, loc }
    }

    /// The way to this value.
    pub(super) fn loc(&self) -> Vec<Step> {
        self.loc.clone()
    }

    /// A broken rule of ours at this place.
    pub(super) fn issue(&self, message: impl AsRef<str>) -> Issue {
        Issue::value(self.loc(), message)
    }

    /// An issue of another kind at this place.
    pub(super) fn issue_of(&self, kind: &'static str, message: impl Into<String>) -> Issue {
        Issue::new(kind, self.loc(), message)
    }

    /// The value, where there is one other than null.
    pub(super) fn given(&self) -> Option<&'a Value> {
        self.value.filter(|value| !value.is_null())
    }

    /// The value as `read` takes it; notes it when it is missing, and as `other` says when it is of another type.
    fn typed<T>(
        &self,
        issues: &mut Issues,
        read: impl Fn(&'a Value) -> Option<T>,
        other: fn(Vec<Step>) -> Issue,
    ) -> Option<T> {
        let Some(value) = self.value else {
            issues.push(Issue::missing(self.loc()));
            return None;
        };
        let read = read(value);
        if read.is_none() {
            issues.push(other(self.loc()));
        }
        read
    }

    /// A required object.
    pub(super) fn object(&self, issues: &mut Issues) -> Option<&'a Map<String, Value>> {
        self.typed(issues, Value::as_object, Issue::not_object)
    }

    /// A required text.
    pub(super) fn text(&self, issues: &mut Issues) -> Option<&'a str> {
        self.typed(issues, Value::as_str, Issue::not_text)
    }

    /// A text that may be missing or null.
    pub(super) fn optional_text(&self, issues: &mut Issues) -> Option<&'a str> {
        self.given()?;
        self.text(issues)
    }

    /// A switch, `fallback` where it is missing or null.
    pub(super) fn switch(&self, fallback: bool, issues: &mut Issues) -> bool {
        if self.given().is_none() {
            return fallback;
        }
        self.typed(issues, Value::as_bool, Issue::not_boolean).unwrap_or(fallback)
    }

    /// The elements of a required list.
    pub(super) fn elements(&self, issues: &mut Issues) -> Vec<Self> {
        self.typed(issues, Value::as_array, Issue::not_list)
            .into_iter()
            .flatten()
            .enumerate()
            .map(|(index, value)| self.child(Some(value), index.into()))
            .collect()
    }

    /// The elements of a list that may be missing or null.
    pub(super) fn optional_elements(&self, issues: &mut Issues) -> Vec<Self> {
        if self.given().is_none() {
            return Vec::new();
        }
        self.elements(issues)
    }

    /// A list of texts that may be missing or null.
    pub(super) fn optional_texts(&self, issues: &mut Issues) -> Option<Vec<String>> {
        self.given()?;
        let texts = self.elements(issues).into_iter();
        Some(texts.filter_map(|node| node.text(issues).map(str::to_owned)).collect())
    }

    /// A required template with known names only.
    pub(super) fn template(&self, known: Known<'_>, issues: &mut Issues) -> Option<Template> {
        let text = self.text(issues)?;
        self.template_of(text, known, issues)
    }

    /// A template, already read from here, with known names only.
    pub(super) fn template_of(&self, text: &str, known: Known<'_>, issues: &mut Issues) -> Option<Template> {
        match Template::parse(text) {
            Ok(template) => {
                known.check(template.placeholders(), self, issues);
                Some(template)
            }
            Err(problem) => {
                issues.push(self.issue(problem.to_string()));
                None
            }
        }
    }
}
