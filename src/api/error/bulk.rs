//! What we say about one thing of several in one request.

use serde_json::Value;

use super::ApiError;

impl ApiError {
    /// What it says, in one text.
    ///
    /// # Errors
    /// Where the fault is ours: the cause, for the log.
    pub fn told(self) -> Result<String, String> {
        if let Some(cause) = self.0.cause {
            return Err(cause);
        }
        Ok(match self.0.detail {
            Value::Array(issues) => issues.iter().map(issue).collect::<Vec<_>>().join("; "),
            detail => detail.as_str().unwrap_or_default().to_owned(),
        })
    }
}

/// One item of a 422: the name of the value, where it has one, and what is wrong with it.
fn issue(issue: &Value) -> String {
    let steps = issue["loc"].as_array().into_iter().flatten();
    let name = steps.filter_map(Value::as_str).next_back().filter(|step| !matches!(*step, "body" | "secrets"));
    let msg = issue["msg"].as_str().unwrap_or_default();
    name.map_or_else(|| msg.to_owned(), |name| format!("{name}: {msg}"))
}
