//! Our access tokens: writing and judging, which is ours, and both with the signature, which in production is the
//! platform's; here it is that of `ed25519-dalek`.

use std::hint::black_box;

use criterion::Criterion;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use postern::{
    authorization_server::access_token::{Subject, TokenAuthority},
    config::{self, Settings},
    protocol::{jwk::Jwk, scope::Scope, secret::SecretText, time::UnixSeconds},
};

/// When all happens.
const NOW: UnixSeconds = UnixSeconds(1_790_000_000);

/// The id of the token.
const TOKEN_ID: [u8; 16] = [7; 16];

/// What a backend's client holds.
const SCOPE: &str = "client:read connection:read connection_token:read scope:read";

/// The settings of a deployment that has nothing but what it needs.
fn settings() -> Settings {
    let key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    config::read(|name| match name {
        "OAUTH_ROOT_CLIENT_ID" => Some("root".to_owned()),
        "OAUTH_ROOT_CLIENT_SECRET" | "APP_ENCRYPTION_KEY" => Some(key.to_owned()),
        "PUBLIC_URL" => Some("https://postern.example.com".to_owned()),
        _ => None,
    })
    .unwrap()
}

/// A token, from claims to text; and from text to claims.
pub(super) fn bench(criterion: &mut Criterion) {
    let settings = settings();
    let signer = SigningKey::from_bytes(&settings.signing_keys.first().unwrap().seed);
    let verifier = signer.verifying_key();
    let authority = TokenAuthority::new(&settings, vec![Jwk::ed25519(verifier.as_bytes())]);
    let scope = Scope::parse(SCOPE).unwrap();
    let subject = Subject { client_id: "0a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d", scope: &scope, epoch: 3, audience: None };
    let token = sign(&authority, &signer, &subject);
    let mut group = criterion.benchmark_group("token");
    group.bench_function("write", |bencher| {
        bencher.iter(|| authority.issue(black_box(&subject), NOW, TOKEN_ID).unwrap().signing_input().len());
    });
    group.bench_function("write and sign", |bencher| {
        bencher.iter(|| sign(&authority, &signer, black_box(&subject)));
    });
    group.bench_function("judge", |bencher| {
        bencher.iter(|| authority.judge(black_box(&token), NOW).unwrap().proven(true).unwrap());
    });
    group.bench_function("judge and verify", |bencher| {
        bencher.iter(|| verify(&authority, &verifier, black_box(&token)));
    });
    group.finish();
}

/// The token of a client.
fn sign(authority: &TokenAuthority, signer: &SigningKey, subject: &Subject<'_>) -> SecretText {
    let draft = authority.issue(subject, NOW, TOKEN_ID).unwrap();
    let signature = signer.sign(draft.signing_input()).to_bytes();
    draft.signed(&signature)
}

/// The expiry of a token that is good.
fn verify(authority: &TokenAuthority, verifier: &VerifyingKey, token: &SecretText) -> UnixSeconds {
    let unproven = authority.judge(token, NOW).unwrap();
    let signature = Signature::from_bytes(&unproven.signature);
    let is_good = verifier.verify_strict(unproven.signing_input, &signature).is_ok();
    unproven.proven(is_good).unwrap().trusted_until
}
