"""OAuth client libraries that others wrote, each as its own documentation uses it. The argument names the library; the
tasks are the same as those of `clients.mjs`."""

import os
import sys
import time

# Two of the libraries refuse plain http otherwise, on loopback too.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"

import requests
import requests_oauth2client
import requests_oauthlib
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url
from joserfc.jwk import import_key
from oauthlib.oauth2 import BackendApplicationClient, TokenExpiredError

from conversation import converse


class Authlib:
    """Its session gets a new token by itself."""

    def connect(self, issuer, id, method, secret=None, key=None, alg=None, life=60):
        self.server = AuthorizationServerMetadata(requests.get(get_well_known_url(issuer, external=True)).json())
        for member in self.server.REGISTRY_KEYS:
            # Required (RFC 8414 §2), and without an authorization endpoint there is nothing to list, which the library
            # takes for a missing member.
            if member != "response_types_supported":
                getattr(self.server, f"validate_{member}")()
        self.life, self.alg = life, alg
        self.session = OAuth2Session(
            id,
            import_key(key) if key else secret,
            token_endpoint=self.server["token_endpoint"],
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
        )
        return self.server

    def sign(self):
        """Its assertions live for an hour unless told otherwise, which is too long for us (RFC 7523 §3 lets a server
        say so); what it is told counts for one. Without an audience it names the endpoint that it asks."""
        claims = {"exp": int(time.time()) + self.life} if self.life else None
        self.session.register_client_auth_method(PrivateKeyJWT(claims=claims, alg=self.alg))

    def token(self, scope=None, **wanted):
        self.sign()
        self.session.scope = scope
        return self.session.fetch_token(**wanted)

    def use(self, url):
        return answer(self.session.get(url), self.session.token["access_token"])

    def introspect(self):
        self.sign()
        token = self.session.token["access_token"]
        response = self.session.introspect_token(self.server["introspection_endpoint"], token, "access_token")
        return response.json()

    def revoke(self):
        self.sign()
        token = self.session.token["access_token"]
        self.session.revoke_token(self.server["revocation_endpoint"], token, "access_token").raise_for_status()

    @staticmethod
    def told(error):
        return {"error": error.error}


class RequestsOauthlib:
    """Has neither discovery nor introspection; it raises an error of its own before it sends an expired token. A
    revocation it only writes: whoever sends it authenticates, here by Basic."""

    def connect(self, issuer, id, method, secret):
        self.issuer, self.id, self.method, self.secret = issuer, id, method, secret

    def token(self, scope=None, **wanted):
        self.client = BackendApplicationClient(client_id=self.id, scope=scope)
        self.session = requests_oauthlib.OAuth2Session(client=self.client)
        self.wanted = {"scope": scope, **wanted}
        token = self.session.fetch_token(
            f"{self.issuer}/api/v1/oauth/token",
            client_secret=self.secret,
            include_client_id=self.method == "client_secret_post",
            **wanted,
        )
        return {**token, "scope": " ".join(token["scope"])}

    def use(self, url):
        try:
            response = self.session.get(url)
        except TokenExpiredError:
            self.token(**self.wanted)
            response = self.session.get(url)
        return answer(response, self.session.access_token)

    def revoke(self):
        url, headers, body = self.client.prepare_token_revocation_request(
            f"{self.issuer}/api/v1/oauth/revoke", self.session.access_token
        )
        requests.post(url, body, headers=headers, auth=(self.id, self.secret)).raise_for_status()

    @staticmethod
    def told(error):
        return {"error": error.error, "status": error.status_code}


class RequestsOauth2client:
    """Its handler of `requests` gets a new token by itself."""

    def connect(self, issuer, id, method, secret=None, key=None, alg=None):
        methods = {
            "client_secret_basic": lambda: requests_oauth2client.ClientSecretBasic(id, secret),
            "client_secret_post": lambda: requests_oauth2client.ClientSecretPost(id, secret),
            "private_key_jwt": lambda: requests_oauth2client.PrivateKeyJwt(id, key, alg=alg),
        }
        self.client = requests_oauth2client.OAuth2Client.from_discovery_endpoint(
            requests_oauth2client.oauth2_discovery_document_url(issuer),
            issuer,
            auth=methods[method](),
            testing=True,  # loopback
        )
        return {
            "issuer": self.client.issuer,
            "token_endpoint": self.client.token_endpoint,
            "introspection_endpoint": self.client.introspection_endpoint,
            "revocation_endpoint": self.client.revocation_endpoint,
        }

    def token(self, **wanted):
        token = self.client.client_credentials(**wanted)
        self.handler = requests_oauth2client.OAuth2ClientCredentialsAuth(self.client, token=token, **wanted)
        return token.as_dict()

    def use(self, url):
        response = requests.get(url, auth=self.handler)
        return answer(response, self.handler.token.access_token)

    def introspect(self):
        return self.client.introspect_token(self.handler.token)

    def revoke(self):
        return self.client.revoke_access_token(self.handler.token)

    @staticmethod
    def told(error):
        return {"error": error.error, "status": error.response.status_code}


def answer(response, access_token):
    """What an API answered, and with which token it was called at the end."""
    challenge = response.headers.get("WWW-Authenticate")
    return {"status": response.status_code, "challenge": challenge, "access_token": access_token}


LIBRARIES = {
    "Authlib": Authlib,
    "requests-oauthlib": RequestsOauthlib,
    "requests_oauth2client": RequestsOauth2client,
}
library = LIBRARIES[sys.argv[1]]()
tasks = ("connect", "token", "use", "introspect", "revoke")
converse({task: getattr(library, task, None) for task in tasks}, library.told)
