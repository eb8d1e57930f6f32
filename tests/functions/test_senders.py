"""Who may deliver events: real tokens, signed with real keys that a real server publishes."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt
from werkzeug.test import TestResponse

from functions import senders
from shared.config import Events
from shared.domain.messages import Message
from tests.functions.conftest import Api
from tests.functions.test_events import BATCH, FINALIZED, PREDICTIONS, PUBLISHED, Steps, b64, steps

__all__ = ["steps"]

Facts = Callable[[], list[dict[str, Any]]]
HOUR = 3600  # seconds
ISSUER = "https://accounts.google.com"
PUSH = "push@p.iam.gserviceaccount.com"
TRIGGER = "trigger@p.iam.gserviceaccount.com"
WORK, OTHER = "https://region-p.cloudfunctions.net/work", "https://region-p.cloudfunctions.net/dead-letter"


class Key:
    """A key pair of an issuer, and its certificate."""

    def __init__(self, id: str) -> None:
        self.id = id
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        text = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        self.signer = crypt.RSASigner.from_string(text, id)  # type: ignore[no-untyped-call]
        name, now = x509.Name([]), datetime.now(UTC)
        until, serial = now + timedelta(days=1), x509.random_serial_number()
        made = x509.CertificateBuilder(name, name, private.public_key(), serial, now, until).sign(
            private, hashes.SHA256()
        )
        self.certificate = made.public_bytes(serialization.Encoding.PEM).decode()

    def token(self, **claims: Any) -> str:
        """Of the push account, for `work`, good for an hour; a claim of None is left out."""
        now = int(time.time())
        usual = {
            "iss": ISSUER,
            "aud": WORK,
            "email": PUSH,
            "email_verified": True,
            "sub": "1",
            "iat": now,
            "exp": now + HOUR,
        }
        told = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        token: bytes = jwt.encode(self.signer, told)  # type: ignore[no-untyped-call]
        return token.decode()


@dataclass
class Issuer:
    """Where the public keys are read."""

    url: str
    keys: dict[str, Key] = field(default_factory=dict)
    reads: int = 0
    well: bool = True


@pytest.fixture(scope="module")
def good() -> Key:
    return Key("good")


@pytest.fixture(scope="module")
def stranger() -> Key:
    """Signs under the name of the good key."""
    return Key("good")


@pytest.fixture
def issuer(good: Key) -> Iterator[Issuer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            google.reads += 1
            body = json.dumps({key.id: key.certificate for key in google.keys.values()}).encode()
            self.send_response(200 if google.well else 503)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        google = Issuer(url=f"http://127.0.0.1:{server.server_address[1]}/certs", keys={good.id: good})
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield google
        server.shutdown()
        thread.join()


@pytest.fixture
def behind_iam() -> bool:
    return False


@pytest.fixture
def guarded(
    target: Callable[[str], Api], issuer: Issuer, behind_iam: bool, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Api]:
    """A target that believes only those whom the configuration names."""
    events = Events.model_validate(
        {
            "work": {"account": PUSH, "audience": WORK},
            "predictions": {"account": TRIGGER, "audience": ["https://one", "https://two"]},
            "dead_letter": {"account": PUSH, "audience": OTHER},
            "certificates": issuer.url,
            "behind_iam": behind_iam,
        }
    )

    monkeypatch.setattr(senders, "_keys", senders._Keys())  # an issuer before this one may have had its port

    def serve(name: str) -> Api:
        api = target(name)
        app = replace(api.app, config=api.app.config.model_copy(update={"events": events}))
        monkeypatch.setattr("functions.events.app", lambda: app)
        return api

    return serve


def push(api: Api, token: str | None, scheme: str = "Bearer") -> TestResponse:
    """A message to sweep, as Pub/Sub pushes it."""
    headers = {} if token is None else {"authorization": f"{scheme} {token}"}
    body = {"message": {"data": b64({"step": "sweep"}), "messageId": "7"}, "subscription": "s"}
    return api.client.post("/", json=body, headers=headers)


def test_the_configured_sender_is_believed(guarded: Callable[[str], Api], steps: Steps, good: Key) -> None:
    answer = push(guarded("work"), good.token())

    assert (answer.status_code, steps.ran) == (200, [Message(step="sweep")])


def test_one_of_several_audiences_is_enough(guarded: Callable[[str], Api], steps: Steps, good: Key) -> None:
    """Eventarc calls a function by another of its names than Pub/Sub."""
    headers = {
        "content-type": "application/json",
        "ce-id": "7",
        "ce-specversion": "1.0",
        "ce-type": FINALIZED,
        "ce-source": "//storage.googleapis.com/projects/_/buckets/work",
        "authorization": f"bearer {good.token(aud='https://two', email=TRIGGER)}",
    }
    data = json.dumps({"bucket": "work", "name": PREDICTIONS})
    answer = guarded("predictions").client.post("/", data=data, headers=headers)

    assert (answer.status_code, [message.step for message in steps.ran]) == (200, ["check"])


WRONG = pytest.mark.parametrize(
    "claims",
    [
        {"aud": OTHER},
        {"aud": "https://elsewhere"},
        {"aud": None},
        {"aud": [WORK]},
        {"email": "push@q.iam.gserviceaccount.com"},
        {"email": TRIGGER},
        {"email": None},
        {"email": PUSH.upper()},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": None},
        {"iss": "https://accounts.example.com"},
        {"iss": None},
        {"exp": int(time.time()) - HOUR, "iat": int(time.time()) - 2 * HOUR},
        {"iat": int(time.time()) + 48 * HOUR, "exp": int(time.time()) + 49 * HOUR},  # also at the end of a long run
        {"exp": None},
        {"exp": "soon"},
    ],
    ids=[
        "audience of another of our functions",
        "another audience",
        "no audience",
        "a list of audiences",
        "another project's account",
        "our other account",
        "no account",
        "another spelling",
        "not verified",
        "text is not true",
        "not said to be verified",
        "another issuer",
        "no issuer",
        "expired",
        "from the future",
        "never expires",
        "no number",
    ],
)


@WRONG
def test_every_claim_has_to_be_right(
    guarded: Callable[[str], Api], steps: Steps, good: Key, facts: Facts, claims: dict[str, Any]
) -> None:
    token = good.token(**claims)
    answer = push(guarded("work"), token)

    assert (answer.status_code, steps.ran) == (403, [])
    assert [fact["message"] for fact in facts() if fact["severity"] == "ERROR"] == ["event_refused"]
    assert token not in answer.text


def unsigned(algorithm: str) -> str:
    now = int(time.time())  # when tests are collected: the token is still good when its test runs
    claims = {"iss": ISSUER, "aud": WORK, "email": PUSH, "email_verified": True, "iat": now, "exp": now + 48 * HOUR}
    parts = ({"alg": algorithm, "typ": "JWT", "kid": "good"}, claims)
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return f"{head}.{body}."


@pytest.mark.parametrize(
    "token", [None, "", "x", "a.b.c", "..", unsigned("none"), unsigned("HS256"), "é" * 10, "x" * 100_000]
)
def test_what_is_no_signed_token_is_refused(guarded: Callable[[str], Api], steps: Steps, token: str | None) -> None:
    answer = push(guarded("work"), token)

    assert (answer.status_code, steps.ran) == (403, [])


def test_another_scheme_is_refused(guarded: Callable[[str], Api], steps: Steps, good: Key) -> None:
    assert push(guarded("work"), good.token(), scheme="Basic").status_code == 403
    assert steps.ran == []


def test_another_signer_is_refused(guarded: Callable[[str], Api], steps: Steps, stranger: Key) -> None:
    assert push(guarded("work"), stranger.token()).status_code == 403
    assert steps.ran == []


@pytest.mark.parametrize("kind", [PUBLISHED, FINALIZED, "anything"])
@pytest.mark.parametrize("name", ["work", "predictions", "dead_letter"])
def test_nothing_is_read_of_an_event_without_a_sender(
    guarded: Callable[[str], Api], steps: Steps, name: str, kind: str
) -> None:
    """Neither a step nor a dead letter, and in whatever envelope it comes."""
    headers = {"ce-id": "7", "ce-specversion": "1.0", "ce-type": kind, "ce-source": "//x", "content-type": "text/plain"}
    client = guarded(name).client
    background = {"data": {"bucket": "work", "name": PREDICTIONS}, "context": {"eventId": "7", "eventType": "x"}}
    message = {"message": {"data": b64({"step": "prepare", "batch": BATCH}), "messageId": "7"}, "subscription": "s"}

    answers = [
        client.post("/", data=b"{}", headers=headers),
        client.post("/", json=message),
        client.post("/", json=background),
    ]

    assert all(answer.status_code in {400, 403} for answer in answers)
    assert (steps.ran, steps.dead) == ([], [])


def test_keys_are_read_once_and_again_when_a_new_one_turns_up(
    guarded: Callable[[str], Api], steps: Steps, good: Key, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = guarded("work")
    for _ in range(3):
        assert push(api, good.token()).status_code == 200
    assert issuer.reads == 1

    rotated = Key("new")
    issuer.keys = {rotated.id: rotated}
    assert (
        push(api, rotated.token()).status_code == 403
    )  # strangers with made-up keys must not make us ask all the time
    assert issuer.reads == 1
    monkeypatch.setattr(senders, "_AGAIN", 0.0)
    assert push(api, rotated.token()).status_code == 200
    assert push(api, good.token()).status_code == 403
    assert issuer.reads == 3


def test_an_issuer_that_does_not_answer_is_waited_for(
    guarded: Callable[[str], Api], steps: Steps, good: Key, issuer: Issuer
) -> None:
    api = guarded("work")
    issuer.well = False
    assert push(api, good.token()).status_code == 503
    issuer.well = True
    assert push(api, good.token()).status_code == 200
    assert steps.ran == [Message(step="sweep")]


def test_known_keys_outlive_an_issuer_that_is_away(
    guarded: Callable[[str], Api], steps: Steps, good: Key, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = guarded("work")
    assert push(api, good.token()).status_code == 200
    issuer.well = False
    monkeypatch.setattr(senders, "_FRESH", 0.0)

    assert push(api, good.token()).status_code == 200
    assert issuer.reads == 2


def stripped(token: str) -> str:
    """As Cloud Run hands on what it has checked itself."""
    return token.rpartition(".")[0] + ".SIGNATURE_REMOVED_BY_GOOGLE"


def test_a_token_without_its_signature_is_refused(guarded: Callable[[str], Api], steps: Steps, good: Key) -> None:
    assert push(guarded("work"), stripped(good.token())).status_code == 403
    assert steps.ran == []


@pytest.mark.parametrize("behind_iam", [True])
def test_behind_iam_it_is_read_and_so_is_one_with_a_signature(
    guarded: Callable[[str], Api], steps: Steps, good: Key, issuer: Issuer
) -> None:
    api = guarded("work")

    assert push(api, stripped(good.token())).status_code == 200
    assert issuer.reads == 0
    assert push(api, good.token()).status_code == 200
    assert steps.ran == [Message(step="sweep")] * 2


@WRONG
@pytest.mark.parametrize("behind_iam", [True])
def test_behind_iam_every_other_claim_has_to_be_right(
    guarded: Callable[[str], Api], steps: Steps, good: Key, claims: dict[str, Any]
) -> None:
    assert push(guarded("work"), stripped(good.token(**claims))).status_code == 403
    assert steps.ran == []


@pytest.mark.parametrize("behind_iam", [True])
@pytest.mark.parametrize("token", [".SIGNATURE_REMOVED_BY_GOOGLE", "a.b.SIGNATURE_REMOVED_BY_GOOGLE"])
def test_behind_iam_a_signature_of_another_s_is_still_one(
    guarded: Callable[[str], Api], steps: Steps, stranger: Key, token: str
) -> None:
    api = guarded("work")

    assert [push(api, each).status_code for each in (token, stranger.token(), unsigned("none"))] == [403] * 3
    assert steps.ran == []


@pytest.mark.parametrize("behind_iam", [True, False])
def test_of_two_tokens_the_one_counts_that_the_platform_has_looked_at(
    guarded: Callable[[str], Api], steps: Steps, good: Key
) -> None:
    """Somebody else who may invoke the function proves himself in the one header, and forges the other."""
    mine = good.token(email="somebody@p.iam.gserviceaccount.com")
    body = {"message": {"data": b64({"step": "sweep"}), "messageId": "7"}, "subscription": "s"}
    headers = {"x-serverless-authorization": f"Bearer {mine}", "authorization": f"Bearer {stripped(good.token())}"}
    assert guarded("work").client.post("/", json=body, headers=headers).status_code == 403
    assert steps.ran == []
