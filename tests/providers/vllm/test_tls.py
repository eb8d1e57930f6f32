"""A certificate is checked against the name that was asked for, wherever the connection goes."""

import asyncio
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.providers.base import Fault
from shared.providers.vllm import fetch, runner
from shared.providers.vllm.fetch import Silent, fetch_media
from tests.providers.vllm.scripted import Scripted, json_answer, scripted
from tests.providers.vllm.test_runner import good_answer, run

NAME = "images.example.com"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of NAME, signed by itself; with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    form = serialization.PrivateFormat.PKCS8
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    )
    return path


@pytest.fixture
def server(certificate: Path) -> Iterator[Scripted]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with scripted(lambda _: json_answer(200, b"pixel", kind="image/png"), tls=context) as running:
        yield running


@pytest.fixture
def trusting(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This certificate is one of an authority that we know, and every name is this machine's."""
    context = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr(fetch, "_tls", lambda: context)
    monkeypatch.setattr(runner, "_tls", lambda: context)
    real = asyncio.BaseEventLoop.getaddrinfo

    async def here(loop: Any, _: Any, *rest: Any, **more: Any) -> Any:
        return await real(loop, "127.0.0.1", *rest, **more)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", here)


@pytest.mark.usefixtures("trusting")
def test_media_come_from_who_bears_the_name(server: Scripted) -> None:
    url = f"https://{NAME}:{server.port}/a.png"
    assert asyncio.run(fetch_media(url, frozenset({NAME}))) == "data:image/png;base64,cGl4ZWw="


@pytest.mark.usefixtures("trusting")
def test_media_do_not_come_from_who_bears_another(server: Scripted) -> None:
    with pytest.raises(Silent):
        asyncio.run(fetch_media(f"https://other.example.com:{server.port}/a.png", frozenset({"other.example.com"})))
    assert server.seen == []


def test_no_key_goes_to_a_server_that_nobody_vouches_for(server: Scripted) -> None:
    outcome = run(f"https://127.0.0.1:{server.port}", api_key="sk-1")
    assert (outcome.fault, server.seen) == (Fault.ENDPOINT, [])


@pytest.mark.usefixtures("trusting")
def test_a_server_is_known_by_its_name(server: Scripted) -> None:
    server.script = lambda _: json_answer(200, good_answer())
    assert run(f"https://{NAME}:{server.port}").good
    assert run(f"https://other.example.com:{server.port}").fault is Fault.ENDPOINT
