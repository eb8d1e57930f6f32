"""An Azure OpenAI deployment, ready to be used: OpenAI's client and codecs, with Azure's facts."""

from typing import Final

from shared.config import Deployment
from shared.domain.errors import ConfigError
from shared.lines.completions import COMPLETIONS as AS_COMPLETION
from shared.lines.lowering import Lowering
from shared.lines.responses import RESPONSES as AS_RESPONSE
from shared.providers.azure.credentials import LOGIN
from shared.providers.azure.dialect import azure_dialect
from shared.providers.azure.profile import (
    LIMITS,
    deployment_name,
    embeds,
    endpoints_of,
    model_of,
    private_names,
    refuse,
)
from shared.providers.base import Codec, Media, Provider
from shared.providers.lowered import lowered_codec
from shared.providers.openai.client import OpenAIClient
from shared.providers.openai.codec import openai_codec
from shared.providers.openai.profile import CHAT, COMPLETIONS, RESPONSES, asked_beside, limits_of
from shared.providers.openai.provider import copied_results

__all__ = ["open_provider"]

_LOWERED: Final[dict[str, Lowering]] = {RESPONSES: AS_RESPONSE, COMPLETIONS: AS_COMPLETION}


def open_provider(deployment: Deployment, media: Media, *, login: str = LOGIN) -> Provider:  # noqa: ARG001
    """The deployment's provider. Nothing connects before its first call; ConfigError where it cannot be run.

    It reads no bucket of ours, so `media` says nothing here. `login`: where tokens come from.
    """
    if (why := refuse(deployment)) is not None:
        raise ConfigError(f"deployment {deployment.id}: {why}")
    client = OpenAIClient(deployment, azure_dialect(deployment, login=login))
    offered = {} if embeds(deployment) else endpoints_of(deployment)
    model, private = deployment_name(deployment), private_names(deployment)

    def codec(endpoint: str) -> Codec | None:
        if endpoint not in offered:
            return None
        there = offered[endpoint]
        own = CHAT if there == offered[CHAT] else endpoint
        spoken = openai_codec(own, model, url=there, private=private)
        return spoken if own == endpoint else lowered_codec(spoken, _LOWERED[endpoint])

    def codec_named(name: str) -> Codec:
        for found in map(codec, offered):
            if found is not None and found.name == name:
                return found
        raise LookupError(f"{deployment.id}: {model} has no codec {name!r}")

    return Provider(
        client=client,
        limits=limits_of(deployment, LIMITS),
        codec=codec,
        codec_named=codec_named,
        predictions=copied_results,
        fetch=client.fetch,
        tidy=client.tidy,
        beside=asked_beside,
        price_model=deployment.price_name or f"azure/{model_of(deployment)}",
        location="global",
    )
