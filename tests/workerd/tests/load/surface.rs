//! Every route of the product, with requests that it grants and requests that it refuses. What a flow creates it
//! deletes; what one that broke off has left over, it deletes first.

use serde_json::{Map, Value, json};

use crate::common::{CLIENT_CREDENTIALS, CODE_FLOW};

/// SHA-256 of the token that the provider gives.
const GIVEN: &str = "976ea324c7bdb42650952dce346ddf4fda79aa10e7d7d34f00604d48059b39b3";

/// A request. Its texts may name what is known by then: `{name}`.
pub(crate) struct Step {
    /// Method.
    method: &'static str,
    /// The route, as the API's description writes it.
    route: String,
    /// Its path, which is the route unless told otherwise.
    path: String,
    /// Headers by name.
    headers: Map<String, Value>,
    /// Body.
    body: String,
    /// What is kept of the answer: for each name a pattern with one group.
    keep: Map<String, Value>,
    /// Every status that is right.
    statuses: Vec<u16>,
}

/// A request of the root client to a route, which grants it.
fn ask(method: &'static str, route: &str) -> Step {
    let path = route.to_owned();
    let step = Step {
        method,
        route: path.clone(),
        path,
        headers: Map::new(),
        body: String::new(),
        keep: Map::new(),
        statuses: vec![200],
    };
    step.header("Authorization", "Bearer {root}")
}

/// A request without credentials.
fn open(method: &'static str, route: &str) -> Step {
    let mut step = ask(method, route);
    step.headers.remove("Authorization");
    step
}

impl Step {
    /// With a path that is not the route.
    fn at(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// With a query.
    fn query(self, query: &str) -> Self {
        let path = format!("{}?{query}", self.path);
        Self { path, ..self }
    }

    /// With a header.
    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.into());
        self
    }

    /// With a body.
    fn body(self, content_type: &str, body: impl Into<String>) -> Self {
        Self { body: body.into(), ..self.header("Content-Type", content_type) }
    }

    /// With a JSON body.
    fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// With a form.
    fn form(self, body: &str) -> Self {
        self.body("application/x-www-form-urlencoded", body)
    }

    /// With a definition.
    fn yaml(self, body: &str) -> Self {
        self.body("application/yaml", body)
    }

    /// Keeps what a pattern finds in the answer.
    fn keep(mut self, name: &str, pattern: &str) -> Self {
        self.keep.insert(name.to_owned(), pattern.into());
        self
    }

    /// Answered by one of these.
    fn gets(self, statuses: &[u16]) -> Self {
        Self { statuses: statuses.to_vec(), ..self }
    }

    /// For the program that sends it.
    fn into_value(self) -> Value {
        json!({
            "method": self.method, "route": self.route, "path": self.path, "headers": self.headers,
            "body": self.body, "keep": self.keep, "statuses": self.statuses,
        })
    }
}

/// The names that each connection has for what it makes.
pub(crate) fn variables(root: &str) -> Value {
    json!({ "root": root, "connection_key": "load-{lane}", "connector_type": "load_{lane}" })
}

/// All of it.
pub(crate) fn flows(secrets: &Value) -> Vec<Vec<Value>> {
    let flows = [clients(), connection(secrets), authorizations(secrets), templates(secrets), readings(), refusals()];
    flows.into_iter().map(|flow| flow.into_iter().map(Step::into_value).collect()).collect()
}

/// Clients and their tokens.
fn clients() -> Vec<Step> {
    const TOKEN: &str = "/api/v1/oauth/token";
    const CLIENT: &str = "/api/v1/oauth/client";
    const OWN: &str = "/api/v1/oauth/client/{client_id}";
    let credentials = "client_id={client_id}&client_secret={client_secret}";
    let grant = format!("grant_type=client_credentials&{credentials}");
    let own = |step: Step| step.header("Authorization", "Bearer {own}");
    let about_token = format!("token={{own}}&{credentials}");
    let made = json!({ "scopes": ["scope:read"], "name": "of lane {lane}", "resources": ["https://api.example"] });
    vec![
        ask("POST", CLIENT)
            .json(&made)
            .keep("client_id", r#""client_id":"([^"]+)"#)
            .keep("client_secret", r#""client_secret":"([^"]+)"#),
        open("POST", TOKEN).form(&grant).keep("own", r#""access_token":"([^"]+)"#),
        open("POST", TOKEN).form(&format!("{grant}&resource=https%3A%2F%2Fapi.example")),
        open("POST", TOKEN).form(&format!("{grant}&scope=client%3Acreate")).gets(&[400]),
        own(ask("GET", "/api/v1/oauth/scope")),
        own(ask("GET", "/api/v1/connection")).gets(&[403]),
        own(ask("POST", CLIENT).json(&made)).gets(&[403]),
        open("POST", "/api/v1/oauth/introspect").form(&about_token),
        ask("GET", CLIENT).query("page=1&size=10"),
        ask("GET", OWN),
        ask("PUT", OWN).json(&json!({ "description": "changed" })),
        ask("GET", &format!("{OWN}/scope")),
        ask("PUT", &format!("{OWN}/scope")).json(&json!(["scope:read", "connection:read"])),
        open("POST", "/api/v1/oauth/revoke").form(&about_token),
        own(ask("GET", "/api/v1/oauth/scopes")).gets(&[401]),
        ask("POST", &format!("{OWN}/secret")).json(&json!({})),
        ask("DELETE", OWN),
        ask("GET", OWN).gets(&[404]),
    ]
}

/// A connection from its making to its end.
fn connection(secrets: &Value) -> Vec<Step> {
    const ALL: &str = "/api/v1/connection";
    const OWN: &str = "/api/v1/connection/{connection_key}";
    let below = |path: &str| format!("{OWN}{path}");
    let item = json!([{ "key": "{connection_key}", "connection_type": "saas", "access": "read" }]);
    vec![
        ask("DELETE", OWN).gets(&[204, 404]),
        ask("PATCH", ALL).json(&item),
        ask("PUT", &below("/validate_saas_config")).yaml(CLIENT_CREDENTIALS),
        ask("PATCH", &below("/saas_config")).yaml(CLIENT_CREDENTIALS),
        ask("PATCH", &below("/saas_config")).yaml("saas_config: [").gets(&[422]),
        ask("PUT", &below("/secret")).query("verify=false").json(secrets),
        ask("PATCH", &below("/secret")).json(&json!({ "client_secret": "saassecret" })),
        ask("GET", &below("/saas_config")),
        ask("PATCH", &below("/saas_config")).yaml(&CLIENT_CREDENTIALS.replace("Local Service", "Changed")),
        ask("GET", &below("/saas-history")).keep("version", r#""version":"([^"]+)"#),
        ask("GET", &below("/saas-history/{version}")),
        ask("DELETE", &below("/saas_config")).gets(&[400]),
        ask("GET", &below("/access_token")),
        ask("POST", &below("/access_token/refused")).json(&json!({ "access_token_sha256": GIVEN })),
        ask("POST", &below("/access_token/refused")).json(&json!({ "access_token_sha256": "0".repeat(64) })),
        ask("POST", &below("/access_token/refused")).json(&json!({ "access_token_sha256": "short" })).gets(&[422]),
        ask("GET", &below("/test")),
        ask("GET", &below("/events")),
        ask("GET", OWN),
        ask("POST", &below("/revoke")),
        ask("DELETE", OWN).gets(&[204]),
        ask("GET", OWN).gets(&[404]),
        ask("PATCH", ALL).json(&item),
        ask("PATCH", &below("/saas_config")).yaml(CODE_FLOW),
        ask("DELETE", &below("/saas_config")).gets(&[204]),
        ask("DELETE", OWN).gets(&[204]),
    ]
}

/// Authorizations by a person: the address, the link, and the caller who took the callback.
fn authorizations(secrets: &Value) -> Vec<Step> {
    const OWN: &str = "/api/v1/connection/{connection_key}";
    const CALLBACK: &str = "/api/v1/oauth/callback";
    const STATE: &str = r#"[?&;]state=([^&"]+)"#;
    let below = |path: &str| format!("{OWN}{path}");
    let item = json!([{ "key": "{connection_key}", "connection_type": "saas", "access": "read" }]);
    let come_back = |step: Step| step.query("state={state}&code=code-of-the-provider");
    vec![
        ask("DELETE", OWN).gets(&[204, 404]),
        ask("PATCH", "/api/v1/connection").json(&item),
        ask("PATCH", &below("/saas_config")).yaml(CODE_FLOW),
        ask("PUT", &below("/secret")).query("verify=false").json(secrets),
        ask("GET", &below("/access_token")).gets(&[409]),
        ask("GET", &below("/authorize")).keep("state", STATE),
        come_back(open("GET", CALLBACK)),
        come_back(open("GET", CALLBACK)).gets(&[404]),
        ask("GET", &below("/access_token")),
        ask("POST", &below("/connect_link")).json(&json!({})).keep("token", r#"/connect/([^"]+)"#),
        open("GET", "/connect/{token}").header("Accept", "text/html"),
        open("POST", "/connect/{token}")
            .header("Sec-Fetch-Site", "same-origin")
            .keep("state", STATE)
            .keep("cookie", "(?:S|s)et-(?:C|c)ookie: ([^;]+)"),
        come_back(open("GET", CALLBACK)).header("Cookie", "{cookie}").header("Accept", "text/html").gets(&[303]),
        open("GET", "/connected"),
        ask("GET", &below("/authorize")).keep("state", STATE),
        ask("POST", &below("/complete")).json(&json!({ "state": "{state}", "code": "code-of-the-provider" })),
        ask("POST", &below("/complete")).json(&json!({ "state": "{state}", "code": "again" })).gets(&[404]),
        ask("GET", OWN),
        ask("POST", &below("/revoke")),
        ask("DELETE", OWN).gets(&[204]),
    ]
}

/// Templates, and connections that are made of them.
fn templates(secrets: &Value) -> Vec<Step> {
    const ALL: &str = "/api/v1/connector-templates";
    const OWN: &str = "/api/v1/connector-templates/{connector_type}";
    let template = CODE_FLOW.replace("type: local_provider", "type: load_{lane}");
    let made = json!({ "instance_key": "made_{lane}", "key": "{connection_key}", "secrets": secrets });
    vec![
        ask("DELETE", "/api/v1/connection/{connection_key}").gets(&[204, 404]),
        ask("POST", &format!("{ALL}/register")).yaml(&template),
        ask("POST", "/api/v1/connector_template/register").yaml(&template),
        ask("POST", &format!("{ALL}/register")).yaml("no template").gets(&[422]),
        ask("GET", ALL),
        ask("GET", &format!("{OWN}/config")),
        ask("GET", "/api/v1/connection_type").query("search=load"),
        ask("GET", "/api/v1/connection_type/{connector_type}/secret"),
        ask("POST", "/api/v1/connection/instantiate/{connector_type}").json(&made),
        ask("DELETE", "/api/v1/connection/{connection_key}").gets(&[204]),
        ask("DELETE", OWN),
        ask("GET", &format!("{OWN}/config")).gets(&[404]),
    ]
}

/// What everybody may read, and lists.
fn readings() -> Vec<Step> {
    vec![
        open("GET", "/health"),
        open("GET", "/ready"),
        open("GET", "/.well-known/oauth-authorization-server"),
        open("GET", "/.well-known/jwks.json"),
        open("GET", "/openapi.json"),
        ask("GET", "/metrics"),
        ask("GET", "/api/v1/oauth/role"),
        ask("GET", "/api/v1/oauth/scopes"),
        ask("GET", "/api/v1/oauth/audit").query("size=10"),
        ask("GET", "/api/v1/connection").query("size=10&search=load"),
        open("OPTIONS", "/api/v1/oauth/scope").gets(&[204]),
        ask("POST", "/api/v1/sweep"),
    ]
}

/// What is refused, of every kind that neither counts against who asks nor ends the connection.
fn refusals() -> Vec<Step> {
    const TOKEN: &str = "/api/v1/oauth/token";
    const CLIENT: &str = "/api/v1/oauth/client";
    vec![
        open("GET", CLIENT).gets(&[401]),
        open("GET", CLIENT).header("Authorization", "Bearer nonsense").gets(&[401]),
        open("GET", CLIENT).header("Authorization", "Nonsense").gets(&[401]),
        open("POST", "/api/v1/oauth/introspect").form("token=x").gets(&[401]),
        open("POST", "/api/v1/oauth/revoke").form("token=x").gets(&[401]),
        open("POST", TOKEN).form("grant_type=password").gets(&[401]),
        ask("POST", CLIENT).body("application/json", "{").gets(&[422]),
        ask("POST", CLIENT).json(&json!({ "scopes": ["no:such"] })).gets(&[403]),
        ask("GET", CLIENT).query("page=0").gets(&[422]),
        ask("PATCH", "/api/v1/connection").json(&json!({ "key": 1 })).gets(&[422]),
        ask("PATCH", CLIENT).gets(&[405]),
        ask("GET", "/nowhere").gets(&[404]),
        ask("GET", "/api/v1/connection/{connection_key}").at("/api/v1/connection/nobody").gets(&[404]),
        open("GET", "/api/v1/oauth/callback").gets(&[400]),
        open("GET", "/api/v1/oauth/callback").query("state=unknown&code=x").gets(&[400]),
        open("GET", "/connect/{token}").at("/connect/unknown").gets(&[404]),
    ]
}
