"""A Vertex deployment, ready to be used: the client, the codecs and the facts of batch prediction."""

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import Final

from shared.config import Deployment
from shared.domain import layout
from shared.domain.errors import ConfigError
from shared.domain.shard import Job
from shared.lines.completions import COMPLETIONS
from shared.lines.lowering import Lowering
from shared.lines.responses import RESPONSES
from shared.providers.base import NATIVE, Codec, Limits, Media, Provider
from shared.providers.lowered import lowered_codec
from shared.providers.vertex.asks import asked_beside, withheld
from shared.providers.vertex.claude_codec import claude_codec
from shared.providers.vertex.client import VertexClient
from shared.providers.vertex.codecs import chat_codec, embedding_codec
from shared.providers.vertex.native import native_codec
from shared.providers.vertex.open_codec import open_codec
from shared.providers.vertex.passthrough import VertexPassthrough
from shared.providers.vertex.profile import Kind, Model, bare, limits_of, model_of, refuse, refuse_unknown_model
from shared.providers.vertex.tally import SILENT, tally
from shared.providers.vertex.text_embeddings import text_embedding_codec

__all__ = ["final_predictions", "open_provider"]

_CHAT: Final = "/v1/chat/completions"
_EMBEDDINGS: Final = "/v1/embeddings"
_LOWERED: Final[dict[str, Lowering]] = {"/v1/responses": RESPONSES, "/v1/completions": COMPLETIONS}
_ROWS: Final = re.compile(  # as classic jobs and exports of tables are called
    r"(?!.*incremental|.*error)(?:[\w.-]+\.jsonl(?:-\d{5}-of-\d{5})?|prediction\.results-\d{5}-of-\d{5})"
)
_PIECE: Final = re.compile(r"predictions\.jsonl-(?P<number>\d{5})-of-(?P<total>\d{5})")


def open_provider(deployment: Deployment, media: Media) -> Provider:
    """The deployment's provider. Nothing connects before its first call; ConfigError where it cannot be run."""
    model, named = model_of(deployment.model), ":" in deployment.id
    if named and (model is None or model.tuned or refuse(deployment) is not None):
        return _nothing(deployment)
    if (refusal := refuse(deployment)) is not None or model is None:
        raise ConfigError(f"deployment {deployment.id}: {refusal or refuse_unknown_model(deployment.model)}")
    family = model.family
    own, inner = _own_codec(model, _described(model, deployment), media)

    def codec(endpoint: str) -> Codec | None:
        if endpoint == NATIVE:
            return native_codec(family.kind, model.name, inner, media)
        if endpoint == own:
            return inner
        return lowered_codec(inner, _LOWERED[endpoint]) if own == _CHAT and endpoint in _LOWERED else None

    def codec_named(name: str) -> Codec:
        for found in map(codec, (_CHAT, _EMBEDDINGS, NATIVE, *_LOWERED)):
            if found is not None and found.name == name:
                return found
        raise LookupError(f"{deployment.id}: {model.name} has no codec {name!r}")

    client = VertexClient(deployment)
    return Provider(
        client=client,
        limits=limits_of(deployment, family),
        codec=codec,
        codec_named=codec_named,
        predictions=final_predictions,
        price_model=_price_name(model, deployment),
        location=deployment.location,
        passthrough=VertexPassthrough(
            deployment,
            client,
            path=model.endpoint(f"projects/{deployment.project}/locations/{deployment.location}") or model.path,
            silent=family.kind in SILENT,
            read=tally(family.kind, inner),
            predictions=final_predictions,
        ),
        beside=partial(asked_beside, family.kind),
        withheld=partial(withheld, family.kind),
    )


def _nothing(deployment: Deployment) -> Provider:
    """For a name that fits a pattern, and that a caller may have made up: there is no such model here. Resources of
    projects are not for callers to name either.
    """

    def codec_named(name: str) -> Codec:
        raise LookupError(f"{deployment.id}: there is no codec {name!r}")

    return Provider(
        client=VertexClient(deployment),
        limits=Limits(rows=1, bytes=1),
        codec=lambda _: None,
        codec_named=codec_named,
        predictions=final_predictions,
        price_model=deployment.price_name or deployment.model,
        location=deployment.location,
    )


def _own_codec(model: Model, described: str, media: Media) -> tuple[str, Codec]:
    """The endpoint that a family answers, and the codec of it."""
    match model.family.kind:
        case Kind.GEMINI:
            return _CHAT, chat_codec(described, media)
        case Kind.GEMINI_EMBEDDINGS:
            return _EMBEDDINGS, embedding_codec(model.name)
        case Kind.CLAUDE:
            return _CHAT, claude_codec(model.name)
        case Kind.OPEN:
            return _CHAT, open_codec(_CHAT, model.name)
        case Kind.OPEN_EMBEDDINGS:
            return _EMBEDDINGS, open_codec(_EMBEDDINGS, model.name)
        case Kind.TEXT_EMBEDDINGS:
            return _EMBEDDINGS, text_embedding_codec(model.name)


def _described(model: Model, deployment: Deployment) -> str:
    """The model whose abilities hold: a tuned one's name says nothing of what it was tuned from."""
    return model.name if model.family.publisher or not deployment.base_model else bare(deployment.base_model)


def _price_name(model: Model, deployment: Deployment) -> str:
    """The model's own, unless the configuration has a price for it; of a tuned one that of its base, if it is named."""
    if deployment.price_name not in {"", deployment.model}:
        return deployment.price_name
    return _described(model, deployment)


def final_predictions(job: Job, names: Iterable[str]) -> list[str]:
    """Of the objects that a job left, those with its final rows, in order; never a partial export.

    The name ends in exactly `predictions.jsonl`, or in the pieces of one that were numbered. Where the job does not
    say its directory, the newest one that has such an object is taken: its name holds the time. Where its directory has
    none of these, other rows in it are taken: of the families beside Gemini no document says what theirs are called.
    """
    names = list(names)
    folders: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if layout.is_predictions(name.removeprefix("gs://")):
            folders[name.rpartition("/")[0]].append(name)
    if not folders and job.output is None:
        return []
    folder = max(folders) if job.output is None else job.output.rstrip("/")
    found = sorted(folders.get(folder, []))
    whole = f"{folder}/predictions.jsonl"
    return [whole] if whole in found else _one_set(found) or _others(folder, names)


def _others(folder: str, names: list[str]) -> list[str]:
    """Objects of rows under other names, directly in a folder; never partial exports or lists of errors."""
    inside = [name for name in names if name.rpartition("/")[0] == folder]
    return sorted(name for name in inside if _ROWS.fullmatch(name.rpartition("/")[2]))


def _one_set(pieces: list[str]) -> list[str]:
    """Pieces that were numbered together: the set that has most of them, should there be two."""
    sets: dict[str, list[str]] = defaultdict(list)
    for name in pieces:
        if match := _PIECE.fullmatch(name.rpartition("/")[2]):
            sets[match["total"]].append(name)
    return max(sets.values(), key=len, default=[])
