"""What schemathesis is told beyond its configuration (schemathesis.toml), by the test that starts it.

Some requests can only succeed with what Postern has just given out, or with a document that hangs together: every other
good request of these gets it. The rest stays as schemathesis made it.
"""

import atexit
import base64
import itertools
import json
import os
import threading
import zlib
from collections import Counter, defaultdict
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import requests
import schemathesis
import yaml

URL = os.environ["POSTERN_URL"]
ROOT = {"Authorization": f"Bearer {os.environ['POSTERN_TOKEN']}"}
CLIENT_ID = os.environ["POSTERN_CLIENT_ID"]
CLIENT_SECRET = os.environ["POSTERN_CLIENT_SECRET"]
BASIC = "Basic " + base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
FIXTURES = Path(os.environ["POSTERN_FIXTURES"])
DEFINITION = yaml.safe_load((FIXTURES / "local_code_flow.yml").read_text(encoding="utf-8"))
SECRETS = {"domain": "127.0.0.1:4010", "client_id": "saas", "client_secret": "saassecret"}


class Lane(requests.adapters.HTTPAdapter):
    """Sends from one address of this machine."""

    def __init__(self, number):
        self.address = f"127.0.0.{number}"
        super().__init__()

    def init_poolmanager(self, *args, **options):
        super().init_poolmanager(*args, source_address=(self.address, 0), **options)


class Lanes(requests.adapters.BaseAdapter):
    """Sends from many addresses, as the clients of an edge do: else the budget for wrong credentials of a single address
    would soon be spent, and every answer of the endpoints with credentials be 429. Who has never failed, and has an
    address of its own, never waits.
    """

    def __init__(self):
        super().__init__()
        self.good = Lane(2)
        self.others = [Lane(number) for number in range(10, 50)]
        self.turn = itertools.cycle(self.others)

    def send(self, request, **options):
        body = request.body or b""
        body = body if isinstance(body, bytes) else body.encode()
        is_good = request.headers.get("Authorization") == BASIC or CLIENT_SECRET.encode() in body
        return (self.good if is_good else next(self.turn)).send(request, **options)

    def close(self):
        for lane in [self.good, *self.others]:
            lane.close()


requests.sessions.HTTPAdapter = Lanes


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Tells what the document leaves to the reader. The scheme `oauth2` says how to get a token; that it is sent as a
    bearer token (RFC 6750 §2.1) is what schemathesis needs for its checks. And a definition has thousands of places to
    try: twice are enough, in JSON and in YAML, whose other names are read alike.
    """
    definition = raw_schema["components"]["requestBodies"]["Definition"]
    definition["content"] = {kind: definition["content"][kind] for kind in ("application/json", "application/yaml")}
    schemes = raw_schema["components"]["securitySchemes"]
    schemes["bearer"] = {"type": "http", "scheme": "bearer"}
    for methods in raw_schema["paths"].values():
        for operation in methods.values():
            if isinstance(operation, dict) and "oauth2" in str(operation.get("security")):
                operation["security"] = [{"bearer": []}]


def ask(method, path, **options):
    """An answer of Postern to its root client."""
    answer = requests.request(method, URL + path, headers=ROOT, timeout=30, **options)
    answer.raise_for_status()
    return answer.json()


def fresh_state():
    """A state that is good for one callback."""
    return parse_qs(urlsplit(ask("GET", "/api/v1/connection/person/authorize")).query)["state"][0]


def callback(case):
    case.query = {"state": fresh_state(), "code": "code-of-the-mock-provider"}


def complete(case):
    case.path_parameters = {"connection_key": "person"}
    case.body = {"state": fresh_state(), "code": "code-of-the-mock-provider"}


def connect_link(case):
    link = ask("POST", "/api/v1/connection/person/connect_link", json={})["url"]
    case.path_parameters = {"token": urlsplit(link).path.rsplit("/", 1)[1]}
    case.headers["Sec-Fetch-Site"] = "same-origin"


def definition(case):
    case.body = DEFINITION


def secrets(case):
    case.path_parameters = {"connection_key": "changing"}
    case.body = dict(SECRETS)


def instance(case):
    case.path_parameters = {"connector_type": "local_provider"}
    case.body = {"instance_key": f"instance_{case.id}", "secrets": dict(SECRETS)}


def credentials(case):
    """One way for the client to name itself, not two: by Basic; in the body, truly; in the body, as schemathesis did."""
    if not isinstance(case.body, dict):
        return
    rest = {name: value for name, value in case.body.items() if not name.startswith("client_")}
    pair = {name: case.body[name] for name in ("client_id", "client_secret") if case.body.get(name)}
    way = chance(case) % 3
    if way == 1:
        pair = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    if way == 0 or len(pair) < 2:
        case.body = rest
    else:
        case.body = {**rest, **pair}
        case.headers.pop("Authorization", None)


def client(case):
    """What a client says of itself: its keys are not the same, its secret expires in the future."""
    if not isinstance(case.body, dict):
        return
    body = dict(case.body)
    if isinstance(body.get("jwks"), dict):
        body["jwks"] = {**body["jwks"], "keys": body["jwks"]["keys"][:1]}
    if body.get("secret_expires_at") is not None:
        body["secret_expires_at"] = 4_102_444_800
    case.body = body


ALWAYS = {
    "POST /api/v1/oauth/token": credentials,
    "POST /api/v1/oauth/introspect": credentials,
    "POST /api/v1/oauth/revoke": credentials,
    "POST /api/v1/oauth/client": client,
    "PUT /api/v1/oauth/client/{client_id}": client,
    "POST /api/v1/oauth/client/{client_id}/secret": client,
}

EVERY_OTHER = {
    "GET /api/v1/oauth/callback": callback,
    "POST /api/v1/connection/{connection_key}/complete": complete,
    "GET /connect/{token}": connect_link,
    "POST /connect/{token}": connect_link,
    "PATCH /api/v1/connection/{connection_key}/saas_config": definition,
    "PUT /api/v1/connection/{connection_key}/validate_saas_config": definition,
    "POST /api/v1/connector-templates/register": definition,
    "POST /api/v1/connector_template/register": definition,
    "PUT /api/v1/connection/{connection_key}/secret": secrets,
    "PATCH /api/v1/connection/{connection_key}/secret": secrets,
    "POST /api/v1/connection/instantiate/{connector_type}": instance,
}


INSTEAD = {
    "DELETE /api/v1/connection/{connection_key}": "missing",
    "DELETE /api/v1/connection/{connection_key}/saas_config": "missing",
    "PATCH /api/v1/connection/{connection_key}/saas_config": "changing",
    "PUT /api/v1/connection/{connection_key}/secret": "changing",
    "PATCH /api/v1/connection/{connection_key}/secret": "changing",
    "POST /api/v1/connection/{connection_key}/revoke": "machine",
}


def keep(case):
    """Leaves the connections that the others need as they are, also where schemathesis has their keys from an answer."""
    if case.operation.label in INSTEAD and case.path_parameters.get("connection_key") in ("person", "machine", "changing"):
        case.path_parameters["connection_key"] = INSTEAD[case.operation.label]


def chance(case):
    """A number that depends on nothing but the request, so that a repeated one has the same."""
    parts = repr([case.path_parameters, dict(case.query or {}), case.body])
    return zlib.crc32(parts.encode("utf-8", "backslashreplace"))


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.method != case.operation.method.upper():
        return
    keep(case)
    label = case.operation.label
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if label in ALWAYS:
        ALWAYS[label](case)
    if label in EVERY_OTHER and chance(case) % 2 == 0:
        EVERY_OTHER[label](case)


ANSWERS = defaultdict(Counter)
LOCK = threading.Lock()


@schemathesis.hook
def after_call(context, case, response):
    """Notes what each operation answers, requests by other methods than its own left aside."""
    if case.method == case.operation.method.upper():
        with LOCK:
            ANSWERS[case.operation.label][response.status_code] += 1


@atexit.register
def write_answers():
    with open("answers.json", "w", encoding="utf-8") as file:
        json.dump(ANSWERS, file)
