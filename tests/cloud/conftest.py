import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from openai import OpenAI

from tests.cloud.stack import Cloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory, firestore_emulator: str, pubsub_emulator: str) -> Iterator[Cloud]:
    """One project for all tests that do it no harm."""
    with Cloud(tmp_path_factory.mktemp("cloud"), firestore=firestore_emulator, pubsub=pubsub_emulator) as cloud:
        yield cloud


@pytest.fixture
def client(cloud: Cloud) -> Iterator[OpenAI]:
    with cloud.client() as client:
        yield client


@pytest.fixture
def new_cloud(tmp_path: Path, firestore_emulator: str, pubsub_emulator: str) -> Iterator[Callable[..., Cloud]]:
    """A project of a test's own, which it may harm."""
    with ExitStack() as open:

        def start(**options: Any) -> Cloud:
            return open.enter_context(Cloud(tmp_path, firestore=firestore_emulator, pubsub=pubsub_emulator, **options))

        yield start


@pytest.fixture(scope="session")
def service_account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key file, as Google hands them out; of an account that there is nowhere."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": text,
        "client_email": "api@p.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "http://127.0.0.1:9/token",
    }
    place = tmp_path_factory.mktemp("account") / "key.json"
    place.write_text(json.dumps(account))
    return place
