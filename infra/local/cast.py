"""Who plays whom: the stand-ins for the providers of a configuration, and the variables that lead to them.

A file that leaves addresses and keys to LiteLLM's variables runs with real accounts and with stand-ins, as it is.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.local.data import CannotStart
from shared.app import configuration
from shared.config import Config
from shared.domain.errors import ConfigError
from shared.litellm import VARIABLES

__all__ = ["Cast", "Member", "free_ports", "playing"]

_HOST: Final = "127.0.0.1"
_KEY: Final = "sk-of-the-stand-ins"
_SECONDS: Final = "STANDIN_RUNNING"  # how long a job takes: the Vertex stand-in's own variable
_NAMES: Final = {"vertex_ai": "Vertex", "openai": "OpenAI", "azure": "Azure OpenAI", "hosted_vllm": "vLLM"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One stand-in."""

    provider: str
    url: str  # without a path
    model: str = ""  # of a server that has one alone

    @property
    def name(self) -> str:
        return "standin" if self.provider == "vertex_ai" else f"standin-{self.provider}"

    @property
    def ready(self) -> str:
        """Where it answers something, whatever it is, as soon as it serves."""
        return f"{self.url}/-/ready" if self.provider == "vertex_ai" else f"{self.url}/v1/models"

    def command(self, places: Mapping[str, str]) -> list[str]:
        """The module and its arguments; `places`: where the stack keeps what the Vertex stand-in reads and writes."""
        port = ("--port", self.url.rpartition(":")[2])
        seconds = os.environ.get(_SECONDS, "2")
        match self.provider:
            case "vertex_ai":
                return [
                    *("infra.local.standin", *port, "--objects", places["objects"], "--bus", places["bus"]),
                    *("--state", places["state"], "--work-bucket", places["work_bucket"]),
                ]
            case "hosted_vllm":
                return ["infra.local.standins.vllm", *port, "--model", self.model, "--token-ms", "1"]
            case provider:
                return [f"infra.local.standins.{provider}", *port, "--key", _KEY, "--seconds", seconds]

    def variables(self) -> dict[str, str]:
        """LiteLLM's, as they have to be to come here."""
        match self.provider:
            case "vertex_ai":
                place = {"VERTEXAI_PROJECT": "offpeak-local", "VERTEXAI_LOCATION": "global"}
                return {"VERTEXAI_API_BASE": self.url, **place}
            case "openai":
                return {"OPENAI_BASE_URL": f"{self.url}/v1", "OPENAI_API_KEY": _KEY}
            case "azure":
                return {"AZURE_API_BASE": self.url, "AZURE_API_KEY": _KEY}
            case _:
                return {"HOSTED_VLLM_API_BASE": f"{self.url}/v1"}


@dataclass(frozen=True, slots=True)
class Cast:
    """All stand-ins of a stack, and what its user is told of them."""

    members: tuple[Member, ...] = ()
    told: tuple[str, ...] = ()


def playing(config: str | None, environment: Mapping[str, str]) -> tuple[Cast, dict[str, str]]:
    """The stand-ins for a configuration's providers, and the environment in which they are found.

    Without a configuration, Vertex alone, and nothing of the environment is changed: the default configuration names
    its address. CannotStart where a deployment would not come to a stand-in.
    """
    ports = free_ports(len(_NAMES))
    urls = {provider: f"http://{_HOST}:{port}" for provider, port in zip(_NAMES, ports, strict=True)}
    if config is None:
        return Cast((Member(provider="vertex_ai", url=urls["vertex_ai"]),)), dict(environment)
    theirs = {name for of in VARIABLES.values() for names in of.values() for name in names}
    ours = {name: value for name, value in environment.items() if name not in theirs}
    for provider, url in urls.items():
        ours |= Member(provider=provider, url=url).variables()
    read = _read(config, ours)
    models = {each.provider: each.model for each in reversed(read.deployments)}
    for each in read.deployments:
        if each.api_base is None or not each.api_base.startswith(urls[each.provider]):
            raise CannotStart(
                f"{config}: {each.group} has an api_base of its own, where no stand-in is; leave it out or to "
                f"os.environ/{VARIABLES[each.provider]['api_base'][0]}"
            )
        if each.azure_ad_token or each.client_secret:
            raise CannotStart(f"{config}: {each.group} has a token or a client_secret; stand-ins know api_key alone")
    members = tuple(Member(provider=each, url=urls[each], model=models[each]) for each in _NAMES if each in models)
    ignored = sorted(theirs & environment.keys())
    told = [f"stand-ins answer for {', '.join(_NAMES[member.provider] for member in members)}: no model is asked"]
    told += [f"these variables of yours are not used: {', '.join(ignored)}"] if ignored else []
    return Cast(members, tuple(told)), ours


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((_HOST, 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _read(config: str, environment: Mapping[str, str]) -> Config:
    try:
        return configuration(Path(config).read_text(encoding="utf-8"), name=config, environment=environment)
    except (OSError, UnicodeDecodeError) as error:
        raise CannotStart(f"cannot read the configuration: {error}") from error
    except ConfigError as error:
        raise CannotStart(str(error)) from error
