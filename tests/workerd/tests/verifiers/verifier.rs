//! Resource servers in libraries that others wrote.

use serde_json::{Value, json};
use workerd_tests::{Answer, Clock, Counterpart, Request};

use crate::common;
use crate::in_process::ResourceServer;

/// A library that checks tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Library {
    /// `jose` (npm).
    Jose,
    /// `express-oauth2-jwt-bearer` (npm), before the routes of an express server.
    Express,
    /// `PyJWT` (`PyPI`).
    PyJwt,
    /// `joserfc` (`PyPI`).
    Joserfc,
    /// `jsonwebtoken` (crates.io), in the test program itself: it lives by the machine's clock.
    JsonWebToken,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is for somebody else.
    Audience,
    /// It is from somebody else.
    Issuer,
    /// Its time is over.
    Expired,
    /// It is not what was signed.
    Signature,
    /// It is not signed (RFC 7518 §3.6).
    Unsigned,
    /// It is signed with a secret (RFC 7518 §3.2).
    Symmetric,
    /// No published key has that name.
    UnknownKey,
    /// It is no token of three parts.
    Truncated,
    /// It is some other kind of JWT.
    Type,
}

impl Library {
    /// All of them in the order of [`Library::words`].
    const EVERY: [Self; 5] = [Self::Jose, Self::Express, Self::PyJwt, Self::Joserfc, Self::JsonWebToken];

    /// What a library says of a refusal, or a part of that.
    pub(crate) fn words(self, refusal: Refusal) -> &'static str {
        let words = match refusal {
            Refusal::Audience => [
                "ERR_JWT_CLAIM_VALIDATION_FAILED aud",
                "Unexpected 'aud' value",
                "InvalidAudienceError: ",
                "InvalidClaimError: invalid_claim: Invalid claim: 'aud'",
                "InvalidAudience",
            ],
            Refusal::Issuer => [
                "ERR_JWT_CLAIM_VALIDATION_FAILED iss",
                "Unexpected 'iss' value",
                "InvalidIssuerError: ",
                "InvalidClaimError: invalid_claim: Invalid claim: 'iss'",
                "InvalidIssuer",
            ],
            Refusal::Expired => {
                ["ERR_JWT_EXPIRED exp", "'exp'", "ExpiredSignatureError: ", "ExpiredTokenError: ", "ExpiredSignature"]
            }
            Refusal::Signature => [
                "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
                "signature verification failed",
                "InvalidSignatureError: ",
                "BadSignatureError: ",
                "InvalidSignature",
            ],
            Refusal::Unsigned => [
                "ERR_JOSE_ALG_NOT_ALLOWED",
                "Unsupported algorithm 'none'",
                "InvalidAlgorithmError: ",
                "Algorithm of 'none' is not allowed",
                "unknown variant `none`",
            ],
            Refusal::Symmetric => [
                "ERR_JOSE_ALG_NOT_ALLOWED",
                "Unsupported algorithm 'HS256'",
                "InvalidAlgorithmError: ",
                "Algorithm of 'HS256' is not allowed",
                "InvalidAlgorithm",
            ],
            Refusal::UnknownKey => {
                ["ERR_JWKS_NO_MATCHING_KEY", "no applicable key", "PyJWKClientError: ", "InvalidKeyIdError: ", "no key"]
            }
            Refusal::Truncated => [
                "ERR_JWS_INVALID",
                "Invalid Token or Protected Header",
                "DecodeError: ",
                "DecodeError: ",
                "InvalidToken",
            ],
            Refusal::Type => ["ERR_JWT_CLAIM_VALIDATION_FAILED typ", "Unexpected 'typ' value", "-", "-", "-"],
        };
        let found = Self::EVERY.into_iter().zip(words).find(|(library, _)| *library == self);
        found.map(|(_, words)| words).expect("one of them all")
    }

    /// Whether it looks at the type; else that is left to its user (RFC 9068 §4).
    pub(crate) fn checks_type(self) -> bool {
        matches!(self, Self::Jose | Self::Express)
    }

    /// Whether it lives by the clock of the test.
    pub(crate) fn has_the_clock(self) -> bool {
        self != Self::JsonWebToken
    }
}

/// A resource server. It keeps its keys as long as it lives, in the way of its library.
pub(crate) enum Verifier {
    /// A process that answers what the library says.
    Program(Counterpart),
    /// A process whose routes are asked.
    Server {
        /// Where they are.
        origin: String,
        /// The process.
        _process: Counterpart,
    },
    /// One in the test program.
    InProcess(Box<ResourceServer>),
}

impl Verifier {
    /// Starts a resource server of this name that trusts an issuer.
    pub(crate) fn start(library: Library, clock: &Clock, issuer: &str, audience: &str) -> Self {
        let (program, name) = match library {
            Library::Jose => ("verifiers.mjs", "jose"),
            Library::Express => ("verifiers.mjs", "express"),
            Library::PyJwt => ("verifiers.py", "PyJWT"),
            Library::Joserfc => ("verifiers.py", "joserfc"),
            Library::JsonWebToken => return Self::InProcess(Box::new(ResourceServer::new(clock, issuer, audience))),
        };
        let counterpart = Counterpart::start(program, name, Some(clock));
        let started = counterpart.ask("start", &json!({ "issuer": issuer, "audience": audience }));
        if library == Library::Express {
            return Self::Server { origin: common::text(&started, "origin"), _process: counterpart };
        }
        assert_eq!(started, Value::Null);
        Self::Program(counterpart)
    }

    /// What it makes of a token: its `header` and `claims`, or why it is refused, in the library's words.
    pub(crate) fn verify(&mut self, token: &str) -> Result<Value, String> {
        match self {
            Self::Program(counterpart) => {
                let answer = counterpart.ask("verify", &json!({ "token": token }));
                let refused = answer.get("error").map(|_| common::text(&answer, "error"));
                refused.map_or(Ok(answer), Err)
            }
            Self::Server { origin, .. } => guarded(&format!("{origin}/read"), token),
            Self::InProcess(server) => server.verify(token),
        }
    }

    /// Fails unless the token is accepted; returns its claims.
    #[track_caller]
    pub(crate) fn accept(&mut self, token: &str) -> Value {
        let mut verified = self.verify(token).unwrap_or_else(|refused| panic!("{refused}: {token}"));
        assert_eq!((&verified["header"]["typ"], &verified["header"]["alg"]), (&json!("at+jwt"), &json!("EdDSA")));
        verified["claims"].take()
    }

    /// Fails unless the token is refused in these words.
    #[track_caller]
    pub(crate) fn refuse(&mut self, token: &str, words: &str) {
        let refused = self.verify(token).expect_err(words);
        assert!(refused.contains(words), "{refused}, not {words}: {token}");
    }
}

/// What a guarded route makes of a token (RFC 6750 §3.1).
fn guarded(url: &str, token: &str) -> Result<Value, String> {
    let answer = Request::new("GET", url).bearer(token).send();
    if answer.status == 200 {
        return Ok(answer.json());
    }
    let challenge = challenge(&answer.expect_status(401));
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    Err(challenge)
}

/// The challenge of an answer.
pub(crate) fn challenge(answer: &Answer) -> String {
    answer.header("WWW-Authenticate").unwrap_or_default().to_owned()
}
