//! What we say about bearer tokens (RFC 6750 §3.1).

use http::StatusCode;

use super::{ApiError, Challenge};
use crate::protocol::{authorization_header::MalformedHeader, error_code::ErrorCode};

/// What is wrong with the bearer token of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BearerProblem {
    /// There is none.
    Missing,
    /// The header, or the way the token is sent, is malformed.
    Malformed,
    /// Expired, tampered with, revoked, unknown: one answer.
    Unusable,
    /// It is good but too narrow.
    Insufficient {
        /// What the route requires.
        required: &'static str,
    },
}

impl ApiError {
    /// 401 or 403 by what is wrong with the bearer token.
    #[must_use]
    pub fn bearer(problem: BearerProblem) -> Self {
        match problem {
            BearerProblem::Missing => Self::new(StatusCode::UNAUTHORIZED, "Failed to authenticate")
                .challenged(Challenge::Bearer { error: None, scope: None }),
            BearerProblem::Malformed => Self::new(StatusCode::BAD_REQUEST, "Malformed or repeated bearer credentials")
                .challenged(Challenge::Bearer { error: Some(ErrorCode::InvalidRequest), scope: None }),
            BearerProblem::Unusable => Self::new(StatusCode::UNAUTHORIZED, "Not Authorized for this action")
                .challenged(Challenge::Bearer { error: Some(ErrorCode::InvalidToken), scope: None }),
            BearerProblem::Insufficient { required } => {
                let text = format!("Not Authorized for this action. Required scope(s): [{required}]");
                let error = Some(ErrorCode::InsufficientScope);
                Self::new(StatusCode::FORBIDDEN, text).challenged(Challenge::Bearer { error, scope: Some(required) })
            }
        }
    }

    /// As Fides has it: 403, without a challenge, for every bearer token that cannot be used. Other errors stay.
    #[must_use]
    pub fn with_bearer_forbidden(self) -> Self {
        match self.0.challenge {
            Some(Challenge::Bearer { error: Some(ErrorCode::InvalidRequest | ErrorCode::InvalidToken), .. }) => {
                Self::new(StatusCode::FORBIDDEN, "Not Authorized for this action").caused(self.0.cause)
            }
            _ => self,
        }
    }
}

impl From<MalformedHeader> for BearerProblem {
    fn from(malformed: MalformedHeader) -> Self {
        match malformed {
            MalformedHeader::BearerToken => Self::Unusable,
            // Another scheme, well-formed or not, is no bearer token (RFC 6750 §3.1).
            MalformedHeader::Basic => Self::Missing,
            MalformedHeader::Repeated | MalformedHeader::TooLong | MalformedHeader::Bearer => Self::Malformed,
        }
    }
}
