"""Credentials against a token service on this machine."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from shared.domain.errors import Transient
from shared.providers.base import Refused
from shared.providers.vertex.credentials import GoogleCredentials


class TokenService(ThreadingHTTPServer):
    daemon_threads = True
    status = 200
    body: Any = None
    life = 3600
    asked = 0


class _Handler(BaseHTTPRequestHandler):
    server: TokenService

    def do_POST(self) -> None:
        self.server.asked += 1
        self.rfile.read(int(self.headers["content-length"]))
        token = {"access_token": f"token-{self.server.asked}", "expires_in": self.server.life, "token_type": "Bearer"}
        body = json.dumps(self.server.body or token).encode()
        self.send_response(self.server.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[TokenService]:
    with TokenService(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
def key(service: TokenService, private_key: str) -> str:
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "p",
            "private_key_id": "1",
            "private_key": private_key,
            "client_email": "offpeak@p.iam.gserviceaccount.com",
            "token_uri": f"http://127.0.0.1:{service.server_address[1]}/token",
        }
    )


@pytest.mark.parametrize("as_file", [True, False])
def test_a_key_is_given_as_a_file_or_as_its_text(key: str, tmp_path: Path, as_file: bool) -> None:
    place = tmp_path / "key.json"
    place.write_text(key)
    assert GoogleCredentials(str(place) if as_file else key).headers() == {"authorization": "Bearer token-1"}


def test_one_token_serves_many_threads_until_it_is_old(key: str, service: TokenService) -> None:
    credentials = GoogleCredentials(key)
    with ThreadPoolExecutor(8) as pool:
        headers = list(pool.map(lambda _: credentials.headers(), range(32)))
    assert service.asked == 1
    assert {header["authorization"] for header in headers} == {"Bearer token-1"}


def test_a_token_is_renewed_before_it_ends(key: str, service: TokenService) -> None:
    service.life = 60
    credentials = GoogleCredentials(key)
    assert credentials.headers() == {"authorization": "Bearer token-1"}
    assert credentials.headers() == {"authorization": "Bearer token-2"}


def test_a_token_that_still_holds_is_used_while_the_service_fails(key: str, service: TokenService) -> None:
    service.life = 60
    credentials = GoogleCredentials(key)
    credentials.headers()
    service.status, service.body = 400, {"error": "invalid_request"}
    assert credentials.headers() == {"authorization": "Bearer token-1"}


def test_a_token_that_was_not_accepted_is_forgotten(key: str, service: TokenService) -> None:
    credentials = GoogleCredentials(key)
    credentials.headers()
    credentials.forget()
    assert credentials.headers() == {"authorization": "Bearer token-2"}


def test_a_revoked_key_is_refused_but_not_for_ever(key: str, service: TokenService) -> None:
    service.status, service.body = 400, {"error": "invalid_grant", "error_description": "secret of offpeak@p"}
    with pytest.raises(Refused) as caught:
        GoogleCredentials(key).headers()
    assert not caught.value.settled
    assert "offpeak@p" not in caught.value.error.message


def test_a_busy_token_service_is_transient(key: str, service: TokenService) -> None:
    service.status, service.body = 503, {"error": "unavailable"}
    with pytest.raises(Transient):
        GoogleCredentials(key).headers()


def test_a_silent_token_service_is_transient(key: str, service: TokenService) -> None:
    nobody = key.replace(f":{service.server_address[1]}/", ":9/")
    with pytest.raises(Transient):
        GoogleCredentials(nobody).headers()


@pytest.mark.parametrize("source", ["/no/such/file", "{", "{}", '{"type": "magic"}', '{"type": "service_account"}'])
def test_credentials_that_cannot_be_read(source: str) -> None:
    with pytest.raises(Refused) as caught:
        GoogleCredentials(source).headers()
    assert not caught.value.settled
