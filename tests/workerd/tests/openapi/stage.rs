//! A Postern with something behind every route, and what tells schemathesis of it.

use std::fs;

use serde_json::json;
use workerd_tests::{Mock, MockAnswer, MockRequest, Postern, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET, Schemathesis, Setup};

use crate::common::{CLIENT_CREDENTIALS, CODE_FLOW, authorized, client, connect, provider, root, secrets, tokens};

/// A definition with all that one can say.
const TEMPLATE: &str = include_str!("../../../../fixtures/connector/full_template.yml");

/// How many of each thing there are for deletions, which would leave nothing behind of the others.
const SPARE: usize = 40;

/// All of it.
pub(crate) struct Stage {
    /// The product.
    pub(crate) postern: Postern,
    /// Every provider: whatever host a definition names, it answers.
    _mock: Mock,
    /// A token with every scope.
    token: String,
    /// What there is, by the name of the dictionary that it is in.
    names: Vec<(&'static str, Vec<String>)>,
}

impl Stage {
    /// Makes it.
    pub(crate) fn start() -> Self {
        let mock = provider(|request, number| Some(answer(request, number)));
        let postern = Postern::start(Setup::new().outbound(&mock));
        let token = root(&postern);
        connections(&postern, &token, &mock);
        let names = vec![
            ("clients", clients(&postern, &token, 8)),
            ("spare_clients", clients(&postern, &token, SPARE)),
            ("spare_connections", defined(&postern, &token, "spare")),
            ("spare_definitions", defined(&postern, &token, "defined")),
            ("spare_types", templates(&postern, &token)),
        ];
        Self { postern, _mock: mock, token, names }
    }

    /// Tells a run of schemathesis of it.
    pub(crate) fn brief(&self, run: Schemathesis) -> Schemathesis {
        for (name, values) in &self.names {
            let missing = (0..values.len() / 4).map(|number| format!("missing_{number}"));
            // The form of libFuzzer's dictionaries.
            let lines: Vec<_> = values.iter().cloned().chain(missing).map(|value| format!("\"{value}\"\n")).collect();
            fs::write(run.folder().join(format!("{name}.dict")), lines.concat()).unwrap();
        }
        run.set("POSTERN_URL", &self.postern.url())
            .set("POSTERN_TOKEN", &self.token)
            .set("POSTERN_CLIENT_ID", ROOT_CLIENT_ID)
            .set("POSTERN_CLIENT_SECRET", ROOT_CLIENT_SECRET)
    }
}

/// The providers' answer: tokens by POST, something by any other method.
fn answer(request: &MockRequest, number: usize) -> MockAnswer {
    if request.method == "POST" { MockAnswer::json(200, &tokens(number)) } else { MockAnswer::json(200, &json!({})) }
}

/// Clients that hold little.
fn clients(postern: &Postern, token: &str, count: usize) -> Vec<String> {
    (0..count).map(|_| client(postern, token, &["scope:read"]).id).collect()
}

/// The connections that are used: one that a person has authorized, one that needs none, one whose definition and
/// secrets are changed.
fn connections(postern: &Postern, token: &str, mock: &Mock) {
    authorized(postern, token, "person", mock);
    connect(postern, token, "machine", CLIENT_CREDENTIALS, &secrets(&mock.url()));
    connect(postern, token, "changing", CODE_FLOW, &secrets(&mock.url()));
}

/// Connections that have a definition and no secrets.
fn defined(postern: &Postern, token: &str, prefix: &str) -> Vec<String> {
    let names: Vec<_> = (0..SPARE).map(|number| format!("{prefix}_{number}")).collect();
    let items: Vec<_> = names
        .iter()
        .map(|name| json!({ "key": name, "name": name, "connection_type": "saas", "access": "read" }))
        .collect();
    drop(postern.patch("/api/v1/connection").bearer(token).json(&json!(items)).send().expect_status(200));
    for name in &names {
        let path = format!("/api/v1/connection/{name}/saas_config");
        let definition = postern.patch(&path).bearer(token).body("application/yaml", CODE_FLOW);
        drop(definition.send().expect_status(200));
    }
    names
}

/// Registers the templates that are used and those that are deleted, and returns the types of the latter.
fn templates(postern: &Postern, token: &str) -> Vec<String> {
    let spare: Vec<_> = (0..SPARE).map(|number| format!("spare_{number}")).collect();
    let copies = spare.iter().map(|kind| TEMPLATE.replace("type: full_template", &format!("type: {kind}")));
    let used = [TEMPLATE, CODE_FLOW, CLIENT_CREDENTIALS].map(str::to_owned);
    for text in used.into_iter().chain(copies) {
        let register = postern.post("/api/v1/connector-templates/register").bearer(token);
        drop(register.body("application/yaml", text).send().expect_status(200));
    }
    spare
}
