//! The authorization servers that others wrote, and what each has and lacks.

use workerd_tests::{Clock, Program, Provider, ProviderOptions};

use crate::stage::{ACCESS_TTL, callback};

/// A client's secret with every kind of character that is special somewhere: in forms, in Basic credentials (RFC 6749
/// §2.3.1), in JSON, in YAML.
pub(crate) const ODD_SECRET: &str = r#"100% odd: a+b&c=d "e" <f> \g/ #h?i%20j {k}"#;

/// An authorization server that others wrote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    /// Its public origin.
    pub(crate) url: &'static str,
    /// Its program.
    pub(crate) program: Program,
    /// How it names itself in what it sends back (RFC 9207), if it does; its definition then says so.
    pub(crate) issuer: Option<&'static str>,
    /// The definition of people's tokens, which the client `saas` may have.
    pub(crate) code: &'static str,
    /// The definition of the client's own tokens.
    pub(crate) machine: &'static str,
    /// The client that may have tokens of its own.
    pub(crate) machine_client: &'static str,
    /// The secret of both clients.
    pub(crate) client_secret: &'static str,
    /// Its token endpoint.
    pub(crate) token_path: &'static str,
    /// Where a grant is ended past Postern, by its refresh token: its revocation endpoint (RFC 7009), if it has one.
    pub(crate) withdrawal_path: &'static str,
    /// What Postern tells a person who declined.
    pub(crate) declined: &'static str,
    /// The error of a code without verifier: RFC 7636 §4.6 names one for a wrong verifier only.
    pub(crate) unverified: &'static str,
    /// The statuses of the rightful callback and of a read after somebody else has tried its code with a guessed
    /// verifier.
    pub(crate) after_a_guess: [u16; 2],
}

/// The npm package `oidc-provider`.
pub(crate) const OIDC_PROVIDER: Server = Server {
    url: "https://oidc.example",
    program: Program::OidcProvider,
    issuer: Some("https://oidc.example"),
    code: include_str!("../../../interop/oidc_provider_code.yml"),
    machine: include_str!("../../../interop/oidc_provider_machine.yml"),
    machine_client: "saas-basic",
    client_secret: ODD_SECRET,
    token_path: "/token",
    withdrawal_path: "/token/revocation",
    declined: "(access_denied)",
    unverified: "invalid_grant",
    after_a_guess: [200, 200],
};

/// The npm package `@node-oauth/oauth2-server`. It has no revocation endpoint (RFC 7009), and does not name itself.
pub(crate) const NODE_OAUTH: Server = Server {
    url: "https://node.example",
    program: Program::NodeOauth,
    issuer: None,
    code: include_str!("../../../interop/node_oauth_code.yml"),
    machine: include_str!("../../../interop/node_oauth_machine.yml"),
    machine_client: "saas-machine",
    // It takes Basic credentials as they are sent. RFC 6749 §2.3.1 has them form-encoded, which leaves only these as
    // they are.
    client_secret: "no-odd.characters_at~all-1234567890",
    token_path: "/token",
    withdrawal_path: "/withdraw",
    declined: "(access_denied)",
    unverified: "invalid_grant",
    // It takes back the code before it looks at the verifier.
    after_a_guess: [400, 409],
};

/// The npm package `oauth2-mock-server`, for what needs no more than it has: it authenticates nobody, asks nobody,
/// takes any refresh token and forgets none. It is here for the faults that it is ordered to have.
pub(crate) const MOCK: Server = Server {
    url: "https://mock.example",
    program: Program::Mock,
    issuer: Some("https://mock.example"),
    code: include_str!("../../../interop/mock_code.yml"),
    machine: include_str!("../../../interop/mock_machine.yml"),
    machine_client: "saas",
    client_secret: ODD_SECRET,
    token_path: "/token",
    withdrawal_path: "/revoke",
    // What follows it never says.
    declined: "",
    unverified: "",
    after_a_guess: [0; 2],
};

/// The Python package `django-oauth-toolkit`.
pub(crate) const DJANGO: Server = Server {
    url: "https://django.example",
    program: Program::Django,
    issuer: Some("https://django.example"),
    code: include_str!("../../../interop/django_code.yml"),
    machine: include_str!("../../../interop/django_machine.yml"),
    machine_client: "saas-machine",
    client_secret: ODD_SECRET,
    token_path: "/token/",
    withdrawal_path: "/revoke_token/",
    // Its refusal comes without `iss`, and may be anybody's (RFC 9207 §2.4).
    declined: "does not come from the provider",
    unverified: "invalid_request",
    after_a_guess: [200, 200],
};

/// The Python package `Authlib`.
pub(crate) const AUTHLIB: Server = Server {
    url: "https://authlib.example",
    program: Program::Authlib,
    issuer: Some("https://authlib.example"),
    code: include_str!("../../../interop/authlib_code.yml"),
    machine: include_str!("../../../interop/authlib_machine.yml"),
    machine_client: "saas-machine",
    client_secret: ODD_SECRET,
    token_path: "/token",
    withdrawal_path: "/revoke",
    declined: "(access_denied)",
    unverified: "invalid_request",
    after_a_guess: [200, 200],
};

impl Server {
    /// Starts it behind a proxy that ends TLS, with PKCE required where that can be said.
    pub(crate) fn start(&self, clock: &Clock) -> Provider {
        let mut options = ProviderOptions::new(&callback()).access_ttl(ACCESS_TTL);
        self.client_secret.clone_into(&mut options.client_secret);
        options.program = self.program;
        options.issuer = Some(self.url.to_owned());
        options.pkce_required = true;
        Provider::start(Some(clock), &options)
    }

    /// Another server, which names itself. It is one that runs without Python.
    pub(crate) fn other(&self) -> Self {
        if self.url == OIDC_PROVIDER.url { MOCK } else { OIDC_PROVIDER }
    }

    /// The definition of people's tokens, without the line that names the issuer.
    pub(crate) fn code_without_issuer(&self) -> String {
        let (named, rest): (Vec<_>, Vec<_>) = self.code.lines().partition(|line| line.contains("issuer:"));
        assert_eq!(named.len(), 1, "{named:?}");
        rest.join("\n")
    }
}
