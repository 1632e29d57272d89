"""Resource servers that check our access tokens (RFC 9068 §4): the PyPI packages `PyJWT`, which keeps the keys itself, and
`joserfc`, whose users do. Both begin with nothing but the issuer and their own name."""

import json
import sys
import time
import urllib.request

import joserfc.errors
import joserfc.jwk
import joserfc.jwt
import jwt
from conversation import converse

# A test moves the wall clock only, and PyJWT counts the age of the keys by the other one.
time.monotonic = time.time

CLAIMS = ["iss", "aud", "exp", "iat", "sub", "client_id", "jti"]

# How long keys are kept, in seconds: what the answer says (`Cache-Control: max-age`).
KEPT = 300


def fetch(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def jwks_uri(issuer):
    return fetch(f"{issuer}/.well-known/oauth-authorization-server")["jwks_uri"]


class PyJwt:
    def start(self, issuer, audience):
        self.keys = jwt.PyJWKClient(jwks_uri(issuer))
        self.expected = {"issuer": issuer, "audience": audience}

    def verify(self, token):
        key = self.keys.get_signing_key_from_jwt(token)
        options = {"require": CLAIMS}
        decoded = jwt.decode_complete(token, key, algorithms=["EdDSA"], options=options, **self.expected)
        return {"header": decoded["header"], "claims": decoded["payload"]}


class Joserfc:
    def start(self, issuer, audience):
        self.uri = jwks_uri(issuer)
        self.fetched_at = 0
        expected = {name: {"essential": True} for name in CLAIMS}
        expected["iss"]["value"] = issuer
        expected["aud"]["value"] = audience
        self.registry = joserfc.jwt.JWTClaimsRegistry(**expected)

    def verify(self, token):
        if time.time() > self.fetched_at + KEPT:
            self.fetch_keys()
        try:
            decoded = joserfc.jwt.decode(token, self.keys, algorithms=["EdDSA"])
        except joserfc.errors.InvalidKeyIdError:
            self.fetch_keys()
            decoded = joserfc.jwt.decode(token, self.keys, algorithms=["EdDSA"])
        self.registry.validate(decoded.claims)
        return {"header": decoded.header, "claims": decoded.claims}

    def fetch_keys(self):
        self.keys = joserfc.jwk.KeySet.import_key_set(fetch(self.uri))
        self.fetched_at = time.time()


LIBRARY = {"PyJWT": PyJwt, "joserfc": Joserfc}[sys.argv[1]]()
TASKS = {"start": LIBRARY.start, "verify": LIBRARY.verify}
converse(TASKS, lambda error: {"error": f"{type(error).__name__}: {error}"})
