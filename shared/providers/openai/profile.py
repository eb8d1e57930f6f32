"""OpenAI as data: what each endpoint takes, what one job takes, and which names of ours and theirs stay apart.

Parameters are those of the API reference of 2026-11 (openai 3.54), less those that would change what a line costs or
whose things it touches: see `WITHHELD`.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from shared.config import Deployment
from shared.providers.base import Limits

__all__ = [
    "CHAT",
    "COMPLETIONS",
    "EMBEDDINGS",
    "ENDPOINTS",
    "LIMITS",
    "MODERATIONS",
    "PARAMETERS",
    "RESPONSES",
    "TIERS",
    "TOOLS",
    "WITHHELD",
    "asked_beside",
    "base_url",
    "endpoints_of",
    "limits_of",
    "no_header",
    "refuse",
]

# https://platform.openai.com/docs/guides/batch: 50,000 requests, 200 MB, and 50,000 inputs of embeddings in all. Which
# MB is not said, so a margin.
LIMITS: Final = Limits(rows=50_000, bytes=190_000_000, inputs=50_000)

_BASE: Final = "https://api.openai.com/v1"

CHAT: Final = "/v1/chat/completions"
EMBEDDINGS: Final = "/v1/embeddings"
RESPONSES: Final = "/v1/responses"
COMPLETIONS: Final = "/v1/completions"
MODERATIONS: Final = "/v1/moderations"

ENDPOINTS: Final[Mapping[str, str]] = {  # and the names of their codecs
    CHAT: "openai-chat",
    EMBEDDINGS: "openai-embeddings",
    RESPONSES: "openai-responses",
    COMPLETIONS: "openai-completions",
    MODERATIONS: "openai-moderations",
}
_SAMPLING: Final = frozenset(
    {"frequency_penalty", "logit_bias", "logprobs", "n", "presence_penalty", "seed", "stop", "temperature", "top_p"}
)
_COMMON: Final = frozenset(
    {"metadata", "parallel_tool_calls", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "store"}
    | {"temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user", "model", "stream", "service_tier"}
)
PARAMETERS: Final[Mapping[str, frozenset[str]]] = {
    CHAT: _COMMON
    | _SAMPLING
    | {"audio", "function_call", "functions", "max_completion_tokens", "max_tokens", "messages", "modalities"}
    | {"prediction", "reasoning_effort", "response_format", "verbosity"},
    EMBEDDINGS: frozenset({"model", "input", "dimensions", "encoding_format", "user"}),
    RESPONSES: _COMMON
    | {"include", "input", "instructions", "max_output_tokens", "max_tool_calls", "reasoning", "text", "truncation"},
    COMPLETIONS: _SAMPLING | {"best_of", "echo", "max_tokens", "model", "prompt", "stream", "suffix", "user"},
    MODERATIONS: frozenset({"model", "input"}),
}

_SHARED: Final = "what the provider keeps is not one caller's own; give the whole conversation."
WITHHELD: Final[Mapping[str, str]] = {  # known to OpenAI, and why not from here
    "previous_response_id": _SHARED,
    "conversation": _SHARED,
    "prompt": "prompts that the provider keeps are not one caller's own; give it as instructions and input.",
    "background": "a batch waits for all of its lines.",
    "web_search_options": "it is charged beside the tokens.",
    "stream_options": "nothing is streamed in a batch.",
}
TOOLS: Final = frozenset({"function", "custom"})  # all others run at the provider and are charged beside the tokens
TIERS: Final = frozenset({"auto", "default"})  # others have other prices

_EMBEDDER: Final = re.compile(r"text-embedding-")
_JUDGE: Final = re.compile(r"(?:omni|text)-moderation-")
_TALKER: Final = re.compile(r"(?:ft:)?(?:gpt-|chatgpt-|o[0-9])")


def endpoints_of(model: str) -> frozenset[str]:
    """Where a model can be asked, as far as its name tells; all of them for a name that says nothing."""
    if _EMBEDDER.match(model):
        return frozenset({EMBEDDINGS})
    if _JUDGE.match(model):
        return frozenset({MODERATIONS})
    if _TALKER.match(model):
        return frozenset({CHAT, RESPONSES, COMPLETIONS})
    return frozenset(ENDPOINTS)


def asked_beside(endpoint: str, body: dict[str, Any]) -> str | None:
    """The member of a line that asks for audio, which has no price here; None where it asks for text alone."""
    wanted = body.get("modalities") if endpoint == CHAT else None
    return "modalities" if isinstance(wanted, list) and "audio" in wanted else None


def base_url(deployment: Deployment) -> str:
    """Where the API of a deployment is, version included and without a slash at the end."""
    return (deployment.api_base or _BASE).rstrip("/")


def refuse(deployment: Deployment) -> str | None:
    """Why this deployment cannot be opened; None where it can."""
    if not deployment.model:
        return "an openai model needs a name, such as openai/gpt-4o-mini"
    key = deployment.api_key
    if not key:
        return "an openai model needs api_key, such as os.environ/OPENAI_API_KEY"
    return no_header(api_key=key, organization=deployment.organization)


def no_header(**values: str | None) -> str | None:
    """The complaint about the first of these values that cannot be part of a header; None where all can."""
    for name, value in values.items():
        if value and (not value.isascii() or not value.isprintable() or " " in value):
            return f"{name} has characters that no header can carry"
    return None


def limits_of(deployment: Deployment, most: Limits = LIMITS) -> Limits:
    """How much one job takes there: what the provider takes, or less where the configuration says so."""
    return replace(
        most,
        rows=min(most.rows, deployment.most_lines or most.rows),
        bytes=min(most.bytes, deployment.most_bytes or most.bytes),
    )
