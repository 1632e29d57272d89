//! The program `curl`, called as the README calls it.

use std::process::Command;

use serde_json::{Value, json};

use crate::common::text;
use crate::library::Work;

/// A person at a shell: remembers what a script would keep in variables.
#[derive(Debug, Default)]
pub(crate) struct Curl {
    /// What it was told to connect to.
    server: Value,
    /// What it asked for last.
    wanted: Value,
    /// The last token.
    token: String,
}

impl Work for Curl {
    fn ask(&mut self, task: &str, input: &Value) -> Value {
        match task {
            "connect" => self.server = input.clone(),
            "token" => return self.get_token(input),
            "use" => return self.call(&text(input, "url")),
            "introspect" => return self.post("introspect", &[("token", &self.token)]).1,
            "revoke" => return self.post("revoke", &[("token", &self.token)]).1,
            _ => panic!("curl cannot {task}"),
        }
        Value::Null
    }
}

impl Curl {
    /// A token, or the error with its status.
    fn get_token(&mut self, wanted: &Value) -> Value {
        let mut fields = vec![("grant_type", "client_credentials")];
        let wanted_fields = wanted.as_object().into_iter().flatten();
        fields.extend(wanted_fields.map(|(name, value)| (name.as_str(), value.as_str().unwrap())));
        let (status, mut told) = self.post("token", &fields);
        if status == 200 {
            self.token = text(&told, "access_token");
            self.wanted = wanted.clone();
        } else {
            told["status"] = status.into();
        }
        told
    }

    /// A request with the client's credentials.
    fn post(&self, endpoint: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let [issuer, method, id, secret] = ["issuer", "method", "id", "secret"].map(|name| text(&self.server, name));
        let mut command = vec![format!("{issuer}/api/v1/oauth/{endpoint}")];
        let mut fields = fields.to_vec();
        if method == "client_secret_basic" {
            command.extend(["-u".to_owned(), format!("{id}:{secret}")]);
        } else {
            fields.extend([("client_id", id.as_str()), ("client_secret", secret.as_str())]);
        }
        for (name, value) in fields {
            // What is special in a form is encoded; nothing that Postern issues is.
            let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:/".contains(&byte));
            command.extend([if is_plain { "-d" } else { "--data-urlencode" }.to_owned(), format!("{name}={value}")]);
        }
        let (status, _, body) = curl(&command);
        (status, serde_json::from_str(&body).unwrap())
    }

    /// A request with the token, and another with a new one where the first is refused.
    fn call(&mut self, url: &str) -> Value {
        let call = |token: &str| curl(&[url.to_owned(), "-H".to_owned(), format!("Authorization: Bearer {token}")]);
        let mut answer = call(&self.token);
        if answer.0 == 401 {
            let wanted = self.wanted.clone();
            let _ = self.get_token(&wanted);
            answer = call(&self.token);
        }
        let (status, head, _) = answer;
        let challenge = head.lines().find_map(|line| line.strip_prefix("WWW-Authenticate: "));
        json!({ "status": status, "challenge": challenge, "access_token": self.token })
    }
}

/// Runs it: status, head and body of the answer.
fn curl(arguments: &[String]) -> (u16, String, String) {
    let output = Command::new("curl").args(["--disable", "--noproxy", "*", "-s", "-i"]).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("these tests need the program curl on PATH: {error}"));
    assert!(output.status.success(), "curl {arguments:?}: {}", output.status);
    let answer = String::from_utf8(output.stdout).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap(), head.to_owned(), body.to_owned())
}
