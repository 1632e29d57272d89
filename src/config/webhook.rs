//! `EVENT_WEBHOOK_URL` and `EVENT_WEBHOOK_SECRET`: where events of connections are told, and how that is signed.
//!
//! Decides: which secrets are good (Standard Webhooks 1.0.0, "Signature scheme"). Leaves to others: where a message may
//! go.

use base64::{Engine, engine::general_purpose::STANDARD};
use url::Url;
use zeroize::Zeroizing;

use super::Problem;

/// Where events are told.
pub const URL: &str = "EVENT_WEBHOOK_URL";

/// What signs them.
pub(super) const SECRET: &str = "EVENT_WEBHOOK_SECRET";

/// What is said where one of the two is missing.
const TOGETHER: &str = "is missing: EVENT_WEBHOOK_URL and EVENT_WEBHOOK_SECRET come together";

/// What the secret is, if the text is none.
const SHAPE: &str = "must be whsec_ and 24 to 64 bytes in base64; two during a rotation, separated by a space";

/// Who is told of events.
pub struct Webhook {
    /// The address.
    pub url: Url,
    /// The secrets, in clear.
    secrets: Vec<Zeroizing<Vec<u8>>>,
}

/// Neither the secrets nor the address, which may hold one, too.
impl std::fmt::Debug for Webhook {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Webhook(***)")
    }
}

impl Webhook {
    /// Reads both settings, which come together or not at all.
    pub(super) fn read(url: Option<&str>, secret: Option<&str>) -> Result<Option<Self>, Problem> {
        let wrong = |setting, problem| Err(Problem { setting, problem });
        let (url, secret) = match (url, secret) {
            (None, None) => return Ok(None),
            (Some(_), None) => return wrong(SECRET, TOGETHER),
            (None, Some(_)) => return wrong(URL, TOGETHER),
            (Some(url), Some(secret)) => (url, secret),
        };
        let Ok(url) = Url::parse(url) else { return wrong(URL, "must be an absolute URL") };
        let mut secrets = Vec::new();
        for text in secret.split(' ') {
            let bytes = text.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok()).map(Zeroizing::new);
            match bytes {
                Some(bytes) if (24..=64).contains(&bytes.len()) && secrets.len() < 2 => secrets.push(bytes),
                _ => return wrong(SECRET, SHAPE),
            }
        }
        Ok(Some(Self { url, secrets }))
    }

    /// The secrets, in clear: each message is signed with all of them.
    pub fn secrets(&self) -> impl Iterator<Item = &[u8]> {
        self.secrets.iter().map(|secret| secret.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{read_with, wrong};

    /// A secret of so many bytes.
    fn of(length: usize) -> String {
        format!("whsec_{}", STANDARD.encode(vec![7; length]))
    }

    /// Both settings.
    fn both<'a>(url: &'a str, secret: &'a str) -> [(&'static str, &'a str); 2] {
        [("EVENT_WEBHOOK_URL", url), ("EVENT_WEBHOOK_SECRET", secret)]
    }

    #[test]
    fn a_secret_is_that_of_standard_webhooks() {
        let two = format!("{} {}", of(24), of(64));
        for (good, count) in [(of(24), 1), (of(64), 1), (two.clone(), 2)] {
            let settings = read_with(&both("https://x.example/", &good)).unwrap();
            assert_eq!(settings.webhook.unwrap().secrets().count(), count, "{good}");
        }
        let bare = STANDARD.encode([7; 24]);
        for bad in [&*bare, "whsec_", "whsec_!", &of(23), &of(65), &format!("{two} {two}"), &format!(" {}", of(24))] {
            assert_eq!(wrong(&both("https://x.example/", bad)), ["EVENT_WEBHOOK_SECRET"], "{bad}");
        }
        assert_eq!(wrong(&both("x.example", &of(24))), ["EVENT_WEBHOOK_URL"]);
    }

    #[test]
    fn address_and_secret_come_together_or_not_at_all() {
        assert!(read_with(&[]).unwrap().webhook.is_none());
        assert_eq!(wrong(&both("https://x.example/", "")), ["EVENT_WEBHOOK_SECRET"]);
        assert_eq!(wrong(&both("", &of(24))), ["EVENT_WEBHOOK_URL"]);
    }

    /// L6: settings print neither the secret nor the address.
    #[test]
    fn debug_output_shows_no_webhook() {
        let settings = read_with(&both("https://x.example/hunter2", &of(24))).unwrap();
        let text = format!("{settings:?}");
        assert!(text.contains("Webhook(***)") && !text.contains("hunter2") && !text.contains("[7, 7"), "{text}");
    }
}
