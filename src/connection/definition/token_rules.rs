//! What a definition says about the provider's token answers, the same for both flows of OAuth 2.
//!
//! Decides: the bounds of `expires_in`, `keep`, `refresh_lead` and `faults`; the last three are ours. Leaves to others:
//! reading answers by them (`token_exchange`), when a token is due and what a fault means (`refresh`).

use serde_json::Value;

use super::{
    Authentication, Definition,
    reader::{Issues, Node},
};
use crate::{
    connection::{fault::FaultClass, token_exchange::kept::may_be_kept},
    protocol::{number::whole, time::Seconds, word::Word},
};

/// Longest lifetime of a token that is believed: ten years, 10 × 365 days.
pub(in crate::connection) const LIFETIME_LIMIT: u64 = 10 * 365 * 86_400;

/// Longest `refresh_lead`: a day.
const LEAD_LIMIT: u64 = 86_400;

/// Most entries of `faults`.
const FAULTS_LIMIT: usize = 20;

/// What a definition says about token answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenRules {
    /// Lifetime of an access token, where the provider does not say or says more.
    pub expires_in: Option<Seconds>,
    /// Members of the token answer that are kept.
    pub keep: Vec<String>,
    /// How long before it expires a token is due, where that is not as in the settings; 0: when it expires.
    pub refresh_lead: Option<Seconds>,
    /// Whose fault the provider's error codes and HTTP statuses are, where our tables would say otherwise.
    pub faults: Vec<(String, FaultClass)>,
}

/// The rules of a definition that gives none.
pub(super) static NO_RULES: TokenRules =
    TokenRules { expires_in: None, keep: Vec::new(), refresh_lead: None, faults: Vec::new() };

impl Definition {
    /// What the document says about token answers.
    #[must_use]
    pub fn token_rules(&self) -> &TokenRules {
        self.authentication.as_ref().map_or(&NO_RULES, Authentication::token_rules)
    }
}

/// Reads the rules of a strategy's configuration. Gives also the names that placeholders may have after an answer.
pub(super) fn read(node: &Node<'_>, secrets: &[String], issues: &mut Issues) -> (TokenRules, Vec<String>) {
    let keep = read_keep(&node.member("keep"), secrets, issues);
    let after = [secrets, &keep].concat();
    let expires_in = read_seconds(&node.member("expires_in"), (1, LIFETIME_LIMIT), issues);
    let refresh_lead = read_seconds(&node.member("refresh_lead"), (0, LEAD_LIMIT), issues);
    let faults = read_faults(&node.member("faults"), issues);
    (TokenRules { expires_in, keep, refresh_lead, faults }, after)
}

/// Reads `keep`: names of members of the token answer.
fn read_keep(node: &Node<'_>, secrets: &[String], issues: &mut Issues) -> Vec<String> {
    /// Most names.
    const LIMIT: usize = 16;
    let names = node.optional_texts(issues).unwrap_or_default();
    if names.len() > LIMIT || !names.iter().all(|name| may_be_kept(name) && !secrets.contains(name)) {
        issues.push(node.issue(format!(
            "at most {LIMIT} names of letters, digits, '-' and '_' that mean nothing else, neither here nor in a token answer"
        )));
    }
    names
}

/// Reads seconds: a whole number, also as text, from `lowest` to `highest`. Worded as Fides does, for `expires_in`.
fn read_seconds(node: &Node<'_>, (lowest, highest): (u64, u64), issues: &mut Issues) -> Option<Seconds> {
    let seconds = match node.given()? {
        number @ Value::Number(_) => whole(number),
        Value::String(text) => text.trim().parse::<i64>().ok(),
        _ => None,
    };
    let (kind, message) = match seconds.map(u64::try_from) {
        Some(Ok(seconds)) if (lowest..=highest).contains(&seconds) => return Some(Seconds(seconds)),
        Some(Ok(seconds)) if seconds > highest => {
            ("less_than_equal", format!("Input should be less than or equal to {highest}"))
        }
        Some(_) if lowest == 0 => ("greater_than_equal", "Input should be greater than or equal to 0".to_owned()),
        Some(_) => ("greater_than", "Input should be greater than 0".to_owned()),
        None => ("int_parsing", "Input should be a valid integer, unable to parse string as an integer".to_owned()),
    };
    issues.push(node.issue_of(kind, message));
    None
}

/// Reads `faults`: from an error code, in any case, or an HTTP status to whose fault it is.
fn read_faults(node: &Node<'_>, issues: &mut Issues) -> Vec<(String, FaultClass)> {
    let members = node.given().and_then(|_| node.object(issues));
    let mut faults: Vec<(String, FaultClass)> = Vec::new();
    for name in members.into_iter().flat_map(serde_json::Map::keys) {
        let member = node.member(name);
        if let Some(problem) = name_problem(name) {
            issues.push(member.issue(problem));
        } else if faults.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            issues.push(member.issue("this code is there already"));
        }
        let Some(word) = member.text(issues) else { continue };
        match FaultClass::of(word) {
            Some(class) => faults.push((name.clone(), class)),
            None => issues.push(member.issue_of("enum", "Input should be 'connection', 'integration' or 'provider'")),
        }
    }
    if members.is_some_and(|members| members.len() > FAULTS_LIMIT) {
        issues.push(node.issue(format!("at most {FAULTS_LIMIT} codes can be named")));
    }
    faults
}

/// What is wrong with the name of a fault.
fn name_problem(name: &str) -> Option<&'static str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if !(1..=64).contains(&name.len()) || !name.bytes().all(fits) {
        return Some("an error code is 1 to 64 letters, digits, '_', '.' and '-'");
    }
    let is_wrong = is_status(name) && !name.parse().is_ok_and(|status: u16| (300..600).contains(&status));
    is_wrong.then_some("the HTTP status of a refusal is from 300 to 599")
}

/// Whether the name of a fault means an HTTP status: three digits.
pub(in crate::connection) fn is_status(name: &str) -> bool {
    name.len() == 3 && name.bytes().all(|byte| byte.is_ascii_digit())
}
