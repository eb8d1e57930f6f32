"""How one server with OpenAI's Files and Batches differs from the others: one client speaks to all of them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from shared.config import Deployment
from shared.providers.openai.profile import base_url

__all__ = ["Credentials", "Dialect", "Fixed", "bearer", "compatible_dialect", "openai_dialect"]

_DAY: Final = 86_400


class Credentials(Protocol):
    """What makes a request ours. Thread-safe."""

    def headers(self) -> dict[str, str]:
        """Refused or Transient where there are none to be had."""
        ...

    def forget(self) -> None:
        """They were not accepted: what was kept of them may be too old."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """Credentials that are headers, as the configuration gives them."""

    said: Mapping[str, str] = field(default_factory=dict, repr=False)

    def headers(self) -> dict[str, str]:
        return dict(self.said)

    def forget(self) -> None:
        """There are no others."""


def bearer(key: str | None) -> Fixed:
    """A key as OpenAI wants it; without one, nothing."""
    return Fixed({"authorization": f"Bearer {key}"} if key else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The facts of one server. The defaults are OpenAI's own."""

    name: str  # in logs
    base: str  # where `files` and `batches` are, without a slash at the end
    credentials: Credentials
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)  # of every request
    endpoints: Mapping[str, str] = field(default_factory=dict)  # what a batch is told, where it is not what ours is
    window: str = "24h"
    input_life: int | None = None  # seconds until the provider deletes what we upload; None: it does not know how
    output_life: int | None = None  # … and what a job writes
    labelled: bool = True  # a list of batches surely shows their metadata; else a job is known by its file's name, too
    newest_first: bool = True  # … and surely begins with the newest
    reads_files: bool = False  # a file must be `processed` before a batch may name it
    pause: float = 0.0  # seconds between two looks at one job; whoever looks sooner is told what was seen last
    private: tuple[str, ...] = ()  # names that no message to a client may hold


def openai_dialect(deployment: Deployment) -> Dialect:
    """OpenAI's own: https://platform.openai.com/docs/api-reference/files, of 2026-11."""
    return Dialect(
        name="openai",
        base=base_url(deployment),
        credentials=bearer(deployment.api_key),
        headers={"openai-organization": deployment.organization} if deployment.organization else {},
        input_life=2 * _DAY,  # a batch reads it within its 24 hours
        output_life=14 * _DAY,  # long enough for whoever mends a deployment whose key was taken away
    )


def compatible_dialect(deployment: Deployment) -> Dialect:
    """A server that resembles OpenAI (AIBrix, llm-d): nothing is asked of it that one of them might not know."""
    return Dialect(
        name=deployment.provider,
        base=base_url(deployment),
        credentials=bearer(deployment.api_key),
        labelled=False,
        newest_first=False,
    )
