//! The Cloudflare Workers runtime: the only code that names `worker`.
//!
//! Decides nothing: it converts, calls, stores and prints. Whatever is worth a test lives in `api`, `connection` or
//! `authorization_server`.

mod breakers;
mod connection;
mod directory;
mod fetch;
mod figures;
mod hop;
mod kv;
mod message;
mod multipart;
mod ports;
mod registry;
mod settings;
mod signatures;
mod sql;
mod templates;

use worker::{Context, Env, Result, ScheduleContext, ScheduledEvent, console_error, console_log, event};

use self::{ports::EdgePorts, settings::deployment};
use crate::api;

/// Every HTTP request.
#[event(fetch)]
async fn main(request: web_sys::Request, env: Env, _context: Context) -> Result<web_sys::Response> {
    let deployment = deployment(&env);
    let handled = match message::read(request).await {
        Ok((request, address)) => api::handle(&deployment, &EdgePorts::new(env), &request, address).await,
        Err(error) => api::unreadable(&error),
    };
    print(handled.log.level, &handled.log);
    message::write(handled.response)
}

/// Every cron tick. The platform may miss a tick or send it twice; both are harmless.
#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    let line = api::sweep::tick(&deployment(&env), &EdgePorts::new(env)).await;
    print(line.level, &line);
}

/// Prints one line of JSON.
fn print(level: &str, line: &impl serde::Serialize) {
    let line = serde_json::to_string(line).unwrap_or_else(|_| "{\"level\":\"error\"}".to_owned());
    if level == "error" { console_error!("{line}") } else { console_log!("{line}") }
}
