"""Service accounts that exist nowhere, with keys that are real."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from google.oauth2 import service_account

__all__ = ["ServiceAccount"]


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """An address and its key."""

    email: str
    key: rsa.RSAPrivateKey

    @classmethod
    def new(cls, email: str = "signer@project.iam.gserviceaccount.com") -> Self:
        return cls(email, rsa.generate_private_key(public_exponent=65537, key_size=2048))

    @property
    def public_key(self) -> rsa.RSAPublicKey:
        return self.key.public_key()

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message, padding.PKCS1v15(), SHA256())

    def info(self) -> dict[str, Any]:
        """What a key file holds. Its token service is on a port where nobody listens."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": "project",
            "client_email": self.email,
            "private_key_id": "1",
            "private_key": pem.decode(),
            "token_uri": "http://127.0.0.1:9/token",
        }

    def credentials(self) -> service_account.Credentials:
        return service_account.Credentials.from_service_account_info(self.info())  # type: ignore[no-any-return, no-untyped-call]

    def write(self, path: Path) -> Path:
        """The key file."""
        path.write_text(json.dumps(self.info()), encoding="utf-8")
        return path
