//! What decisions cost on the host, compiled as the product is but for another machine: `cargo bench -p postern`.
//!
//! Whoever makes one of them slower sees it here without a runtime; what a whole request costs, `npm run bench` tells.
//! `cargo test -p postern --bench postern` runs each once.
#![expect(clippy::unwrap_used, reason = "bench: what is measured must be good")]

mod definitions;
mod requests;
mod tokens;

use std::time::Duration;

use criterion::Criterion;
use postern::connection::{definition::Definition, yaml};

/// A definition without secrets that differ between its requests: Basic, no refresh request.
const SMALL: &str = include_str!("../../fixtures/connector/basic_client_credentials.yml");

/// The longest of the fixtures: a code flow with three requests.
const LARGE: &str = include_str!("../../fixtures/connector/many_hosts_code_flow.yml");

/// A definition whose request has a JSON body.
const JSON: &str = include_str!("../../fixtures/connector/json_client_credentials.yml");

/// The definition of a text.
fn definition(text: &str) -> Definition {
    Definition::from_document(yaml::parse(text).unwrap()).unwrap()
}

fn main() {
    let times = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    let mut criterion = times.without_plots().configure_from_args();
    definitions::bench(&mut criterion);
    requests::bench(&mut criterion);
    tokens::bench(&mut criterion);
    criterion.final_summary();
}
