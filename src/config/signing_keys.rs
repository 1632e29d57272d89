//! `SIGNING_KEYS`: which keys sign access tokens, and when. A JSON list of
//! `{"seed": …, "publish_from": …, "sign_from": …, "retire_at": …}`, instants in Unix seconds.
//!
//! Decides: which schedules never leave a good token without its key. Leaves to others: which key signs now (the
//! authorization server's ring).

use serde_json::Value;
use zeroize::Zeroizing;

use super::{ApplicationKey, application_key::key_bytes};
use crate::protocol::time::{Seconds, UnixSeconds};

/// Most keys: the one in use, those that tokens still live by, and some published ahead.
const KEY_LIMIT: usize = 8;

/// When a key signs that never does: no setting can say so.
const NEVER: UnixSeconds = UnixSeconds(u64::MAX);

/// The word for the key that is derived from the application key, so that a deployment can move away from it.
const DERIVED: &str = "derived";

/// A key and its life: published, then also signing, then gone.
pub struct ScheduledKey {
    /// The Ed25519 private key (RFC 8032 §5.1.5).
    pub seed: Zeroizing<[u8; 32]>,
    /// From then on it is in the key set, and its tokens are accepted.
    pub publish_from: UnixSeconds,
    /// From then on it signs, until a later one does.
    pub sign_from: UnixSeconds,
    /// From then on nobody accepts its tokens; none: never.
    pub retire_at: Option<UnixSeconds>,
}

impl std::fmt::Debug for ScheduledKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ScheduledKey(***)")
    }
}

/// What the text is, if it is no such list.
const SHAPE: &str = "must be a JSON list of {seed, publish_from, sign_from, retire_at}, instants in Unix seconds";

/// The key of one element of the list.
fn element(element: &Value, derived: &Derived) -> Result<ScheduledKey, &'static str> {
    let members = element.as_object().ok_or(SHAPE)?;
    if members.keys().any(|name| !["seed", "publish_from", "sign_from", "retire_at"].contains(&name.as_str())) {
        return Err(SHAPE);
    }
    let instant = |name: &str| match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_u64().map(|seconds| Some(UnixSeconds(seconds))).ok_or(SHAPE),
    };
    let (publish_from, sign_from) = (instant("publish_from")?.ok_or(SHAPE)?, instant("sign_from")?.ok_or(SHAPE)?);
    let retire_at = instant("retire_at")?;
    // Milliseconds taken for seconds lie beyond it.
    let last = UnixSeconds::LAST;
    if sign_from > last || retire_at.is_some_and(|at| at > last) {
        return Err("must have instants in Unix seconds, before the year 10000");
    }
    if publish_from > sign_from || retire_at.is_some_and(|at| at <= sign_from) {
        return Err("must have publish_from <= sign_from < retire_at in each key");
    }
    let seed = match members.get("seed").and_then(Value::as_str).ok_or(SHAPE)? {
        DERIVED => derived.current.clone(),
        text => own(text)?,
    };
    Ok(ScheduledKey { seed, publish_from, sign_from, retire_at })
}

/// The seeds that the application keys give.
pub(super) struct Derived {
    /// That of the current one. Without a good one, which is a problem of its own, it is some seed.
    current: Zeroizing<[u8; 32]>,
    /// Those of the previous ones.
    previous: Vec<Zeroizing<[u8; 32]>>,
}

impl Derived {
    /// The seeds of these keys.
    pub(super) fn new(current: Option<&ApplicationKey>, previous: &[ApplicationKey]) -> Self {
        let seed = |key: &ApplicationKey| key.derive("postern/access-token/ed25519/v1");
        Self { current: current.map(seed).unwrap_or_default(), previous: previous.iter().map(seed).collect() }
    }

    /// The schedule of a deployment that sets none: the derived key, for ever.
    pub(super) fn schedule(&self) -> Vec<ScheduledKey> {
        let start = UnixSeconds(0);
        let seed = self.current.clone();
        self.completed(vec![ScheduledKey { seed, publish_from: start, sign_from: start, retire_at: None }])
    }

    /// Beside the current derived key, those of the previous application keys are published: the tokens that they
    /// signed before a rotation are good as long as that one's would be. They sign nothing.
    fn completed(&self, mut keys: Vec<ScheduledKey>) -> Vec<ScheduledKey> {
        let own = keys.iter().find(|key| key.seed == self.current);
        if let Some((publish_from, retire_at)) = own.map(|key| (key.publish_from, key.retire_at)) {
            let earlier = |seed: &Zeroizing<[u8; 32]>| ScheduledKey {
                seed: seed.clone(),
                publish_from,
                sign_from: NEVER,
                retire_at,
            };
            keys.extend(self.previous.iter().map(earlier));
        }
        keys
    }
}

/// Reads the setting.
pub(super) fn read(text: &str, derived: &Derived, token_lifetime: Seconds) -> Result<Vec<ScheduledKey>, &'static str> {
    let list: Value = serde_json::from_slice(text.as_bytes()).map_err(|_| SHAPE)?;
    let list = list.as_array().ok_or(SHAPE)?;
    if !(1..=KEY_LIMIT).contains(&list.len()) {
        return Err("must have one to eight keys");
    }
    let keys: Result<Vec<_>, _> = list.iter().map(|key| element(key, derived)).collect();
    let keys = keys?;
    check(&keys, token_lifetime)?;
    Ok(derived.completed(keys))
}

/// What must hold between the keys.
fn check(keys: &[ScheduledKey], token_lifetime: Seconds) -> Result<(), &'static str> {
    for (index, key) in keys.iter().enumerate() {
        for other in keys.iter().take(index) {
            if other.seed == key.seed {
                return Err("must not have the same seed twice");
            }
            if other.sign_from == key.sign_from {
                return Err("must not have two keys with the same sign_from");
            }
        }
        // Its last token is signed just before the next key signs.
        let next = keys.iter().map(|other| other.sign_from).filter(|at| *at > key.sign_from).min();
        let needed_until = next.map(|at| at.plus(token_lifetime));
        if key.retire_at.zip(needed_until).is_some_and(|(retire_at, needed_until)| retire_at < needed_until) {
            return Err("must retire a key no earlier than sign_from of the next one plus the lifetime of a token");
        }
    }
    Ok(())
}

/// A seed that the setting spells out.
fn own(text: &str) -> Result<Zeroizing<[u8; 32]>, &'static str> {
    let bytes = key_bytes(text).filter(|bytes| bytes.iter().any(|byte| *byte != 0));
    bytes
        .map(Zeroizing::new)
        .ok_or("must have seeds of 44 characters of base64 or 64 hexadecimal digits, not all zero, or derived")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        config::{
            Settings,
            tests::{GOOD, read_with},
        },
        protocol::secret::hex,
    };

    /// Reads settings with this list and tokens of an hour; the problem, if there is one.
    fn read(list: &str) -> Result<Settings, &'static str> {
        let settings = read_with(&[("SIGNING_KEYS", list), ("OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES", "60")]);
        settings.map_err(|problems| {
            assert_eq!((problems.len(), problems[0].setting), (1, "SIGNING_KEYS"));
            problems[0].problem
        })
    }

    /// A key of the list.
    fn key(seed: u8, publish_from: u64, sign_from: u64, retire_at: impl Into<Value>) -> Value {
        let seed = hex(&[seed; 32]);
        json!({ "seed": seed, "publish_from": publish_from, "sign_from": sign_from, "retire_at": retire_at.into() })
    }

    #[test]
    fn without_the_setting_the_derived_key_signs_for_ever() {
        let settings = read("").unwrap();
        let [key] = settings.signing_keys.as_slice() else { panic!("one key") };
        assert_eq!((key.publish_from, key.sign_from, key.retire_at), (UnixSeconds(0), UnixSeconds(0), None));
        assert_eq!(key.seed, settings.application_key.derive("postern/access-token/ed25519/v1"));
        let named = read(r#"[{"seed":"derived","publish_from":0,"sign_from":0}]"#).unwrap();
        assert_eq!(named.signing_keys[0].seed, key.seed);
    }

    /// E5: what was signed before a rotation is verified after it; only the new key signs. With keys of one's own there
    /// is nothing to survive.
    #[test]
    fn the_keys_derived_from_previous_keys_verify_and_never_sign() {
        let previous = format!("[\"{}\"]", GOOD[2].1);
        let rotated = |list: &str| {
            let current = ("APP_ENCRYPTION_KEY", "another-key-of-32-bytes-of-text!");
            let previous = ("APP_ENCRYPTION_KEYS_PREVIOUS", previous.as_str());
            read_with(&[current, previous, ("SIGNING_KEYS", list)]).unwrap()
        };
        let former = read_with(&[]).unwrap().signing_keys[0].seed.clone();
        let derived = |publish_from, retire_at: Value| json!({ "seed": "derived", "publish_from": publish_from, "sign_from": 50, "retire_at": retire_at });
        for (list, publish_from, retire_at) in [
            (String::new(), 0, None),
            (json!([derived(40, Value::Null)]).to_string(), 40, None),
            (json!([derived(40, 9_000_000.into()), key(7, 0, 1000, Value::Null)]).to_string(), 40, Some(9_000_000)),
        ] {
            let settings = rotated(&list);
            assert_eq!(
                settings.signing_keys[0].seed,
                settings.application_key.derive("postern/access-token/ed25519/v1")
            );
            let last = settings.signing_keys.last().unwrap();
            assert_eq!((last.seed.clone(), last.sign_from), (former.clone(), NEVER), "{list}");
            assert_eq!((last.publish_from, last.retire_at), (UnixSeconds(publish_from), retire_at.map(UnixSeconds)));
        }
        let own = rotated(&json!([key(7, 0, 0, Value::Null)]).to_string());
        assert_eq!(own.signing_keys.iter().map(|key| key.seed[0]).collect::<Vec<_>>(), [7]);
    }

    #[test]
    fn keys_are_read_in_both_spellings() {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let mut second = key(7, 50, 100, Value::Null);
        second["seed"] = STANDARD.encode([7; 32]).into();
        let settings = read(&json!([key(9, 0, 10, 3700), second]).to_string()).unwrap();
        let seeds: Vec<u8> = settings.signing_keys.iter().map(|key| key.seed[0]).collect();
        assert_eq!(seeds, [9, 7]);
        assert_eq!(settings.signing_keys[0].retire_at, Some(UnixSeconds(3700)));
        assert_eq!(settings.signing_keys[1].publish_from, UnixSeconds(50));
    }

    /// J16: no schedule takes the key away from a good token.
    #[test]
    fn a_key_stays_until_its_last_token_has_expired() {
        let pair = |retire_at: u64| read(&json!([key(1, 0, 0, retire_at), key(2, 0, 1000, Value::Null)]).to_string());
        assert!(pair(4600).is_ok());
        assert!(pair(4599).unwrap_err().contains("retire a key no earlier"));
        // In whatever order they are listed.
        let backwards = json!([key(3, 0, 9000, Value::Null), key(2, 0, 1000, Value::Null), key(1, 0, 0, 4599)]);
        assert!(read(&backwards.to_string()).unwrap_err().contains("retire a key no earlier"));
        let three = json!([key(1, 0, 0, Value::Null), key(2, 0, 1000, 5600), key(3, 0, 2000, 2001)]);
        assert!(read(&three.to_string()).is_ok());
    }

    #[test]
    fn a_malformed_list_is_refused() {
        let nine: Vec<Value> = (1..=9).map(|number| key(number, 0, number.into(), Value::Null)).collect();
        for (list, part) in [
            (json!([]), "one to eight"),
            (json!(nine), "one to eight"),
            (json!([key(0, 0, 0, Value::Null)]), "all zero"),
            (json!([{ "seed": "0123456789abcdef0123456789ABCDEF", "publish_from": 0, "sign_from": 0 }]), "seeds of"),
            (json!([{ "seed": "Derived", "publish_from": 0, "sign_from": 0 }]), "seeds of"),
            (json!([key(1, 0, 0, Value::Null), key(1, 0, 1, Value::Null)]), "same seed"),
            (json!([key(1, 0, 5, Value::Null), key(2, 0, 5, Value::Null)]), "same sign_from"),
            (json!([key(1, 2, 1, Value::Null)]), "publish_from <="),
            (json!([key(1, 0, 1, 1)]), "publish_from <="),
            (json!([key(1, 0, 1_700_000_000_000, Value::Null)]), "year 10000"),
            (json!([key(1, 0, 0, 1_700_000_000_000_u64)]), "year 10000"),
            (json!([{ "seed": "derived", "publish_from": 0 }]), "JSON list"),
            (json!([{ "seed": "derived", "publish_from": 0, "sign_from": 0, "kid": "x" }]), "JSON list"),
            (json!([{ "seed": "derived", "publish_from": "0", "sign_from": 0 }]), "JSON list"),
            (json!([{ "seed": "derived", "publish_from": -1, "sign_from": 0 }]), "JSON list"),
            (json!([{ "seed": "derived", "publish_from": 0.5, "sign_from": 1 }]), "JSON list"),
            (key(1, 0, 0, Value::Null), "JSON list"),
        ] {
            let problem = read(&list.to_string()).unwrap_err();
            assert!(problem.contains(part), "{problem}: {list}");
        }
        assert!(read("derived").is_err());
    }

    #[test]
    fn a_bad_application_key_hides_no_other_problem() {
        let names = |list: &str| {
            let problems = read_with(&[("APP_ENCRYPTION_KEY", ""), ("SIGNING_KEYS", list)]).unwrap_err();
            problems.iter().map(|problem| problem.setting).collect::<Vec<_>>()
        };
        assert_eq!(names("[]"), ["APP_ENCRYPTION_KEY", "SIGNING_KEYS"]);
        assert_eq!(names(r#"[{"seed":"derived","publish_from":0,"sign_from":0}]"#), ["APP_ENCRYPTION_KEY"]);
    }

    /// L6: settings print no seed.
    #[test]
    fn debug_output_shows_no_seed() {
        let settings = read(&json!([key(171, 0, 0, Value::Null)]).to_string()).unwrap();
        let text = format!("{settings:?}");
        assert!(text.contains("ScheduledKey(***)") && !text.contains("171") && !text.contains("abab"), "{text}");
    }
}
