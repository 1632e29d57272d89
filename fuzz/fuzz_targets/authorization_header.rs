//! The `Authorization` header: the lines of the input are the values of as many header fields.
#![no_main]

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use libfuzzer_sys::fuzz_target;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use postern::protocol::{
    authorization_header::{Credentials, HEADER_LIMIT, MalformedHeader, credentials},
    secret::SecretText,
};

/// Reads one header value.
fn read(value: &[u8]) -> Result<Option<Credentials>, MalformedHeader> {
    let mut headers = HeaderMap::new();
    headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).expect("no control characters"));
    credentials(&headers)
}

/// `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 6750 §2.1).
fn is_b64token(text: &[u8]) -> bool {
    let characters = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte)).count();
    characters > 0 && text[characters..].iter().all(|byte| *byte == b'=')
}

/// What must hold for Basic credentials (RFC 7617 §2, RFC 6749 §2.3.1).
fn check_basic(parameters: &[u8], client_id: &str, client_secret: &SecretText, sent_secret: &SecretText) {
    let pair = STANDARD.decode(parameters).expect("accepted credentials are base64");
    assert_eq!(STANDARD.encode(&pair).as_bytes(), parameters, "accepted base64 is canonical");
    let pair = String::from_utf8(pair).expect("accepted credentials are UTF-8");
    let whole_escape = |tail: &str| {
        let bytes = tail.as_bytes();
        bytes.len() >= 2 && bytes[..2].iter().all(u8::is_ascii_hexdigit)
    };
    assert!(pair.split('%').skip(1).all(whole_escape), "every escape is whole");
    let sent = pair.split_once(':').expect("a pair has a colon").1;
    assert_eq!(sent_secret.expose(), sent, "the secret as it was sent");
    // Nothing that is neither `+` nor `%` changes on the way.
    if !pair.contains(['+', '%']) {
        assert_eq!(pair, format!("{client_id}:{}", client_secret.expose()));
    }
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let sent_again = encoded(client_secret.expose());
    let written = STANDARD.encode(format!("{}:{sent_again}", encoded(client_id)));
    let written = format!("Basic {written}");
    if written.len() <= HEADER_LIMIT {
        let (client_id, client_secret) = (client_id.to_owned(), client_secret.clone());
        let again = Credentials::Basic { client_id, client_secret, sent_secret: SecretText::new(sent_again) };
        assert_eq!(read(written.as_bytes()), Ok(Some(again)), "what was read can be written and read again");
    }
}

/// What must hold for one header value.
fn check(value: &[u8]) {
    let outcome = read(value);
    if value.len() > HEADER_LIMIT {
        return assert_eq!(outcome, Err(MalformedHeader::TooLong));
    }
    let (scheme, parameters) = match value.iter().position(|byte| *byte == b' ') {
        Some(space) => (&value[..space], &value[space + 1..]),
        None => (value, &[][..]),
    };
    let shown = format!("{outcome:?}");
    match (scheme.to_ascii_lowercase().as_slice(), &outcome) {
        (b"basic", Err(MalformedHeader::Basic)) => {}
        (b"basic", Ok(Some(Credentials::Basic { client_id, client_secret, sent_secret }))) => {
            check_basic(parameters, client_id, client_secret, sent_secret);
            let secrets = "client_secret: SecretText(***), sent_secret: SecretText(***)";
            let masked = format!("Basic {{ client_id: {client_id:?}, {secrets} }}");
            assert_eq!(shown, format!("Ok(Some({masked}))"));
        }
        (b"bearer", Ok(Some(Credentials::Bearer(token)))) => {
            assert!(is_b64token(parameters));
            assert_eq!(token.expose().as_bytes(), parameters, "the token is what was sent");
            assert_eq!(shown, "Ok(Some(Bearer(SecretText(***))))");
        }
        (b"bearer", Err(MalformedHeader::BearerToken)) => assert!(!is_b64token(parameters) && !parameters.is_empty()),
        (b"bearer", Err(MalformedHeader::Bearer)) => assert!(!is_b64token(parameters)),
        (b"basic" | b"bearer", other) => panic!("{other:?}"),
        (_, other) => assert_eq!(*other, Ok(Some(Credentials::Other))),
    }

    // The case of the scheme means nothing (RFC 9110 §11.1).
    let mut swapped = value.to_vec();
    swapped[..scheme.len()].iter_mut().for_each(|byte| *byte ^= if byte.is_ascii_alphabetic() { 0x20 } else { 0 });
    assert_eq!(read(&swapped), outcome);
}

fuzz_target!(|data: &[u8]| {
    let mut headers = HeaderMap::new();
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    for line in &lines {
        // HTTP itself lets no other control characters through.
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        headers.append(AUTHORIZATION, value);
    }
    match lines[..] {
        [value] => check(value),
        _ => assert_eq!(credentials(&headers), Err(MalformedHeader::Repeated)),
    }
});
