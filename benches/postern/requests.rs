//! Filling in the templates of a definition, with values that must be escaped in every place.

use std::hint::black_box;

use criterion::Criterion;
use postern::{
    connection::{
        definition::Action,
        outbound::OutboundPolicy,
        template::values::Values,
        token_exchange::{authorization_url, request},
    },
    protocol::{host::HostList, secret::SecretText},
};
use serde_json::{Map, Value, json};

use super::{JSON, LARGE, definition};

/// A PKCE challenge (RFC 7636 §4.2).
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The secrets of a connection.
fn secrets() -> Map<String, Value> {
    let secrets = json!({
        "domain": "api.shop.example",
        "client_id": "0a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d",
        "client_secret": "s3cr3t/with+what \"must\" be & escaped = çà",
        "redirect_uri": "https://postern.example.com/api/v1/oauth/callback",
        "property_id": "4711",
    });
    secrets.as_object().cloned().unwrap_or_default()
}

/// The address that a person opens, and the requests for tokens: as a form and as JSON.
pub(super) fn bench(criterion: &mut Criterion) {
    let secrets = secrets();
    let [state, code, verifier, refresh_token] = [
        "LFyYdGn2mTtJmI8XvPaJqQ.5bW1Yc0r3JmIYw",
        "4/0AX4XfWh+code/of=a%provider",
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        "1//0gRefreshTokenOfAProvider-LongAsTheyAre-L9IrqJ",
    ]
    .map(|text| SecretText::new(text.to_owned()));
    let values = Values::new().with_all(&secrets).with("state", &state).with("refresh_token", &refresh_token);
    let exchange = values.clone().with("code", &code).with("code_verifier", &verifier);
    let own_host = Some("postern.example.com".to_owned());
    let policy = OutboundPolicy { allow_loopback: false, own_host, allowed_hosts: HostList::default() };
    let [form, document] = [LARGE, JSON].map(definition);
    let mut group = criterion.benchmark_group("request");
    group.bench_function("authorization URL", |bencher| {
        bencher.iter(|| authorization_url(&form, black_box(&values), Some(CHALLENGE), &policy).unwrap());
    });
    group.bench_function("token request, form", |bencher| {
        bencher.iter(|| request(&form, Action::Access, black_box(&exchange), &policy).unwrap());
    });
    group.bench_function("refresh request, form", |bencher| {
        bencher.iter(|| request(&form, Action::Refresh, black_box(&values), &policy).unwrap());
    });
    group.bench_function("token request, JSON", |bencher| {
        bencher.iter(|| request(&document, Action::Access, black_box(&values), &policy).unwrap());
    });
    group.finish();
}
