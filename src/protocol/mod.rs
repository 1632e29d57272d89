//! What the RFCs say as values, and the forms of what is read, stored and shown: no I/O, no clock, knows nobody.

pub mod address;
pub mod assertion;
pub mod authorization_header;
pub mod error_code;
pub mod field_name;
pub mod form;
pub mod host;
pub mod json;
pub mod json_text;
pub mod jwk;
pub mod jwt;
pub mod number;
pub mod page;
pub mod pkce;
pub mod scope;
pub mod secret;
pub mod text;
pub mod time;
pub mod token;
pub mod validation;
pub mod word;
