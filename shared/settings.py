"""The environment: the settings table of the README, and nothing else."""

import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator

from shared.domain.errors import ConfigError

__all__ = ["Settings", "read_settings"]

# LiteLLM's documentation has `sk-1234`; less is a mistake. A pepper is made by a machine.
_SHORTEST: Final = {"master_key": 7, "key_pepper": 16}


class Settings(BaseModel, frozen=True):
    """What a function needs to know before it starts."""

    documents: str = Field(alias="OFFPEAK_DOCUMENTS", pattern=r"^(sqlite|firestore)://")
    objects: str = Field(alias="OFFPEAK_OBJECTS", pattern=r"^(file:///.+|gcs)$")
    data_bucket: str = Field(alias="OFFPEAK_DATA_BUCKET", min_length=1)
    work_bucket: str = Field(alias="OFFPEAK_WORK_BUCKET", min_length=1)
    bus: str = Field(alias="OFFPEAK_BUS", pattern=r"^(sqlite|pubsub)://")
    config: str | None = Field(default=None, alias="OFFPEAK_CONFIG")
    master_key: str = Field(default="", alias="OFFPEAK_MASTER_KEY", repr=False)  # empty where no client is answered
    key_pepper: str = Field(default="", alias="OFFPEAK_KEY_PEPPER", repr=False)

    @field_validator("master_key", "key_pepper")
    @classmethod
    def _long_enough(cls, secret: str, info: ValidationInfo) -> str:
        shortest = _SHORTEST[str(info.field_name)]
        if len(secret.strip()) < shortest:
            raise ValueError(f"needs at least {shortest} characters")
        return secret.strip()

    @property
    def project(self) -> str | None:
        """The Google Cloud project that the functions themselves live in; None on one machine."""
        for url in map(urlsplit, (self.bus, self.documents)):
            if url.scheme in {"pubsub", "firestore"}:
                return url.netloc
        return None


def read_settings(environment: Mapping[str, str] | None = None, *, clients: bool = True) -> Settings:
    """The settings, or ConfigError that names every variable which is missing or wrong.

    `clients`: whether these are answered. A function that only events reach is given no key that it could lose.
    """
    environment = os.environ if environment is None else environment
    try:
        settings = Settings.model_validate({name: value for name, value in environment.items() if value})
    except ValidationError as error:
        wrong = [f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors(include_input=False)]
    else:
        if settings.master_key or not clients:
            return settings
        wrong = []
    if clients and not environment.get("OFFPEAK_MASTER_KEY"):
        wrong.append("OFFPEAK_MASTER_KEY: Field required")
    raise ConfigError(f"Offpeak cannot start. {'; '.join(wrong)}. The README lists the settings.")
