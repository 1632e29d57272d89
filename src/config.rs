//! Every setting, with unit, default and bounds; parsed and checked once.
//!
//! Decides: which values are acceptable and what is derived from them. Leaves to others: where the text comes from (the
//! edge looks names up in the runtime's environment). A problem names the setting, never its value.

mod application_key;
pub mod compatibility;
mod hosts;
pub mod origins;
mod reader;
mod signing_keys;
mod webhook;

use url::{Host, Url};

pub use self::{
    application_key::ApplicationKey,
    signing_keys::ScheduledKey,
    webhook::{URL as WEBHOOK_URL, Webhook},
};
use self::{compatibility::Compatibility, origins::Origins, reader::Reader};
use crate::protocol::{
    host::HostList,
    secret::{SecretDigest, SecretText},
    text::is_printable,
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
    /// Other keys of the same kind, on their way out (or in): they open and verify, they seal and sign nothing.
    pub previous_keys: Vec<ApplicationKey>,
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
    /// Whether each connection has an alarm for the moment; else the sweep alone comes.
    pub refresh_alarms: bool,
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
    /// Who is told of events of connections.
    pub webhook: Option<Webhook>,
    /// Where we do as Fides does, against the RFCs.
    pub compatibility: Compatibility,
}

impl Settings {
    /// The application key, then the previous ones.
    pub fn application_keys(&self) -> impl Iterator<Item = &ApplicationKey> {
        std::iter::once(&self.application_key).chain(&self.previous_keys)
    }
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
    /// What it was, for the same id and secret, under the previous application keys: tokens survive a rotation.
    pub previous_epochs: Vec<u64>,
}

impl RootClient {
    /// Whether tokens of this epoch are this client's.
    #[must_use]
    pub fn has_epoch(&self, epoch: u64) -> bool {
        self.epoch == epoch || self.previous_epochs.contains(&epoch)
    }
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

/// Reads and checks every setting.
///
/// # Errors
/// All that is missing or malformed; `/ready` shows it and every other route answers 503.
pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Settings, Vec<Problem>> {
    let mut reader = Reader { lookup, problems: Vec::new() };
    let client_id = reader.required("OAUTH_ROOT_CLIENT_ID", root_text);
    let client_secret = reader.required("OAUTH_ROOT_CLIENT_SECRET", root_text);
    let application_key = reader.required("APP_ENCRYPTION_KEY", ApplicationKey::read);
    let key = application_key.as_ref();
    let previous_keys =
        reader.optional("APP_ENCRYPTION_KEYS_PREVIOUS", Vec::new(), |text| ApplicationKey::read_previous(text, key));
    let public_url = reader.required("PUBLIC_URL", PublicUrl::read);
    // Default of Fides: 8 days. At most a year.
    let minutes = reader.optional("OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES", 11_520, |text| within(text, 1, 525_600));
    let allow_loopback_providers = reader.optional("ALLOW_LOOPBACK_PROVIDERS", false, switch);
    let allowed_hosts = reader.optional("ALLOWED_HOSTS", HostList::default(), hosts::read);
    let refresh_lead = reader.optional("REFRESH_LEAD_SECONDS", 600, |text| within(text, 0, 86_400));
    let refresh_alarms = reader.optional("REFRESH_ALARMS", true, switch);
    let revocation_lag = reader.optional("REVOCATION_LAG_SECONDS", 10, |text| within(text, 0, 300));
    let audit_days = reader.optional("AUDIT_RETENTION_DAYS", 90, |text| within(text, 1, 3650));
    let lifetime = Seconds(minutes.unwrap_or(0) * 60);
    let derived = signing_keys::Derived::new(key, previous_keys.as_deref().unwrap_or_default());
    let signing_keys =
        reader.optional("SIGNING_KEYS", derived.schedule(), |text| signing_keys::read(text, &derived, lifetime));
    let cors_origins = reader.optional("CORS_ORIGINS", Origins::default(), Origins::read);
    let return_origins = reader.optional("ALLOWED_RETURN_ORIGINS", Origins::default(), Origins::read);
    let require_browser_binding = reader.optional("REQUIRE_BROWSER_BINDING", false, switch);
    let instance = reader.optional(INSTANCE, None, |text| instance(text).map(Some));
    let webhook = reader.webhook();
    let fides_compatibility = reader.optional("FIDES_COMPATIBILITY", false, switch);
    let problems = std::mem::take(&mut reader.problems);
    let settings = (|| {
        let (application_key, previous_keys) = (application_key?, previous_keys?);
        Some(Settings {
            root: root_client(client_id?, &SecretText::new(client_secret?), &application_key, &previous_keys),
            access_token_lifetime: Seconds(minutes? * 60),
            application_key,
            previous_keys,
            signing_keys: signing_keys?,
            public_url: public_url?,
            allow_loopback_providers: allow_loopback_providers?,
            allowed_hosts: allowed_hosts?,
            refresh_lead: Seconds(refresh_lead?),
            refresh_alarms: refresh_alarms?,
            audit_retention: Seconds(audit_days? * 86_400),
            revocation_lag: Seconds(revocation_lag?),
            cors_origins: cors_origins?,
            return_origins: return_origins?,
            require_browser_binding: require_browser_binding?,
            instance: instance?,
            webhook,
            compatibility: Compatibility::new(fides_compatibility?),
        })
    })();
    match settings {
        Some(settings) if problems.is_empty() => Ok(settings),
        _ => Err(problems),
    }
}

/// Derives what is kept of the root client's secret.
fn root_client(
    client_id: String,
    secret: &SecretText,
    key: &ApplicationKey,
    previous: &[ApplicationKey],
) -> RootClient {
    let purpose = SecretText::new(format!("postern/root-epoch/v1\0{client_id}\0{}", secret.expose()));
    // 48 bits: below 2^53, so that every JSON reader keeps it exact.
    let epoch = |key: &ApplicationKey| {
        key.derive(purpose.expose()).iter().take(6).fold(0, |epoch, byte| epoch << 8 | u64::from(*byte))
    };
    let (epoch, previous_epochs) = (epoch(key), previous.iter().map(epoch).collect());
    RootClient { client_id, secret: secret.digest(), epoch, previous_epochs }
}

/// Root id and secret: visible ASCII and spaces (RFC 6749 Appendix A.1 and A.2), and not a value of a sample file.
fn root_text(text: &str) -> Result<String, &'static str> {
    /// Secrets printed in the documentation of Fides and fidesops: everybody knows them (CWE-1188).
    const SAMPLES: [&str; 3] = ["fidesadminsecret", "fidesopsadminsecret", "changeme"];
    if SAMPLES.contains(&text) {
        return Err("must not be a value from a sample file");
    }
    if !is_printable(text) {
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
    pub(crate) fn wrong(changes: &[(&str, &str)]) -> Vec<&'static str> {
        read_with(changes).err().unwrap_or_default().into_iter().map(|problem| problem.setting).collect()
    }

    #[test]
    fn defaults_are_those_of_the_readme() {
        let settings = read_with(&[]).unwrap();
        assert_eq!(settings.access_token_lifetime, Seconds(691_200));
        assert_eq!((settings.refresh_lead, settings.revocation_lag), (Seconds(600), Seconds(10)));
        assert_eq!(settings.audit_retention, Seconds(90 * 86_400));
        assert!(!settings.allow_loopback_providers && settings.cors_origins.is_empty() && settings.refresh_alarms);
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
        let names = wrong(&[
            ("PUBLIC_URL", ""),
            ("REFRESH_LEAD_SECONDS", "soon"),
            ("ALLOW_LOOPBACK_PROVIDERS", "yes"),
            ("REFRESH_ALARMS", "on"),
        ]);
        assert_eq!(names, ["PUBLIC_URL", "ALLOW_LOOPBACK_PROVIDERS", "REFRESH_LEAD_SECONDS", "REFRESH_ALARMS"]);
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

    /// E5: the root client's tokens survive a rotation of the application key, and no change of its secret.
    #[test]
    fn the_epoch_of_the_root_client_survives_a_rotation() {
        let previous = format!("[\"{}\"]", GOOD[2].1);
        let rotation =
            [("APP_ENCRYPTION_KEY", "another-key-of-32-bytes-of-text!"), ("APP_ENCRYPTION_KEYS_PREVIOUS", &previous)];
        let root = |changes: &[_]| read_with(changes).unwrap().root;
        let (former, rotated) = (root(&[]).epoch, root(&rotation));
        assert!(rotated.epoch != former && rotated.has_epoch(former) && rotated.has_epoch(rotated.epoch));
        assert!(!root(&rotation[..1]).has_epoch(former));
        let with_other_secret = root(&[rotation[0], rotation[1], ("OAUTH_ROOT_CLIENT_SECRET", "other")]);
        assert!(!with_other_secret.has_epoch(former));
    }

    /// L6: settings print no secret.
    #[test]
    fn debug_output_of_settings_shows_no_secret() {
        let text = format!("{:?}", read_with(&[]).unwrap());
        assert!(!text.contains("root-secret") && !text.contains("0123456789abcdef"), "{text}");
    }
}
