"""The environment: the settings table of the README, and nothing else.

Whoever comes from LiteLLM has said some of it already: its variables count where ours are not set.
"""

import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator

from shared.domain.errors import ConfigError

__all__ = ["EVENT_TARGETS", "Settings", "answers_clients", "calls_providers", "chosen_key", "read_settings"]

EVENT_TARGETS: Final = frozenset({"work", "predictions", "dead_letter"})

# `predictions` hears of Vertex alone, which it asks as itself.
_CALLERS: Final = frozenset({"vertex", "work", "dead_letter"})
# LiteLLM's documentation has `sk-1234`; less is a mistake. A pepper is made by a machine.
_SHORTEST: Final = {"master_key": 7, "key_pepper": 16}
_MASTER_KEY, _PEPPER = "OFFPEAK_MASTER_KEY", "OFFPEAK_KEY_PEPPER"
_THEIRS: Final[Mapping[str, tuple[str, ...]]] = {  # LiteLLM's variables; of several, the first that is set
    _MASTER_KEY: ("LITELLM_MASTER_KEY",),
    _PEPPER: ("LITELLM_SALT_KEY",),
    "OFFPEAK_WORK_BUCKET": ("GCS_BATCH_BUCKET_NAME", "GCS_BUCKET_NAME"),
}


class Settings(BaseModel, frozen=True):
    """What a function needs to know before it starts."""

    documents: str = Field(alias="OFFPEAK_DOCUMENTS", pattern=r"^(sqlite|firestore)://")
    objects: str = Field(alias="OFFPEAK_OBJECTS", pattern=r"^(file:///.+|gcs)$")
    data_bucket: str = Field(alias="OFFPEAK_DATA_BUCKET", min_length=1)
    work_bucket: str = Field(alias="OFFPEAK_WORK_BUCKET", min_length=1)
    bus: str = Field(alias="OFFPEAK_BUS", pattern=r"^(sqlite|pubsub)://")
    config: str | None = Field(default=None, alias="OFFPEAK_CONFIG")
    master_key: str = Field(default="", alias="OFFPEAK_MASTER_KEY", repr=False)  # empty where no client is answered
    key_pepper: str = Field(default="", alias="OFFPEAK_KEY_PEPPER", repr=False)  # without one there are no virtual keys

    @field_validator("master_key", "key_pepper")
    @classmethod
    def _long_enough(cls, secret: str, info: ValidationInfo) -> str:
        name = str(info.field_name)
        if (why := _too_short(name, secret)) is not None:
            raise ValueError(why)
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

    `clients`: whether these are answered. A function that only events reach is given no key that it could lose. Where
    there is a configuration, its own master key may be the one: see `chosen_key`.
    """
    environment = os.environ if environment is None else environment
    said = {name: value for name, value in environment.items() if value}
    emptied = clients and environment.get(_PEPPER) == "" and "LITELLM_SALT_KEY" not in said
    theirs = {ours: name for ours, name in _theirs(said).items() if ours not in said}
    said |= {ours: _as_ours(ours, said[name]) for ours, name in theirs.items()}
    try:
        settings = Settings.model_validate(said)
    except ValidationError as error:
        wrong = [
            f"{theirs.get(str(problem['loc'][0]), problem['loc'][0])}: {problem['msg']}"
            for problem in error.errors(include_input=False)
        ]
    else:
        if (settings.master_key or not clients or settings.config is not None) and not emptied:
            return settings
        wrong = []
    if clients and _MASTER_KEY not in said:
        wrong.append(f"{_MASTER_KEY}: Field required")
    if emptied:
        wrong.append(
            f"{_PEPPER}: is empty. It has 16 characters or more that only chance has chosen, and never changes"
        )
    raise _cannot_start("; ".join(wrong))


def chosen_key(set_here: str, said: str | None, *, clients: bool = True) -> str:
    """The key that clients bring: that of the settings, else the one that the configuration says.

    ConfigError where it is too short, or where clients are answered and nobody says one. Else empty: then no key is
    the right one.
    """
    if set_here:
        return set_here
    if said is not None:
        if (why := _too_short("master_key", said)) is not None:
            raise _cannot_start(f"general_settings.master_key: {why}")
        return said.strip()
    if clients:
        raise _cannot_start(f"{_MASTER_KEY}: Field required")
    return ""


def answers_clients(environment: Mapping[str, str] | None = None) -> bool:
    """Whether this process is one that clients reach. FUNCTION_TARGET is the framework's own variable."""
    environment = os.environ if environment is None else environment
    return environment.get("FUNCTION_TARGET") not in EVENT_TARGETS


def calls_providers(environment: Mapping[str, str] | None = None) -> bool:
    """Whether this process needs the keys of providers. Who is no function of ours may be anything, so it does."""
    environment = os.environ if environment is None else environment
    return environment.get("FUNCTION_TARGET", "work") in _CALLERS


def _theirs(said: Mapping[str, str]) -> dict[str, str]:
    """Of our variables, those that one of LiteLLM's speaks for."""
    found = {ours: next((name for name in names if name in said), None) for ours, names in _THEIRS.items()}
    return {ours: name for ours, name in found.items() if name is not None}


def _as_ours(ours: str, value: str) -> str:
    """LiteLLM's bucket may have a folder behind it; our names of objects begin at the top."""
    return value if ours in {_MASTER_KEY, _PEPPER} else value.removeprefix("gs://").partition("/")[0]


def _too_short(name: str, secret: str) -> str | None:
    shortest = _SHORTEST[name]
    return f"needs at least {shortest} characters" if len(secret.strip()) < shortest else None


def _cannot_start(reasons: str) -> ConfigError:
    return ConfigError(f"Offpeak cannot start. {reasons}. The README lists the settings.")
