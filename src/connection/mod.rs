//! We are the OAuth client of one SaaS provider per connection. Knows nothing of the authorization server.

pub mod actor;
pub mod authorization;
pub mod breaker;
pub mod command;
pub mod connect_link;
pub mod connector_template;
pub mod definition;
pub mod directory;
pub mod envelope;
pub mod fault;
pub mod grant;
pub mod history;
pub mod key;
pub mod outbound;
pub mod record;
pub mod refresh;
pub mod return_address;
pub mod rotation;
pub mod secrets;
pub mod state;
pub mod sweep;
pub mod template;
pub mod ticks;
pub mod token_exchange;
pub mod yaml;
