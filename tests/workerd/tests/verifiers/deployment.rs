//! The Postern whose tokens are checked.

use serde_json::{Value, json};
use workerd_tests::{APP_ENCRYPTION_KEY, Clock, Postern, Setup};

use crate::common::{self, Client};
use crate::keys::Key;

/// Life of the tokens, in seconds.
pub(crate) const LIFE: i64 = 3_600;

/// What a resource server of its own is called.
pub(crate) const RESOURCE: &str = "https://api.example/v1";

/// A Postern with a client that may read scopes, for itself and for [`RESOURCE`].
pub(crate) struct Deployment {
    /// The clock that it lives by.
    pub(crate) clock: Clock,
    /// The process.
    pub(crate) postern: Postern,
    /// The client.
    pub(crate) client: Client,
}

/// A deployment's settings: tokens that live for [`LIFE`].
pub(crate) fn setup(clock: &Clock) -> Setup {
    Setup::new().set("OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES", "60").clock(clock)
}

/// The application key's successor.
pub(crate) const NEXT_KEY: &str = "another-key-of-the-tests-32bytes";

/// The settings with an application key and another one that only opens and verifies.
pub(crate) fn with_keys(clock: &Clock, current: &str, other: &str) -> Setup {
    assert!([APP_ENCRYPTION_KEY, NEXT_KEY].contains(&current));
    let others = json!([other]).to_string();
    setup(clock).set("APP_ENCRYPTION_KEY", current).set("APP_ENCRYPTION_KEYS_PREVIOUS", &others)
}

/// An element of `SIGNING_KEYS`: a key of the seed that [`Key::ed25519`] makes of a number, or the derived one; when it
/// is published, signs and retires.
type Scheduled = (Option<u8>, i64, i64, Option<i64>);

/// `SIGNING_KEYS`.
pub(crate) fn schedule(keys: &[Scheduled]) -> String {
    let element = |(seed, publish_from, sign_from, retire_at): &Scheduled| {
        let seed = seed.map_or_else(|| "derived".to_owned(), |seed| format!("{seed:02x}").repeat(32));
        json!({ "seed": seed, "publish_from": publish_from, "sign_from": sign_from, "retire_at": retire_at })
    };
    keys.iter().map(element).collect::<Value>().to_string()
}

impl Deployment {
    /// Starts one.
    pub(crate) fn start(clock: &Clock, setup: Setup) -> Self {
        let postern = Postern::start(setup);
        let body = json!({ "scopes": ["scope:read"], "resources": [RESOURCE] });
        let client = common::client_of(&postern, &common::root(&postern), &body);
        Self { clock: clock.clone(), postern, client }
    }

    /// Starts one with this schedule.
    pub(crate) fn scheduled(clock: &Clock, keys: &[Scheduled]) -> Self {
        Self::start(clock, setup(clock).set("SIGNING_KEYS", &schedule(keys)))
    }

    /// A token for the issuer itself.
    pub(crate) fn token(&self) -> String {
        common::token(&self.postern, &self.client.id, &self.client.secret)
    }

    /// A token for [`RESOURCE`] (RFC 8707 §2).
    pub(crate) fn token_for_resource(&self) -> String {
        let form = [("grant_type", "client_credentials"), ("resource", RESOURCE)];
        let request = self.postern.post(common::TOKEN).basic(&self.client.id, &self.client.secret).form(&form);
        common::text(&request.send().expect_status(200).json(), "access_token")
    }

    /// The name of the one published key that has this seed.
    pub(crate) fn key_id(&self, key: &Key) -> String {
        let keys = self.postern.get("/.well-known/jwks.json").send().expect_status(200).json();
        let same = |each: &&Value| each["x"] == key.public()["x"];
        let found = keys["keys"].as_array().into_iter().flatten().find(same);
        common::text(found.unwrap_or_else(|| panic!("not published: {keys}")), "kid")
    }

    /// Moves the clock to an instant.
    pub(crate) fn until(&self, instant: i64) {
        self.clock.advance(instant - self.clock.now());
    }
}
