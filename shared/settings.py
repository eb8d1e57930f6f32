"""The environment: the settings table of the README, and nothing else."""

import os
from collections.abc import Mapping

from pydantic import BaseModel, Field, ValidationError, field_validator

from shared.domain.errors import ConfigError

__all__ = ["Settings", "read_settings"]

_SHORTEST_KEY = 7  # LiteLLM's documentation has `sk-1234`; less is a mistake


class Settings(BaseModel, frozen=True):
    """What a function needs to know before it starts."""

    documents: str = Field(alias="OFFPEAK_DOCUMENTS", pattern=r"^(sqlite|firestore)://")
    objects: str = Field(alias="OFFPEAK_OBJECTS", pattern=r"^(file:///.+|gcs)$")
    data_bucket: str = Field(alias="OFFPEAK_DATA_BUCKET", min_length=1)
    work_bucket: str = Field(alias="OFFPEAK_WORK_BUCKET", min_length=1)
    bus: str = Field(alias="OFFPEAK_BUS", pattern=r"^(sqlite|pubsub)://")
    config: str | None = Field(default=None, alias="OFFPEAK_CONFIG")
    master_key: str = Field(alias="OFFPEAK_MASTER_KEY", repr=False)

    @field_validator("master_key")
    @classmethod
    def _long_enough(cls, key: str) -> str:
        if len(key.strip()) < _SHORTEST_KEY:
            raise ValueError(f"needs at least {_SHORTEST_KEY} characters")
        return key.strip()


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings, or ConfigError that names every variable which is missing or wrong."""
    environment = os.environ if environment is None else environment
    try:
        return Settings.model_validate({name: value for name, value in environment.items() if value})
    except ValidationError as error:
        wrong = "; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors(include_input=False))
        raise ConfigError(f"Offpeak cannot start. {wrong}. The README lists the settings.") from error
