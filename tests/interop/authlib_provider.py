"""Authlib as an authorization server on this machine, in Flask, behind a proxy that ends TLS. What the package leaves to
its user is here: pages, storage (in memory), and that a grant whose refresh token comes twice ends (RFC 9700 §4.14.2).

Reads the variables of scripts/provider.mjs. Two clients: one for people's tokens, `…-machine` for its own; both may send
their secret in the header or in the form. Any user name, the password `any`.
"""

import os
import secrets
import time
from dataclasses import dataclass, field

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9207 import IssuerParameter
from flask import Flask, redirect, request, session
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.serving import make_server

ISSUER = os.environ["PROVIDER_ISSUER"]
CLIENT_ID = os.environ["PROVIDER_CLIENT_ID"]
ACCESS_TTL = int(os.environ["PROVIDER_ACCESS_TTL"])
CODE_TTL = 60
SCOPE = "api"
METHODS = ["client_secret_basic", "client_secret_post"]

LOG_IN = """<form method="post"><input type="text" name="user"><input type="password" name="password">
<input type="submit" value="Log in"></form>"""
CONSENT = '<form method="post"><input type="submit" name="consent" value="yes"></form>'


@dataclass
class Grant:
    """What somebody gave a client: all codes and tokens that come of it have it in common."""

    user: str | None
    is_over: bool = False


@dataclass
class Client(ClientMixin):
    """A client, by RFC 7591."""

    client_id: str
    grant_types: list[str]
    client_secret: str = os.environ["PROVIDER_CLIENT_SECRET"]
    redirect_uri: str = os.environ["PROVIDER_REDIRECT_URI"]

    def get_client_id(self):
        return self.client_id

    def get_default_redirect_uri(self):
        return self.redirect_uri

    def get_allowed_scope(self, scope):
        return SCOPE if SCOPE in (scope or "").split() else None

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri == self.redirect_uri

    def check_client_secret(self, client_secret):
        return secrets.compare_digest(self.client_secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method, endpoint):
        return method in METHODS

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type in self.grant_types


@dataclass
class Code(AuthorizationCodeMixin):
    """An authorization code."""

    value: str
    client_id: str
    redirect_uri: str
    scope: str
    grant: Grant
    code_challenge: str | None
    code_challenge_method: str | None
    expires_at: float = field(default_factory=lambda: time.time() + CODE_TTL)

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope


@dataclass
class Token(TokenMixin):
    """An access token, with its refresh token if there is one."""

    client: Client
    grant: Grant
    scope: str
    expires_in: int
    access_token: str
    refresh_token: str | None = None
    token_type: str = "Bearer"
    is_used: bool = False
    issued_at: float = field(default_factory=time.time)

    def check_client(self, client):
        return self.client is client

    def get_scope(self):
        return self.scope

    def get_expires_in(self):
        return self.expires_in

    def is_expired(self):
        return self.issued_at + self.expires_in <= time.time()

    def is_revoked(self):
        return self.grant.is_over


clients = {
    CLIENT_ID: Client(CLIENT_ID, ["authorization_code", "refresh_token"]),
    f"{CLIENT_ID}-machine": Client(f"{CLIENT_ID}-machine", ["client_credentials"]),
}
codes = {}
access_tokens = {}
refresh_tokens = {}


def save_token(token, oauth_request):
    """Keeps what the package has issued."""
    saved = Token(client=oauth_request.client, grant=oauth_request.user or Grant(None), **token)
    access_tokens[saved.access_token] = saved
    if saved.refresh_token:
        refresh_tokens[saved.refresh_token] = saved


class AuthorizationCodeGrant(grants.AuthorizationCodeGrant):
    """RFC 6749 §4.1."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def save_authorization_code(self, code, request):
        data = request.payload.data
        codes[code] = Code(
            code, request.client.client_id, request.payload.redirect_uri, request.scope, request.user,
            data.get("code_challenge"), data.get("code_challenge_method"),
        )

    def query_authorization_code(self, code, client):
        found = codes.get(code)
        return found if found and found.client_id == client.client_id and found.expires_at > time.time() else None

    def delete_authorization_code(self, authorization_code):
        del codes[authorization_code.value]

    def authenticate_user(self, authorization_code):
        return authorization_code.grant


class RefreshTokenGrant(grants.RefreshTokenGrant):
    """RFC 6749 §6, with rotation."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token):
        found = refresh_tokens.get(refresh_token)
        if found and found.is_used:
            found.grant.is_over = True
        return found if found and not found.grant.is_over else None

    def authenticate_user(self, refresh_token):
        return refresh_token.grant

    def revoke_old_credential(self, refresh_token):
        refresh_token.is_used = True


class ClientCredentialsGrant(grants.ClientCredentialsGrant):
    """RFC 6749 §4.4."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS


class Revocation(RevocationEndpoint):
    """RFC 7009: whichever token it is, the whole grant ends."""

    CLIENT_AUTH_METHODS = METHODS

    def query_token(self, token_string, token_type_hint):
        return access_tokens.get(token_string) or refresh_tokens.get(token_string)

    def revoke_token(self, token, request):
        token.grant.is_over = True


class Issuer(IssuerParameter):
    """RFC 9207."""

    def get_issuer(self):
        return ISSUER


class Validator(BearerTokenValidator):
    """RFC 6750."""

    def authenticate_token(self, token_string):
        return access_tokens.get(token_string)


app = Flask(__name__)
app.secret_key = secrets.token_hex()
app.config.update(
    SESSION_COOKIE_SECURE=True,
    SESSION_COOKIE_SAMESITE="Lax",
    OAUTH2_REFRESH_TOKEN_GENERATOR=True,
    OAUTH2_TOKEN_EXPIRES_IN=dict.fromkeys(["authorization_code", "refresh_token", "client_credentials"], ACCESS_TTL),
)
app.wsgi_app = ProxyFix(app.wsgi_app, x_proto=1)
server = AuthorizationServer(app, query_client=clients.get, save_token=save_token)
server.register_grant(AuthorizationCodeGrant, [CodeChallenge(required=True)])
server.register_grant(RefreshTokenGrant)
server.register_grant(ClientCredentialsGrant)
server.register_endpoint(Revocation)
server.register_extension(Issuer())
require_oauth = ResourceProtector()
require_oauth.register_token_validator(Validator())


@app.get("/authorize")
def authorization_page():
    """Asks who it is, then whether the client may; what the package refuses is refused before."""
    try:
        server.get_consent_grant()
    except OAuth2Error as error:
        return server.handle_error_response(None, error)
    return CONSENT if "user" in session else LOG_IN


@app.post("/authorize")
def authorization_form():
    """Logs in, or answers the client."""
    if request.form.get("password") == "any":
        session["user"] = request.form["user"]
        return redirect(request.url)
    consented = "user" in session and request.form.get("consent") == "yes"
    grant = Grant(session["user"]) if consented else None
    return server.create_authorization_response(grant_user=grant, grant=server.get_consent_grant())


@app.post("/token")
def token():
    """RFC 6749 §3.2."""
    return server.create_token_response()


@app.post("/revoke")
def revoke():
    """RFC 7009."""
    return server.create_endpoint_response(Revocation.ENDPOINT_NAME)


@app.get("/api")
@require_oauth(SCOPE)
def api():
    """A resource for tokens with the scope `api`, of people and of clients."""
    return {"user": current_token.grant.user}


listener = make_server("127.0.0.1", int(os.environ["PROVIDER_PORT"]), app, threaded=True)
print(f"listening on http://127.0.0.1:{listener.server_port}", flush=True)
listener.serve_forever()
