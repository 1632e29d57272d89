//! What several targets need.
//!
//! A target reads bytes that a stranger could send and asserts what must hold for all of them: what is accepted fits
//! the grammar of its RFC, worked out here a second time and in another way; bounds are kept; reading what was written
//! again gives the same.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use postern::{
    config::{self, Settings},
    protocol::{
        json,
        validation::{Issue, Step},
    },
};
use serde_json::Value;

/// Settings of a deployment.
#[must_use]
pub fn settings() -> Settings {
    let text = |name: &str| match name {
        "OAUTH_ROOT_CLIENT_ID" => Some("root-id"),
        "OAUTH_ROOT_CLIENT_SECRET" => Some("root-secret"),
        "APP_ENCRYPTION_KEY" => Some("0123456789abcdef0123456789ABCDEF"),
        "PUBLIC_URL" => Some("https://postern.example"),
        _ => None,
    };
    config::read(|name| text(name).map(str::to_owned)).expect("the settings are fine")
}

/// One part of a JWT: base64url without padding (RFC 7515 §2).
#[must_use]
pub fn part(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The JSON object that an accepted part of a JWT holds (RFC 7515 §4, RFC 7519 §3). The part is canonical.
#[must_use]
pub fn object(text: &str) -> serde_json::Map<String, Value> {
    let bytes = URL_SAFE_NO_PAD.decode(text).expect("an accepted part is base64url");
    assert_eq!(part(&bytes), text, "an accepted part is canonical");
    serde_json::from_slice(&bytes).expect("an accepted part is a JSON object")
}

/// What must hold for the issues of any refused document: there are some, not too many, each names a place whose parent
/// is in the document, and each survives the way through JSON.
pub fn check_issues(issues: &[Issue], document: &Value, outer: usize, limit: usize) {
    assert!((1..=limit).contains(&issues.len()), "{} issues", issues.len());
    for issue in issues {
        let steps = issue.loc.get(outer..).expect("a place starts at the document's outside");
        let mut parent = document;
        for step in steps.split_last().map_or(&[][..], |(_, parents)| parents) {
            let inner = match step {
                Step::Member(name) => parent.get(name),
                Step::Element(index) => parent.get(index),
            };
            parent = inner.expect("a place is in the document");
        }
    }
    let text = serde_json::to_vec(issues).expect("issues are JSON");
    assert_eq!(json::read::<Vec<Issue>>(&text).expect("issues are read again"), issues);
}
