//! Access tokens (RFC 9068): the strict reading of their text, and that none verifies but what was issued.
//!
//! The first byte of the input says what the rest is: a text; header and claims, each a line of JSON; changes to a good
//! token; or what a token is issued for.
#![no_main]

use std::sync::LazyLock;

use ed25519_dalek::{Signature, Signer, SigningKey};
use libfuzzer_sys::fuzz_target;
use postern::{
    authorization_server::access_token::{Draft, Subject, TokenAuthority, Unproven, Verified},
    protocol::{
        jwk::Jwk,
        scope::Scope,
        secret::SecretText,
        time::UnixSeconds,
        token::{ALGORITHM, TOKEN_LIMIT, Unreadable, read},
    },
};
use postern_fuzz::{object, part, settings};

/// The instant at which good tokens are issued.
const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

/// The characters that changes put into a token: those of base64url, and some that must not be there.
const CHARACTERS: &[u8; 72] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n~%";

/// The key pair of the deployment.
static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(&settings().signing_keys[0].seed));

/// Writes and judges.
static AUTHORITY: LazyLock<TokenAuthority> =
    LazyLock::new(|| TokenAuthority::new(&settings(), vec![Jwk::ed25519(KEY.verifying_key().as_bytes())]));

/// A good token.
static GOOD: LazyLock<String> = LazyLock::new(|| {
    let scope = Scope::parse("client:read policy:read").expect("a scope");
    let subject = Subject { client_id: "000102030405060708090a0b0c0d0e0f", scope: &scope, epoch: 3, audience: None };
    signed(AUTHORITY.issue(&subject, NOW, [7; 16]).expect("a token is issued")).expose().to_owned()
});

/// What the platform makes of a draft.
fn signed(draft: Draft<'_>) -> SecretText {
    assert_eq!(draft.seed, KEY.as_bytes());
    let signature = KEY.sign(draft.signing_input()).to_bytes();
    draft.signed(&signature)
}

/// What a token is once the platform has looked at its signature.
fn proven(judged: Result<Unproven<'_>, Unreadable>) -> Result<Verified, Unreadable> {
    let unproven = judged?;
    let signature = Signature::from_bytes(&unproven.signature);
    let is_good = KEY.verify(unproven.signing_input, &signature).is_ok();
    unproven.proven(is_good)
}

/// What must hold for any text.
fn check_text(text: &str) {
    if let Ok((header, claims)) = read(text) {
        let parts: Vec<&str> = text.split('.').collect();
        assert!(parts.len() == 3 && text.len() <= TOKEN_LIMIT);
        let (header_members, claim_members) = (object(parts[0]), object(parts[1]));
        // RFC 9068 §2.1: `typ` is a media type, so its case means nothing (RFC 7515 §4.1.9).
        let typ = header.typ.to_ascii_lowercase();
        assert!(header.alg == ALGORITHM && ["at+jwt", "application/at+jwt"].contains(&typ.as_str()));
        assert_eq!(header_members.keys().collect::<Vec<_>>(), ["alg", "kid", "typ"]);
        let names = ["aud", "client_id", "epoch", "exp", "iat", "iss", "jti", "scope", "sub"];
        assert_eq!(claim_members.keys().collect::<Vec<_>>(), names);
        // RFC 8032 §5.1.6: 64 bytes are 86 characters, the last of which has four bits that mean nothing.
        assert!(parts[2].len() == 86 && parts[2].ends_with(['A', 'Q', 'g', 'w']));

        // Written again, the claims are the same.
        let written = serde_json::to_vec(&claims).expect("claims are JSON");
        let again = format!("{}.{}.{}", parts[0], part(written), parts[2]);
        assert!(again.len() > TOKEN_LIMIT || read(&again) == Ok((header, claims)));
    }
    let token = SecretText::new(text.to_owned());
    let verified = proven(AUTHORITY.judge(&token, NOW));
    assert_eq!(verified.is_ok(), text == *GOOD, "nothing verifies that was not issued");
    assert_eq!(proven(AUTHORITY.inspect(&token, NOW)), verified);
}

/// A good token with changes: four bytes each, for the kind, the place (two bytes) and the character.
fn changed(changes: &[u8]) -> String {
    let mut text = GOOD.clone().into_bytes();
    for change in changes.chunks_exact(4).take(16) {
        let place = usize::from(u16::from_be_bytes([change[1], change[2]])) % (text.len() + 1);
        let character = CHARACTERS[usize::from(change[3]) % CHARACTERS.len()];
        match change[0] % 4 {
            0 => text.insert(place, character),
            1 => text.truncate(place),
            2 if place < text.len() => drop(text.remove(place)),
            3 if place < text.len() => text[place] = character,
            _ => {}
        }
    }
    String::from_utf8(text).expect("ASCII")
}

/// What is issued verifies while it lives, and says what it was issued for.
fn check_issued(data: &[u8]) {
    let Some((numbers, text)) = data.split_at_checked(24) else { return };
    let Ok(client_id) = std::str::from_utf8(text) else { return };
    let number = |index: usize| u64::from_be_bytes(numbers[index * 8..][..8].try_into().expect("eight bytes"));
    let (now, epoch, later) = (UnixSeconds(number(0)), number(1), UnixSeconds(number(2)));
    let scope: Scope = client_id.split(' ').collect();
    // Half of the tokens are for others (RFC 8707).
    let audience = (epoch % 2 == 1).then_some(client_id);
    let subject = Subject { client_id, scope: &scope, epoch, audience };
    let Ok(draft) = AUTHORITY.issue(&subject, now, [9; 16]) else {
        // The calendar of the JWT library ends in the year 262142.
        return assert!(now.plus(AUTHORITY.lifetime()).0 > 8_000_000_000_000);
    };
    let token = signed(draft);
    if token.expose().len() > TOKEN_LIMIT {
        return assert!(AUTHORITY.inspect(&token, now).is_err());
    }
    let Verified { claims, trusted_until } = proven(AUTHORITY.inspect(&token, now)).expect("good when it is issued");
    assert_eq!(trusted_until, claims.exp);
    assert_eq!(AUTHORITY.judge(&token, now).is_ok(), audience.is_none_or(|audience| audience == claims.iss));
    assert_eq!((claims.sub.as_str(), claims.client_id.as_str(), claims.epoch), (client_id, client_id, epoch));
    assert_eq!((claims.scope, claims.iat), (scope.to_string(), now));
    assert_eq!(claims.exp, now.plus(AUTHORITY.lifetime()));
    let is_alive = later.0.saturating_add(60) >= now.0 && later < claims.exp;
    assert_eq!(AUTHORITY.inspect(&token, later).is_ok(), is_alive);
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 4 {
        0 => std::str::from_utf8(rest).into_iter().for_each(check_text),
        1 => {
            let mut lines = rest.splitn(2, |byte| *byte == b'\n').map(part);
            let (header, claims) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
            check_text(&format!("{header}.{claims}.{}", part([0x42; 64])));
        }
        2 => check_text(&changed(rest)),
        _ => check_issued(rest),
    }
});
