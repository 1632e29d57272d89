//! Why a provider could not be used, and whose fault that is.
//!
//! Decides: the class of a fault, whether an answer may have been lost, the words for it. Leaves to others: reading
//! answers (`token_exchange`), what a class means for a connection (`refresh`).
//!
//! | fault                                                                  | class                            |
//! |------------------------------------------------------------------------|----------------------------------|
//! | refused with a code or a status that the definition names              | the one that it says             |
//! | refused with one of `CONNECTION_CODES`                                 | connection                       |
//! | refused with one of `INTEGRATION_CODES`, or with 401 and no code       | integration                      |
//! | no request that may be sent                                            | integration                      |
//! | anything else                                                          | provider                         |
//!
//! Without a refresh token, and with client credentials, there is no grant that could be over: what would be the
//! connection's is then the provider's.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    ports::{ProviderFailure, ProviderResponse},
    protocol::{
        json::{BadMember, FromJson, Members},
        word::words,
    },
};

/// Why a provider could not be used. Codes are from the RFCs' registry or ours, or named by the definition, never the
/// provider's free text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The provider refused, with its error code where it gave one.
    Refused {
        /// `error` of RFC 6749 §5.2.
        error: Option<String>,
        /// HTTP status; 0 in what was stored before there was this member.
        status: u16,
    },
    /// The provider takes no more requests for now.
    Busy,
    /// The provider failed (5xx).
    Failed,
    /// No connection, or the connection broke.
    Unreachable,
    /// No answer in time, ours or that of a server between (504).
    TimedOut,
    /// An answer that is no token answer.
    Unreadable,
    /// The definition and the secrets make no request that may be sent.
    NotSendable,
}

impl From<ProviderFailure> for Fault {
    fn from(failure: ProviderFailure) -> Self {
        match failure {
            ProviderFailure::Unreachable => Self::Unreachable,
            ProviderFailure::TimedOut => Self::TimedOut,
            ProviderFailure::TooLarge(_) => Self::Unreadable,
        }
    }
}

/// The status of an answer of which nothing else counts, however long it is.
///
/// # Errors
/// 502 or 504: there is none.
pub fn status_of(answer: &Result<ProviderResponse, ProviderFailure>) -> Result<u16, Fault> {
    match answer {
        Ok(ProviderResponse { status, .. }) | Err(ProviderFailure::TooLarge(status)) => Ok(*status),
        Err(failure) => Err((*failure).into()),
    }
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultClass {
    /// The connection's: its grant is over, and only a person can help.
    Connection,
    /// The operator's: client or definition are wrong, for every connection that has them.
    Integration,
    /// The provider's, for now.
    Provider,
}

words!(FaultClass: Serialize {
    Connection => "connection",
    Integration => "integration",
    Provider => "provider",
});

/// Every fault that is no refusal.
const OTHERS: [Fault; 6] =
    [Fault::Busy, Fault::Failed, Fault::Unreachable, Fault::TimedOut, Fault::Unreadable, Fault::NotSendable];

/// Error codes that say of a refresh token that only a person can help.
const CONNECTION_CODES: [&str; 9] = [
    // RFC 6749 §5.2: expired, revoked, or issued to another client.
    "invalid_grant",
    // Slack, errors of `oauth.v2.access`.
    "invalid_refresh_token",
    "token_revoked",
    // GitHub, refreshing user access tokens; HubSpot, as `status`.
    "bad_refresh_token",
    // RFC 8628 §3.5.
    "expired_token",
    // OpenID Connect Core §3.1.2.6; Microsoft's token endpoint documents the first and the last of them for refresh
    // tokens.
    "interaction_required",
    "login_required",
    "account_selection_required",
    "consent_required",
];

/// Error codes that say that the operator's client or definition is wrong.
const INTEGRATION_CODES: [&str; 12] = [
    // RFC 6749 §5.2 and, of a provider that has restricted the client, §4.1.2.1.
    "invalid_client",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    // GitHub, errors of access token requests.
    "incorrect_client_credentials",
    "redirect_uri_mismatch",
    // Slack, errors of `oauth.v2.access`; the second one Salesforce's too.
    "bad_client_secret",
    "invalid_client_id",
    // Google, authorization errors of OAuth 2.0.
    "deleted_client",
    "disabled_client",
    "org_internal",
    "admin_policy_enforced",
];

/// Those among them that say that id or secret of the client are wrong.
const CLIENT_CODES: [&str; 4] =
    ["invalid_client", "incorrect_client_credentials", "bad_client_secret", "invalid_client_id"];

impl FromJson for Fault {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        let bad = || BadMember("fault");
        if let Value::String(word) = value {
            return OTHERS.into_iter().find(|other| other.word() == word).ok_or_else(bad);
        }
        let mut refused = Members::of(Members::of(value)?.value("refused").ok_or_else(bad)?)?;
        let status = u16::try_from(refused.count("status")?).map_err(|_| bad())?;
        Ok(Self::Refused { error: refused.text("error")?, status })
    }
}

impl Fault {
    /// Whose fault it is, of a request `with_refresh_token` or of one without; `named` is what the definition says of
    /// codes and statuses, and beats our own tables.
    #[must_use]
    pub fn class(&self, with_refresh_token: bool, named: &[(String, FaultClass)]) -> FaultClass {
        match self.told_class(named) {
            Some(FaultClass::Connection) if !with_refresh_token => FaultClass::Provider,
            told => told.unwrap_or(FaultClass::Provider),
        }
    }

    /// Whether it is a refusal that neither the definition nor a table of ours knows anything about.
    #[must_use]
    pub fn is_unclassified(&self, named: &[(String, FaultClass)]) -> bool {
        matches!(self, Self::Refused { .. }) && self.told_class(named).is_none()
    }

    /// Whether the definition says of it that the provider will not mend it: by its code, or by its status where it has
    /// none.
    pub(super) fn is_condemned(&self, named: &[(String, FaultClass)]) -> bool {
        let Self::Refused { error, status } = self else { return false };
        let named =
            error.as_ref().map_or_else(|| named_class(&status.to_string(), named), |code| named_class(code, named));
        named.is_some_and(|class| class != FaultClass::Provider)
    }

    /// The class that a table tells.
    fn told_class(&self, named: &[(String, FaultClass)]) -> Option<FaultClass> {
        let (error, status) = match self {
            Self::Refused { error, status } => (error.as_deref(), *status),
            Self::NotSendable => return Some(FaultClass::Integration),
            Self::Busy | Self::Failed | Self::Unreachable | Self::TimedOut | Self::Unreadable => return None,
        };
        let is = |known: &[&str]| error.is_some_and(|code| known.contains(&code));
        error.and_then(|code| named_class(code, named)).or_else(|| {
            if is(&CONNECTION_CODES) {
                Some(FaultClass::Connection)
            } else if is(&INTEGRATION_CODES) {
                Some(FaultClass::Integration)
            } else {
                let of_status = named_class(&status.to_string(), named);
                of_status.or_else(|| (status == 401 && error.is_none()).then_some(FaultClass::Integration))
            }
        })
    }

    /// Whether the provider refused the client itself, so that others of the ordered credentials may do better.
    #[must_use]
    pub fn refuses_client(&self, named: &[(String, FaultClass)]) -> bool {
        let Self::Refused { error, status } = self else { return false };
        match error.as_deref() {
            None => *status == 401,
            Some(code) => CLIENT_CODES.contains(&code) || named_class(code, named) == Some(FaultClass::Integration),
        }
    }

    /// Whether the provider may have done what it was asked for, and its answer was lost.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        matches!(self, Self::TimedOut | Self::Unreachable | Self::Unreadable)
    }

    /// A word for it that stays the same.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Busy => "busy",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Unreadable => "unreadable",
            Self::NotSendable => "not_sendable",
        }
    }

    /// The provider's error code, if it gave one that is known.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { error, .. } => error.as_deref(),
            _ => None,
        }
    }
}

/// What a definition says of a code, in any case, or of a status.
fn named_class(name: &str, named: &[(String, FaultClass)]) -> Option<FaultClass> {
    named.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, class)| *class)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::json;

    /// A refusal.
    fn refused(status: u16, error: Option<&str>) -> Fault {
        Fault::Refused { error: error.map(str::to_owned), status }
    }

    /// Every fault that is no refusal, its word, and whether an answer was lost.
    const OTHERS: [(Fault, &str, bool); 6] = [
        (Fault::Busy, "busy", false),
        (Fault::Failed, "failed", false),
        (Fault::Unreachable, "unreachable", true),
        (Fault::TimedOut, "timed_out", true),
        (Fault::Unreadable, "unreadable", true),
        (Fault::NotSendable, "not_sendable", false),
    ];

    /// The next credentials are tried when the client is refused, not when it may not do something.
    #[test]
    fn only_a_refused_client_is_worth_other_credentials() {
        for (fault, expected) in [
            (refused(400, Some("invalid_client")), true),
            (refused(200, Some("bad_client_secret")), true),
            (refused(401, None), true),
            (refused(400, None), false),
            (refused(401, Some("invalid_grant")), false),
            (refused(400, Some("unauthorized_client")), false),
            (refused(400, Some("E17")), false),
            (Fault::NotSendable, false),
        ] {
            assert_eq!(fault.refuses_client(&[]), expected, "{fault:?}");
        }
        let named = [("e17".to_owned(), FaultClass::Integration)];
        assert!(refused(400, Some("E17")).refuses_client(&named));
    }

    /// Each code that a table knows, whatever the status; a bare 401; the rest, which somebody should look at.
    #[test]
    fn a_refusal_is_whose_code_it_has() {
        use FaultClass::{Connection, Integration, Provider};
        let known = |codes: &[&'static str], class| codes.iter().map(|code| (Some(*code), class)).collect::<Vec<_>>();
        let codes = [known(&CONNECTION_CODES, Connection), known(&INTEGRATION_CODES, Integration)].concat();
        assert_eq!(codes.len(), 21);
        for (code, class) in codes {
            for status in [0, 200, 400, 401, 403] {
                let fault = refused(status, code);
                assert_eq!((fault.class(true, &[]), fault.is_unclassified(&[])), (class, false), "{fault:?}");
                assert_eq!(fault.code(), code);
            }
        }
        assert_eq!(refused(401, None).class(true, &[]), Integration);
        assert!(!refused(401, None).is_unclassified(&[]));
        let unknown = ["invalid_request", "invalid_token", "access_denied", "oauthexception", "something"].map(Some);
        for code in unknown.into_iter().chain([None]) {
            for status in [0, 200, 400, 403, 404] {
                let fault = refused(status, code);
                assert_eq!((fault.class(true, &[]), fault.is_unclassified(&[])), (Provider, true), "{fault:?}");
            }
        }
    }

    /// K18: without a refresh token no person can help, whoever says so.
    #[test]
    fn only_a_grant_is_a_connections_fault() {
        let named = [("x".to_owned(), FaultClass::Connection)];
        for code in CONNECTION_CODES.into_iter().chain(["x"]) {
            let fault = refused(400, Some(code));
            assert_eq!(fault.class(true, &named), FaultClass::Connection, "{code}");
            assert_eq!(fault.class(false, &named), FaultClass::Provider, "{code}");
            assert!(!fault.is_unclassified(&named));
        }
        assert_eq!(refused(400, Some("invalid_client")).class(false, &[]), FaultClass::Integration);
    }

    /// What the definition says beats our tables, and what it says of a code what it says of a status.
    #[test]
    fn a_definition_names_faults() {
        use FaultClass::{Connection, Integration, Provider};
        let named = [
            ("invalid_grant".to_owned(), Provider),
            ("unauthorized_client".to_owned(), Connection),
            ("AADSTS70008".to_owned(), Connection),
            ("401".to_owned(), Provider),
            ("403".to_owned(), Integration),
        ];
        for (status, code, class) in [
            (400, Some("invalid_grant"), Provider),
            (403, Some("invalid_grant"), Provider),
            (400, Some("unauthorized_client"), Connection),
            (400, Some("aadsts70008"), Connection),
            (400, Some("invalid_client"), Integration),
            (401, None, Provider),
            (401, Some("invalid_client"), Integration),
            (403, None, Integration),
            (403, Some("access_denied"), Integration),
            (403, Some("login_required"), Connection),
            (404, None, Provider),
        ] {
            let fault = refused(status, code);
            assert_eq!(fault.class(true, &named), class, "{fault:?}");
            assert_eq!(fault.is_unclassified(&named), status == 404);
        }
        for (fault, ..) in OTHERS {
            assert_eq!(fault.class(true, &named), fault.class(true, &[]));
        }
    }

    /// What is no refusal is the provider's, but for a request that cannot be made.
    #[test]
    fn other_faults_have_words_and_classes() {
        for (fault, word, is_lost) in OTHERS {
            let class = if fault == Fault::NotSendable { FaultClass::Integration } else { FaultClass::Provider };
            assert_eq!((fault.class(true, &[]), fault.is_unclassified(&[])), (class, false), "{word}");
            assert_eq!((fault.word(), fault.is_lost(), fault.code()), (word, is_lost, None));
            assert_eq!(serde_json::to_string(&fault).unwrap(), format!("\"{word}\""));
        }
        let refused = refused(400, None);
        assert_eq!((refused.word(), refused.is_lost(), refused.code()), ("refused", false, None));
    }

    /// The stored form, and the one of before there were statuses.
    #[test]
    fn stored_forms_are_pinned() {
        let stored = include_str!("../../fixtures/storage/v1/refused.json").trim_end();
        let fault = refused(400, Some("invalid_grant"));
        assert_eq!(serde_json::to_string(&fault).unwrap(), stored);
        let read = |stored: &str| json::read::<Fault>(stored.as_bytes());
        assert_eq!(read(stored).unwrap(), fault);
        let former = r#"{"refused":{"error":"invalid_grant"}}"#;
        assert_eq!(read(former).unwrap(), refused(0, Some("invalid_grant")));
        for (other, word, _) in OTHERS {
            assert_eq!(read(&format!("\"{word}\"")).unwrap(), other);
        }
        for bad in ["null", "7", "\"lost\"", "{}", r#"{"refused":7}"#, r#"{"refused":{"error":null,"status":65536}}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
