//! The crate `oauth2`, with its own HTTP client (`ureq`) and, where that hides the answer, with one of its caller's.

use oauth2::basic::BasicClient;
use oauth2::{
    AccessToken, AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpClientError, HttpRequest,
    HttpResponse, IntrospectionUrl, RequestTokenError, RevocationUrl, Scope, TokenResponse, TokenUrl, http, ureq,
};
use serde_json::{Value, json};
use workerd_tests::Request;

use crate::common::text;
use crate::library::Work;

/// A program that has the crate, and what it keeps.
#[derive(Debug, Default)]
pub(crate) struct Oauth2Crate {
    /// What it was told to connect to.
    server: Value,
    /// What it asked for last.
    wanted: Value,
    /// The last token.
    token: Option<AccessToken>,
}

/// The crate's client: it has no authorization endpoint.
type Client = BasicClient<EndpointNotSet, EndpointNotSet, EndpointSet, EndpointSet, EndpointSet>;

impl Work for Oauth2Crate {
    fn ask(&mut self, task: &str, input: &Value) -> Value {
        match task {
            "connect" => self.server = input.clone(),
            "token" => return self.get_token(input),
            "use" => return self.call(&text(input, "url")),
            "introspect" => {
                let client = self.client();
                return json!(client.introspect(self.token.as_ref().unwrap()).request(&agent()).unwrap());
            }
            "revoke" => {
                let client = self.client();
                let request = client.revoke_token(self.token.clone().unwrap().into()).unwrap();
                request.request(&carry).unwrap();
            }
            _ => panic!("the crate cannot {task}"),
        }
        Value::Null
    }
}

impl Oauth2Crate {
    /// The client, as its documentation sets it up.
    fn client(&self) -> Client {
        let [issuer, method, id, secret] = ["issuer", "method", "id", "secret"].map(|name| text(&self.server, name));
        let at = |origin: &str, endpoint: &str| format!("{origin}/api/v1/oauth/{endpoint}");
        // The crate revokes at https addresses only: `carry` stands in for the proxy that ends TLS.
        let secure = issuer.replacen("http:", "https:", 1);
        BasicClient::new(ClientId::new(id))
            .set_client_secret(ClientSecret::new(secret))
            .set_auth_type(if method == "client_secret_post" { AuthType::RequestBody } else { AuthType::BasicAuth })
            .set_token_uri(TokenUrl::new(at(&issuer, "token")).unwrap())
            .set_introspection_url(IntrospectionUrl::new(at(&issuer, "introspect")).unwrap())
            .set_revocation_url(RevocationUrl::new(at(&secure, "revoke")).unwrap())
    }

    /// A token, or the error with its status.
    fn get_token(&mut self, wanted: &Value) -> Value {
        let client = self.client();
        let request = || {
            let mut request = client.exchange_client_credentials();
            if let Some(scope) = wanted.get("scope").and_then(Value::as_str) {
                request = request.add_scopes(scope.split(' ').map(|token| Scope::new(token.to_owned())));
            }
            if let Some(resource) = wanted.get("resource").and_then(Value::as_str) {
                request = request.add_extra_param("resource", resource.to_owned());
            }
            request
        };
        // Its `ureq` takes a refusal for an error of the transport, and keeps the answer.
        let status = match request().request(&agent()) {
            Ok(token) => {
                (self.token, self.wanted) = (Some(token.access_token().clone()), wanted.clone());
                return json!(token);
            }
            Err(RequestTokenError::Request(HttpClientError::Reqwest(error))) => match *error {
                ureq::Error::Status(status, _) => status,
                ureq::Error::Transport(error) => panic!("{error}"),
            },
            Err(error) => panic!("{error:?}"),
        };
        match request().request(&carry) {
            Err(RequestTokenError::ServerResponse(error)) => {
                json!({ "error": error.error().to_string(), "status": status })
            }
            other => panic!("{other:?}"),
        }
    }

    /// A request with the token, and another with a new one where the first is refused. The crate makes none.
    fn call(&mut self, url: &str) -> Value {
        let call =
            |token: &Option<AccessToken>| Request::new("GET", url).bearer(token.as_ref().unwrap().secret()).send();
        let mut answer = call(&self.token);
        if answer.status == 401 {
            let wanted = self.wanted.clone();
            let _ = self.get_token(&wanted);
            answer = call(&self.token);
        }
        let token = self.token.as_ref().map(AccessToken::secret);
        json!({ "status": answer.status, "challenge": answer.header("WWW-Authenticate"), "access_token": token })
    }
}

/// The crate's HTTP client, with redirects off as its documentation asks.
fn agent() -> ureq::Agent {
    ureq::AgentBuilder::new().redirects(0).try_proxy_from_env(false).build()
}

/// An HTTP client of the caller's, which ends TLS, so to speak.
fn carry(request: HttpRequest) -> Result<HttpResponse, http::Error> {
    let url = request.uri().to_string().replacen("https:", "http:", 1);
    let mut carried = Request::new(request.method().as_str(), &url);
    for (name, value) in request.headers() {
        carried = carried.header(name.as_str(), value.to_str().unwrap());
    }
    let answer = carried.body("", request.into_body()).send();
    let headers = answer.headers.iter();
    let response = headers
        .fold(http::Response::builder().status(answer.status), |response, (name, value)| response.header(name, value));
    response.body(answer.body)
}
