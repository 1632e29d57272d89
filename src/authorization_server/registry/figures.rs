//! How much the registry holds, for a monitor.

use serde::{Deserialize, Serialize};

/// Numbers of rows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Registered clients; the root client is none.
    pub clients: u32,
    /// Audit rows.
    pub audit_rows: u32,
    /// Tokens that were revoked one by one and have not expired.
    pub revoked_tokens: u32,
    /// Failure budgets that are spent now.
    pub spent_budgets: u32,
}
