//! Every setting, with unit, default and bounds; parsed and checked once.
//!
//! Decides: which values are acceptable and what is derived from them. Leaves to others: where the text comes from (the
//! edge looks names up in the runtime's environment). A problem names the setting, never its value.

pub mod compatibility;
mod hosts;
pub mod origins;
mod signing_keys;

use base64::{Engine, engine::general_purpose::STANDARD};
use hkdf::Hkdf;
use sha2::Sha256;
use url::{Host, Url};
use zeroize::Zeroizing;

pub use self::signing_keys::ScheduledKey;
use self::{compatibility::Compatibility, origins::Origins};
use crate::protocol::{
    host::HostList,
    secret::{SecretDigest, SecretText},
    time::Seconds,
};

/// One setting that is missing or malformed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its name, as in the README's table.
    pub setting: &'static str,
    /// What is wrong with it, without the value.
    pub problem: &'static str,
}

/// The settings of a deployment.
#[derive(Debug)]
pub struct Settings {
    /// The client that holds every scope.
    pub root: RootClient,
    /// Lifetime of the access tokens that we issue.
    pub access_token_lifetime: Seconds,
    /// The key that every other key is derived from.
    pub application_key: ApplicationKey,
    /// The keys of access tokens.
    pub signing_keys: Vec<ScheduledKey>,
    /// Where this deployment is reached.
    pub public_url: PublicUrl,
    /// Development only: providers on `http://127.0.0.1` and the like.
    pub allow_loopback_providers: bool,
    /// The only hosts of providers, where the list is not empty.
    pub allowed_hosts: HostList,
    /// How long before its expiry a provider's token is refreshed, at most.
    pub refresh_lead: Seconds,
    /// How long audit rows are kept.
    pub audit_retention: Seconds,
    /// How long a verified token may be trusted on token reads without asking the registry.
    pub revocation_lag: Seconds,
    /// Whose pages may call the API from a browser.
    pub cors_origins: Origins,
    /// Where a browser may be sent after an authorization.
    pub return_origins: Origins,
    /// Whether an authorization must end in the browser that began it, by a connect link.
    pub require_browser_binding: bool,
    /// What each state begins with, so that a forwarder of callbacks can tell deployments apart.
    pub instance: Option<String>,
    /// Where we do as Fides does, against the RFCs.
    pub compatibility: Compatibility,
}

/// The root client: it exists in the settings only.
#[derive(Debug)]
pub struct RootClient {
    /// `client_id`.
    pub client_id: String,
    /// What its secret is compared with.
    pub secret: SecretDigest,
    /// Changes with id or secret, so that tokens of an earlier root client are dead. Keyed, since the secret is chosen
    /// by people and the epoch is readable in the token.
    pub epoch: u64,
}

/// 32 bytes from which each purpose gets a key of its own.
pub struct ApplicationKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for ApplicationKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ApplicationKey(***)")
    }
}

impl ApplicationKey {
    /// HKDF-SHA256 (RFC 5869) with a label for the purpose: no key serves two (checklist E7).
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        // Expanding to 32 bytes cannot fail: the limit is 255 * 32 (RFC 5869 §2.3).
        let _ = Hkdf::<Sha256>::new(None, self.0.as_ref()).expand(purpose.as_bytes(), key.as_mut());
        key
    }

    /// Reads the setting: 32 bytes of text (as Fides has it), 44 characters of base64, or 64 of hexadecimal.
    fn read(text: &str) -> Result<Self, &'static str> {
        let bytes: Option<[u8; 32]> = match text.len() {
            32 => text.as_bytes().try_into().ok(),
            _ => key_bytes(text),
        };
        let bytes = bytes.ok_or("must be 32 bytes of text, 44 characters of base64 or 64 hexadecimal digits")?;
        if bytes.iter().all(|byte| *byte == 0) {
            return Err("must not be all zero");
        }
        Ok(Self(Zeroizing::new(bytes)))
    }
}

/// 32 bytes: 44 characters of base64, or 64 hexadecimal digits.
fn key_bytes(text: &str) -> Option<[u8; 32]> {
    match text.len() {
        44 => STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()),
        64 => hex_bytes(text),
        _ => None,
    }
}

/// 64 hexadecimal digits as 32 bytes.
fn hex_bytes(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Option<Vec<u8>> = text
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
            _ => None,
        })
        .collect();
    bytes?.try_into().ok()
}

/// An origin: scheme, host and port; the issuer (RFC 8414 §2), the audience and the base of the callback.
#[derive(Debug, Clone)]
pub struct PublicUrl {
    /// `https://host[:port]`, without a slash at the end.
    origin: String,
    /// `host[:port]`, lower case.
    authority: String,
}

impl PublicUrl {
    /// The origin, which is also the issuer.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.origin
    }

    /// Whether clients reach us by https; else on loopback.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.origin.starts_with("https:")
    }

    /// Host and port, for the rule that we never call ourselves.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The redirect URI that providers send the browser back to (RFC 6749 §3.1.2).
    #[must_use]
    pub fn callback(&self) -> String {
        format!("{}/api/v1/oauth/callback", self.origin)
    }

    /// Reads the setting.
    fn read(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "must be an absolute URL")?;
        let loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return Err("must have a host"),
        };
        if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
            return Err("must be https (http only on loopback)");
        }
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err("must be an origin: no path, query, fragment or user");
        }
        let origin = url.origin().ascii_serialization();
        let authority = origin.split_once("://").map(|(_, authority)| authority.to_owned()).unwrap_or_default();
        Ok(Self { origin, authority })
    }
}

/// The setting that every state begins with.
const INSTANCE: &str = "OAUTH_INSTANCE";

/// Looks a setting up under its own name and under the spellings of Fides and fidesops.
struct Reader<Lookup: Fn(&str) -> Option<String>> {
    /// The environment.
    lookup: Lookup,
    /// What was wrong so far.
    problems: Vec<Problem>,
}

impl<Lookup: Fn(&str) -> Option<String>> Reader<Lookup> {
    /// The text of a setting; an empty one counts as missing.
    fn text(&self, setting: &'static str) -> Option<String> {
        // Of these settings, Fides has one outside its security section.
        let prefixes = match setting {
            INSTANCE => ["", "FIDES__", "FIDESOPS__"],
            _ => ["", "FIDES__SECURITY__", "FIDESOPS__SECURITY__"],
        };
        prefixes.iter().find_map(|prefix| (self.lookup)(&format!("{prefix}{setting}")).filter(|text| !text.is_empty()))
    }

    /// A setting that must be there.
    fn required<Value>(
        &mut self,
        setting: &'static str,
        read: impl FnOnce(&str) -> Result<Value, &'static str>,
    ) -> Option<Value> {
        let value = self.text(setting).map_or(Err("is missing"), |text| read(&text));
        value.map_err(|problem| self.problems.push(Problem { setting, problem })).ok()
    }

    /// A setting with a default.
    fn optional<Value>(
        &mut self,
        setting: &'static str,
        default: Value,
        read: impl FnOnce(&str) -> Result<Value, &'static str>,
    ) -> Option<Value> {
        let Some(text) = self.text(setting) else { return Some(default) };
        read(&text).map_err(|problem| self.problems.push(Problem { setting, problem })).ok()
    }
}

/// Reads and checks every setting.
///
/// # Errors
/// All that is missing or malformed; `/ready` shows it and every other route answers 503.
pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Settings, Vec<Problem>> {
    let mut reader = Reader { lookup, problems: Vec::new() };
    let client_id = reader.required("OAUTH_ROOT_CLIENT_ID", root_text);
    let client_secret = reader.required("OAUTH_ROOT_CLIENT_SECRET", root_text);
    let application_key = reader.required("APP_ENCRYPTION_KEY", ApplicationKey::read);
    let public_url = reader.required("PUBLIC_URL", PublicUrl::read);
    // Default of Fides: 8 days. At most a year.
    let minutes = reader.optional("OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES", 11_520, |text| within(text, 1, 525_600));
    let allow_loopback_providers = reader.optional("ALLOW_LOOPBACK_PROVIDERS", false, switch);
    let allowed_hosts = reader.optional("ALLOWED_HOSTS", HostList::default(), hosts::read);
    let refresh_lead = reader.optional("REFRESH_LEAD_SECONDS", 600, |text| within(text, 0, 86_400));
    let revocation_lag = reader.optional("REVOCATION_LAG_SECONDS", 10, |text| within(text, 0, 300));
    let audit_days = reader.optional("AUDIT_RETENTION_DAYS", 90, |text| within(text, 1, 3650));
    let (key, lifetime) = (application_key.as_ref(), Seconds(minutes.unwrap_or(0) * 60));
    let signing_keys =
        reader.optional("SIGNING_KEYS", signing_keys::default(key), |text| signing_keys::read(text, key, lifetime));
    let cors_origins = reader.optional("CORS_ORIGINS", Origins::default(), Origins::read);
    let return_origins = reader.optional("ALLOWED_RETURN_ORIGINS", Origins::default(), Origins::read);
    let require_browser_binding = reader.optional("REQUIRE_BROWSER_BINDING", false, switch);
    let instance = reader.optional(INSTANCE, None, |text| instance(text).map(Some));
    let fides_compatibility = reader.optional("FIDES_COMPATIBILITY", false, switch);
    let problems = std::mem::take(&mut reader.problems);
    let settings = (|| {
        let application_key = application_key?;
        Some(Settings {
            root: root_client(client_id?, &SecretText::new(client_secret?), &application_key),
            access_token_lifetime: Seconds(minutes? * 60),
            application_key,
            signing_keys: signing_keys?,
            public_url: public_url?,
            allow_loopback_providers: allow_loopback_providers?,
            allowed_hosts: allowed_hosts?,
            refresh_lead: Seconds(refresh_lead?),
            audit_retention: Seconds(audit_days? * 86_400),
            revocation_lag: Seconds(revocation_lag?),
            cors_origins: cors_origins?,
            return_origins: return_origins?,
            require_browser_binding: require_browser_binding?,
            instance: instance?,
            compatibility: Compatibility::new(fides_compatibility?),
        })
    })();
    settings.ok_or(problems)
}

/// Derives what is kept of the root client's secret.
fn root_client(client_id: String, secret: &SecretText, key: &ApplicationKey) -> RootClient {
    let epoch_key = key.derive(&format!("postern/root-epoch/v1\0{client_id}\0{}", secret.expose()));
    // 48 bits: below 2^53, so that every JSON reader keeps it exact.
    let epoch = epoch_key.iter().take(6).fold(0, |epoch, byte| epoch << 8 | u64::from(*byte));
    RootClient { client_id, secret: secret.digest(), epoch }
}

/// Root id and secret: visible ASCII and spaces (RFC 6749 Appendix A.1 and A.2), and not a value of a sample file.
fn root_text(text: &str) -> Result<String, &'static str> {
    /// Secrets printed in the documentation of Fides and fidesops: everybody knows them (CWE-1188).
    const SAMPLES: [&str; 3] = ["fidesadminsecret", "fidesopsadminsecret", "changeme"];
    if SAMPLES.contains(&text) {
        return Err("must not be a value from a sample file");
    }
    if !text.bytes().all(|byte| matches!(byte, 0x20..=0x7E)) {
        return Err("must be visible ASCII (RFC 6749 Appendix A)");
    }
    Ok(text.to_owned())
}

/// A whole number between two bounds.
fn within(text: &str, least: u64, most: u64) -> Result<u64, &'static str> {
    let number = text.parse().map_err(|_| "must be a whole number")?;
    if (least..=most).contains(&number) { Ok(number) } else { Err("is out of its range (see the README)") }
}

/// A word that a state can begin with.
fn instance(text: &str) -> Result<String, &'static str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let is_word = text.len() <= 64 && text.bytes().all(fits);
    if is_word { Ok(text.to_owned()) } else { Err("must be at most 64 letters, digits, '-' and '_'") }
}

/// `true` or `false`, in any case.
fn switch(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("must be true or false"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Settings that are fine, as pairs of name and text.
    pub(crate) const GOOD: [(&str, &str); 4] = [
        ("OAUTH_ROOT_CLIENT_ID", "root-id"),
        ("OAUTH_ROOT_CLIENT_SECRET", "root-secret"),
        ("APP_ENCRYPTION_KEY", "0123456789abcdef0123456789ABCDEF"),
        ("PUBLIC_URL", "https://postern.example"),
    ];

    /// Reads the good settings with some replaced (an empty text removes one).
    pub(crate) fn read_with(changes: &[(&str, &str)]) -> Result<Settings, Vec<Problem>> {
        read(|name| {
            let change = changes.iter().find(|(own, _)| *own == name);
            change.or_else(|| GOOD.iter().find(|(own, _)| *own == name)).map(|(_, text)| (*text).to_owned())
        })
    }

    /// The names of what is wrong.
    fn wrong(changes: &[(&str, &str)]) -> Vec<&'static str> {
        read_with(changes).err().unwrap_or_default().into_iter().map(|problem| problem.setting).collect()
    }

    #[test]
    fn defaults_are_those_of_the_readme() {
        let settings = read_with(&[]).unwrap();
        assert_eq!(settings.access_token_lifetime, Seconds(691_200));
        assert_eq!((settings.refresh_lead, settings.revocation_lag), (Seconds(600), Seconds(10)));
        assert_eq!(settings.audit_retention, Seconds(90 * 86_400));
        assert!(!settings.allow_loopback_providers && settings.cors_origins.is_empty());
    }

    /// T41: root id or secret unset, empty or from a sample file.
    #[test]
    fn a_missing_or_sample_root_client_is_named() {
        assert_eq!(wrong(&[("OAUTH_ROOT_CLIENT_ID", "")]), ["OAUTH_ROOT_CLIENT_ID"]);
        assert_eq!(wrong(&[("OAUTH_ROOT_CLIENT_SECRET", "")]), ["OAUTH_ROOT_CLIENT_SECRET"]);
        assert_eq!(wrong(&[("OAUTH_ROOT_CLIENT_SECRET", "fidesadminsecret")]), ["OAUTH_ROOT_CLIENT_SECRET"]);
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let names = wrong(&[("PUBLIC_URL", ""), ("REFRESH_LEAD_SECONDS", "soon"), ("ALLOW_LOOPBACK_PROVIDERS", "yes")]);
        assert_eq!(names, ["PUBLIC_URL", "ALLOW_LOOPBACK_PROVIDERS", "REFRESH_LEAD_SECONDS"]);
    }

    /// E6: too short, all zero, neither text, base64 nor hexadecimal.
    #[test]
    fn an_unfit_application_key_is_refused() {
        let zeros = "0".repeat(64);
        let not_hex = "g".repeat(64);
        let not_base64 = "!".repeat(44);
        for bad in ["0123456789abcdef", zeros.as_str(), not_hex.as_str(), not_base64.as_str(), "AAAA"] {
            assert_eq!(wrong(&[("APP_ENCRYPTION_KEY", bad)]), ["APP_ENCRYPTION_KEY"], "{bad}");
        }
    }

    #[test]
    fn the_three_spellings_of_the_application_key_agree() {
        let text = "0123456789abcdef0123456789ABCDEF";
        let hex = crate::protocol::secret::hex(text.as_bytes());
        let keys = [text.to_owned(), STANDARD.encode(text), hex]
            .map(|key| read_with(&[("APP_ENCRYPTION_KEY", &key)]).unwrap().application_key.derive("x"));
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
    }

    /// E7: each purpose has its own key.
    #[test]
    fn keys_of_two_purposes_differ() {
        let key = read_with(&[]).unwrap().application_key;
        assert_ne!(key.derive("a"), key.derive("b"));
    }

    #[test]
    fn the_public_url_is_an_origin() {
        for bad in ["postern.example", "http://postern.example", "https://x/y", "https://u@x", "https://x?q", "ftp://x"]
        {
            assert_eq!(wrong(&[("PUBLIC_URL", bad)]), ["PUBLIC_URL"], "{bad}");
        }
        for (good, origin) in [("https://x/", "https://x"), ("http://127.0.0.1:8787", "http://127.0.0.1:8787")] {
            assert_eq!(read_with(&[("PUBLIC_URL", good)]).unwrap().public_url.as_str(), origin);
        }
    }

    #[test]
    fn the_spellings_of_fides_and_fidesops_are_read() {
        for prefix in ["FIDES__SECURITY__", "FIDESOPS__SECURITY__"] {
            let name = format!("{prefix}OAUTH_ROOT_CLIENT_ID");
            let settings = read_with(&[("OAUTH_ROOT_CLIENT_ID", ""), (&name, "other")]).unwrap();
            assert_eq!(settings.root.client_id, "other");
        }
    }

    #[test]
    fn another_root_secret_is_another_epoch() {
        let epoch = |secret| read_with(&[("OAUTH_ROOT_CLIENT_SECRET", secret)]).unwrap().root.epoch;
        assert_ne!(epoch("one"), epoch("two"));
        assert!(epoch("one") < 1 << 53);
    }

    #[test]
    fn an_instance_is_a_word_under_the_names_of_fides_too() {
        for name in ["OAUTH_INSTANCE", "FIDES__OAUTH_INSTANCE", "FIDESOPS__OAUTH_INSTANCE"] {
            assert_eq!(read_with(&[(name, "eu-1")]).unwrap().instance.as_deref(), Some("eu-1"), "{name}");
        }
        for bad in ["a b", "a.b", "é", &"x".repeat(65)] {
            assert_eq!(wrong(&[("OAUTH_INSTANCE", bad)]), ["OAUTH_INSTANCE"], "{bad}");
        }
    }

    /// L6: settings print no secret.
    #[test]
    fn debug_output_of_settings_shows_no_secret() {
        let text = format!("{:?}", read_with(&[]).unwrap());
        assert!(!text.contains("root-secret") && !text.contains("0123456789abcdef"), "{text}");
    }
}
