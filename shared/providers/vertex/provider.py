"""A Vertex deployment, ready to be used: the client, the codecs and the facts of batch prediction."""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from shared.config import Deployment
from shared.domain import layout
from shared.domain.errors import ConfigError
from shared.domain.shard import Job
from shared.lines.completions import COMPLETIONS
from shared.lines.lowering import Lowering
from shared.lines.responses import RESPONSES
from shared.providers.base import Codec, Limits, Media, Provider
from shared.providers.lowered import lowered_codec
from shared.providers.vertex.client import VertexClient
from shared.providers.vertex.codecs import chat_codec, embedding_codec
from shared.providers.vertex.profile import bare, refuse_unknown_model

__all__ = ["LIMITS", "final_predictions", "open_provider"]

# "batch prediction for Gemini": 200,000 requests, and one input file of 1 GB; which GB is not said, so a margin.
LIMITS: Final = Limits(rows=200_000, bytes=950_000_000)

_CHAT: Final = "/v1/chat/completions"
_EMBEDDINGS: Final = "/v1/embeddings"
_LOWERED: Final[dict[str, Lowering]] = {"/v1/responses": RESPONSES, "/v1/completions": COMPLETIONS}
_PIECE: Final = re.compile(r"predictions\.jsonl-(?P<number>\d{5})-of-(?P<total>\d{5})")


def open_provider(deployment: Deployment, media: Media) -> Provider:
    """The deployment's provider. Nothing connects before its first call; ConfigError where it cannot be run."""
    model = deployment.model
    if refusal := refuse_unknown_model(model):
        raise ConfigError(f"deployment {deployment.id}: {refusal}")

    def codec(endpoint: str) -> Codec | None:
        embeds = _embeds(model)
        if embeds:
            return embedding_codec(model) if endpoint == _EMBEDDINGS else None
        if endpoint == _CHAT:
            return chat_codec(model, media)
        if endpoint in _LOWERED:
            return lowered_codec(chat_codec(model, media), _LOWERED[endpoint])
        return None

    def codec_named(name: str) -> Codec:
        for found in map(codec, (_CHAT, _EMBEDDINGS, *_LOWERED)):
            if found is not None and found.name == name:
                return found
        raise LookupError(f"{deployment.id}: {model} has no codec {name!r}")

    return Provider(
        client=VertexClient(deployment),
        limits=LIMITS,
        codec=codec,
        codec_named=codec_named,
        predictions=final_predictions,
        price_model=deployment.price_name or model,
        location=deployment.location,
    )


def final_predictions(job: Job, names: Iterable[str]) -> list[str]:
    """Of the objects that a job left, those with its final rows, in order; never a partial export.

    The name ends in exactly `predictions.jsonl`, or in the pieces of one that were numbered. Where the job does not
    say its directory, the newest one that has such an object is taken: its name holds the time.
    """
    folders: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if layout.is_predictions(name.removeprefix("gs://")):
            folders[name.rpartition("/")[0]].append(name)
    if not folders:
        return []
    folder = max(folders) if job.output is None else job.output.rstrip("/")
    found = sorted(folders.get(folder, []))
    whole = f"{folder}/predictions.jsonl"
    return [whole] if whole in found else _one_set(found)


def _one_set(pieces: list[str]) -> list[str]:
    """Pieces that were numbered together: the set that has most of them, should there be two."""
    sets: dict[str, list[str]] = defaultdict(list)
    for name in pieces:
        if match := _PIECE.fullmatch(name.rpartition("/")[2]):
            sets[match["total"]].append(name)
    return max(sets.values(), key=len, default=[])


def _embeds(model: str) -> bool:
    return bare(model).startswith("gemini-embedding")
