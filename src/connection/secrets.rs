//! What becomes of a connection's secrets when new ones are given.
//!
//! Decides: what is replaced, kept, removed, shown; that the mask is no secret; what further provider credentials look
//! like, and that changing them costs no tokens. Leaves to others: whether the result fits the definition, how it is
//! sealed.

use serde_json::{Map, Value};

use super::{definition::Definition, record::MASK};
use crate::protocol::validation::Issue;

/// Whether the secrets that are given are all there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// They are: what is not given goes.
    Whole,
    /// They are not: what is not given stays, and null removes.
    Part,
}

/// The secrets after these were given. Where a sensitive one comes back as the mask that we show for it, the stored one
/// stays (checklist L3).
///
/// # Errors
/// 422 for a mask that stands for nothing.
pub fn succeed(
    stored: &Map<String, Value>,
    given: &Map<String, Value>,
    extent: Extent,
    is_sensitive: impl Fn(&str) -> bool,
) -> Result<Map<String, Value>, Vec<Issue>> {
    let mut next = if extent == Extent::Part { stored.clone() } else { Map::new() };
    let mut issues = Vec::new();
    for (name, value) in given {
        let is_mask = value == MASK && is_sensitive(name);
        if extent == Extent::Part && value.is_null() {
            next.remove(name);
        } else if !is_mask {
            next.insert(name.clone(), value.clone());
        } else if let Some(own) = stored.get(name) {
            next.insert(name.clone(), own.clone());
        } else {
            let msg = format!("'{name}' is the mask of a stored secret, and none is stored");
            issues.push(Issue::value(vec![name.as_str().into()], msg));
        }
    }
    if issues.is_empty() { Ok(next) } else { Err(issues) }
}

/// The declared ones, sensitive ones masked.
#[must_use]
pub fn shown(definition: &Definition, secrets: &Map<String, Value>) -> Map<String, Value> {
    let declared = definition.parameters().iter().filter_map(|parameter| {
        let value = secrets.get(&parameter.name)?;
        let value = if definition.is_sensitive(&parameter.name) { Value::from(MASK) } else { value.clone() };
        Some((parameter.name.clone(), value))
    });
    let mut members = Map::new();
    members.extend(declared);
    members
}

/// The secret that holds further provider credentials, for a provider that is about to change those that it gave.
pub const PROVIDER_CREDENTIALS: &str = "provider_credentials";

/// Most of them.
const CREDENTIALS_LIMIT: usize = 3;

/// What one of them holds, and how long it may be, in bytes.
const CREDENTIALS: [(&str, usize); 2] = [("client_id", 1_024), ("client_secret", 4_096)];

/// What becomes of the tokens that were got with the former secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    /// They are still good.
    Stay,
    /// They may be another account's.
    Go,
}

/// The secrets to try a request with, one after the other while the provider refuses the client: first as they are,
/// then with the members of each of the further credentials in place.
#[must_use]
pub fn credentials(secrets: &Map<String, Value>) -> Vec<Map<String, Value>> {
    let main = main_credentials(secrets);
    let further = secrets.get(PROVIDER_CREDENTIALS).and_then(Value::as_array).into_iter().flatten();
    let further = further.filter_map(Value::as_object).map(|members| {
        let mut secrets = main.clone();
        secrets.extend(members.clone());
        secrets
    });
    let mut all: Vec<_> = further.collect();
    all.insert(0, main);
    all
}

/// The secrets with one of the ordered credentials in place: of this number, or the first.
#[must_use]
pub fn taken(secrets: &Map<String, Value>, number: u8) -> Map<String, Value> {
    let all = credentials(secrets);
    all.get(usize::from(number)).or(all.first()).cloned().unwrap_or_default()
}

/// Which of the ordered credentials among the next secrets are the first of the client that those of this number among
/// the stored ones are of; else the first of all.
#[must_use]
pub fn place(stored: &Map<String, Value>, number: u8, next: &Map<String, Value>) -> u8 {
    let own = taken(stored, number);
    let is_own = |one: &Map<String, Value>| one.get("client_id") == own.get("client_id");
    (0..).zip(credentials(next)).find_map(|(place, one)| is_own(&one).then_some(place)).unwrap_or_default()
}

/// The secrets without further credentials.
fn main_credentials(secrets: &Map<String, Value>) -> Map<String, Value> {
    let mut main = secrets.clone();
    main.remove(PROVIDER_CREDENTIALS);
    main
}

/// What becomes of the tokens: they stay when nothing but the further credentials changes, and when one of those takes
/// the place of the first.
#[must_use]
pub fn tokens(stored: &Map<String, Value>, next: &Map<String, Value>) -> Tokens {
    let has_further = [stored, next].iter().any(|secrets| secrets.contains_key(PROVIDER_CREDENTIALS));
    let are_known = has_further && credentials(stored).contains(&main_credentials(next));
    if are_known { Tokens::Stay } else { Tokens::Go }
}

/// Checks the shape of further credentials, if there are any; none is as good as null or an empty list.
///
/// # Errors
/// 422; no message holds a value.
pub fn check_credentials(secrets: &mut Map<String, Value>) -> Result<(), Vec<Issue>> {
    let place = || vec![PROVIDER_CREDENTIALS.into()];
    let elements = match secrets.get(PROVIDER_CREDENTIALS) {
        None => return Ok(()),
        Some(Value::Array(elements)) if !elements.is_empty() => elements,
        Some(Value::Null | Value::Array(_)) => {
            secrets.remove(PROVIDER_CREDENTIALS);
            return Ok(());
        }
        Some(_) => return Err(vec![Issue::not_list(place())]),
    };
    if elements.len() > CREDENTIALS_LIMIT {
        return Err(vec![Issue::list_too_long(place(), CREDENTIALS_LIMIT, elements.len())]);
    }
    let within = |index: usize| move |issue: Issue| issue.within(&[PROVIDER_CREDENTIALS.into(), index.into()]);
    let issues: Vec<Issue> =
        elements.iter().enumerate().flat_map(|(index, one)| problems(one).into_iter().map(within(index))).collect();
    if issues.is_empty() { Ok(()) } else { Err(issues) }
}

/// What is wrong with one of the further credentials.
fn problems(one: &Value) -> Vec<Issue> {
    let Value::Object(members) = one else { return vec![Issue::not_object(Vec::new())] };
    let mut issues = Vec::new();
    if !members.contains_key("client_secret") {
        issues.push(Issue::missing(vec!["client_secret".into()]));
    }
    for (name, value) in members {
        let loc = vec![name.as_str().into()];
        let Some((_, limit)) = CREDENTIALS.iter().find(|(known, _)| known == name) else {
            issues.push(Issue::unknown_member(loc));
            continue;
        };
        match value.as_str() {
            None => issues.push(Issue::not_text(loc)),
            Some("") => issues.push(Issue::new("string_too_short", loc, "String should have at least 1 character")),
            Some(text) if text.len() > *limit => issues.push(Issue::text_too_long(loc, *limit)),
            Some(MASK) => issues.push(Issue::value(loc, "this is the mask of a stored secret")),
            Some(_) => {}
        }
    }
    issues
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An object.
    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    /// What becomes of these when `password` and `key` are sensitive.
    fn after(given: &Value, extent: Extent) -> Result<Value, String> {
        let stored = json!({ "user": "u", "password": "p" });
        let (stored, given) = (stored.as_object().unwrap(), given.as_object().unwrap());
        let next = succeed(stored, given, extent, |name| matches!(name, "password" | "key"));
        next.map(Value::Object).map_err(|issues| serde_json::to_string(&issues[0].loc).unwrap())
    }

    /// L3: the mask keeps what is stored; of a name that is not sensitive it is a text like any other.
    #[test]
    fn the_mask_keeps_what_is_stored() {
        for extent in [Extent::Whole, Extent::Part] {
            let masked = json!({ "user": "other", "password": MASK });
            assert_eq!(after(&masked, extent), Ok(json!({ "user": "other", "password": "p" })));
            assert_eq!(after(&json!({ "key": MASK }), extent), Err(r#"["key"]"#.to_owned()));
        }
        assert_eq!(after(&json!({ "user": MASK }), Extent::Whole), Ok(json!({ "user": MASK })));
    }

    /// PUT replaces all, PATCH merges.
    #[test]
    fn the_whole_replaces_and_a_part_merges() {
        let given = json!({ "user": null, "key": "k" });
        assert_eq!(after(&given, Extent::Whole), Ok(given.clone()));
        assert_eq!(after(&given, Extent::Part), Ok(json!({ "password": "p", "key": "k" })));
        assert_eq!(after(&json!({}), Extent::Part), Ok(json!({ "user": "u", "password": "p" })));
        assert_eq!(after(&json!({}), Extent::Whole), Ok(json!({})));
    }

    /// The order in which credentials are tried.
    #[test]
    fn further_credentials_take_the_place_of_the_first() {
        let secrets = json!({ "domain": "d", "client_id": "i", "client_secret": "s",
            "provider_credentials": [{ "client_secret": "s2" }, { "client_id": "i3", "client_secret": "s3" }] });
        let expected = [("i", "s"), ("i", "s2"), ("i3", "s3")];
        let expected =
            expected.map(|(id, secret)| object(&json!({ "domain": "d", "client_id": id, "client_secret": secret })));
        assert_eq!(credentials(&object(&secrets)), expected);
        let alone = object(&json!({ "client_id": "i" }));
        assert_eq!(credentials(&alone), [alone]);
    }

    #[test]
    fn tokens_stay_while_their_credentials_are_known() {
        let known = json!({ "d": 1, "client_id": "i", "client_secret": "s",
            "provider_credentials": [{ "client_secret": "s2" }, { "client_id": "i3", "client_secret": "s3" }] });
        let none = json!({ "d": 1, "client_id": "i", "client_secret": "s" });
        let of = |id: &str, secret: &str| json!({ "d": 1, "client_id": id, "client_secret": secret });
        let with = |mut secrets: Value, further: &Value| {
            secrets["provider_credentials"] = further.clone();
            secrets
        };
        let one = json!([{ "client_secret": "s4" }]);
        for (stored, next, expected) in [
            (&known, known.clone(), Tokens::Stay),
            (&known, none.clone(), Tokens::Stay),
            (&none, known.clone(), Tokens::Stay),
            (&known, with(none.clone(), &one), Tokens::Stay),
            (&known, of("i", "s2"), Tokens::Stay),
            (&known, of("i3", "s3"), Tokens::Stay),
            (&known, with(of("i", "s2"), &one), Tokens::Stay),
            (&known, of("i3", "s2"), Tokens::Go),
            (&known, of("i", "s3"), Tokens::Go),
            (&known, of("i", "s4"), Tokens::Go),
            (&known, with(of("i", "s4"), &one), Tokens::Go),
            (&known, json!({ "d": 2, "client_id": "i", "client_secret": "s2" }), Tokens::Go),
            (&none, with(of("i", "s4"), &one), Tokens::Go),
            // As ever where nobody speaks of further credentials.
            (&none, none.clone(), Tokens::Go),
        ] {
            assert_eq!(tokens(&object(stored), &object(&next)), expected, "{next}");
        }
    }

    #[test]
    fn further_credentials_are_checked_one_by_one() {
        let check = |further: Value| {
            let mut secrets = object(&json!({ "a": 1, "provider_credentials": further }));
            let checked = check_credentials(&mut secrets);
            let found = |issue: &Issue| format!("{} {}", issue.kind, serde_json::to_string(&issue.loc).unwrap());
            checked.map(|()| secrets.len()).map_err(|issues| issues.iter().map(found).collect::<Vec<_>>().join(", "))
        };
        let good = json!({ "client_id": "i".repeat(1_024), "client_secret": "s".repeat(4_096) });
        for (further, expected) in [
            (json!(null), Ok(1)),
            (json!([]), Ok(1)),
            (json!([{ "client_secret": "s" }]), Ok(2)),
            (json!([good, good, good]), Ok(2)),
            (json!([good, good, good, good]), Err("too_long [\"provider_credentials\"]")),
            (json!({ "client_secret": "s" }), Err("list_type [\"provider_credentials\"]")),
            (json!("**********"), Err("list_type [\"provider_credentials\"]")),
            (json!([good, "s"]), Err("model_attributes_type [\"provider_credentials\",1]")),
            (json!([{}]), Err("missing [\"provider_credentials\",0,\"client_secret\"]")),
            (json!([{ "client_secret": null }]), Err("string_type [\"provider_credentials\",0,\"client_secret\"]")),
            (json!([{ "client_secret": "" }]), Err("string_too_short [\"provider_credentials\",0,\"client_secret\"]")),
            (json!([{ "client_secret": MASK }]), Err("value_error [\"provider_credentials\",0,\"client_secret\"]")),
            (
                json!([{ "client_secret": "s".repeat(4_097) }]),
                Err("string_too_long [\"provider_credentials\",0,\"client_secret\"]"),
            ),
            (
                json!([{ "client_id": "i".repeat(1_025), "client_secret": "s" }]),
                Err("string_too_long [\"provider_credentials\",0,\"client_id\"]"),
            ),
            (
                json!([{ "client_secret": "s", "domain": "d" }, { "client_id": 5, "client_secret": "s" }]),
                Err(
                    "extra_forbidden [\"provider_credentials\",0,\"domain\"], string_type [\"provider_credentials\",1,\"client_id\"]",
                ),
            ),
        ] {
            assert_eq!(check(further.clone()), expected.map_err(str::to_owned), "{further}");
        }
    }
}
