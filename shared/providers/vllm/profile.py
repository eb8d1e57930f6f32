"""vLLM as data: what each endpoint takes, what one shard takes, and where a server is.

Parameters are those of vLLM 0.33 (`protocol.py` of each endpoint), less those that reach past the one request: a chat
template is code that the server runs, `priority` and `request_id` touch other callers' requests, and what fetches or
moves caches touches the network it stands in.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from shared.config import Deployment
from shared.providers.base import Limits

__all__ = [
    "CHAT",
    "COMPLETIONS",
    "EMBEDDINGS",
    "ENDPOINTS",
    "IGNORED",
    "JOB_LIMITS",
    "LIMITS",
    "PARALLEL",
    "PARAMETERS",
    "RESPONSES",
    "TIMEOUT",
    "WITHHELD",
    "base_url",
    "media_hosts",
    "private_names",
    "refuse",
    "root_url",
]

# A shard is the unit that one worker holds: small, so that several workers share a batch and little is done again.
LIMITS: Final = Limits(rows=500, bytes=4 * 2**20)
# Where the server has batches. Fewer bytes than OpenAI takes: should it turn out to have none, a worker holds all rows.
JOB_LIMITS: Final = Limits(rows=50_000, bytes=64 * 2**20, inputs=50_000)
PARALLEL: Final = 32  # lines in flight, where a deployment does not say
TIMEOUT: Final = 240.0  # seconds for one line, where a deployment does not say: a worker has 8 minutes

CHAT: Final = "/v1/chat/completions"
COMPLETIONS: Final = "/v1/completions"
EMBEDDINGS: Final = "/v1/embeddings"
RESPONSES: Final = "/v1/responses"

ENDPOINTS: Final[Mapping[str, str]] = {  # that a server has itself, and the names of their codecs
    CHAT: "vllm-chat",
    COMPLETIONS: "vllm-completions",
    EMBEDDINGS: "vllm-embeddings",
}
IGNORED: Final = frozenset(  # they change nothing in an answer, there or here, so they stay here
    {"metadata", "prediction", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier"}
    | {"store", "user", "verbosity"}
)
_SAMPLING: Final = frozenset(
    {"frequency_penalty", "logit_bias", "logprobs", "max_tokens", "n", "presence_penalty", "seed", "stop"}
    | {"temperature", "top_p"}
    # vLLM's own
    | {"allowed_token_ids", "bad_words", "ignore_eos", "include_stop_str_in_output", "length_penalty", "min_p"}
    | {"min_tokens", "repetition_penalty", "skip_special_tokens", "spaces_between_special_tokens", "stop_token_ids"}
    | {"top_k"}
)
PARAMETERS: Final[Mapping[str, frozenset[str]]] = {
    CHAT: _SAMPLING
    | IGNORED
    | {"include_reasoning", "max_completion_tokens", "messages", "modalities", "model", "parallel_tool_calls"}
    | {"reasoning_effort", "response_format", "stream", "thinking_config", "tool_choice", "tools"}
    | {"top_logprobs"},
    COMPLETIONS: _SAMPLING | {"best_of", "echo", "model", "prompt", "stream", "suffix", "user"},
    EMBEDDINGS: frozenset({"dimensions", "encoding_format", "input", "model", "user"}),
}
_TEMPLATE: Final = "how a conversation is written down is the server's to say."
_FORM: Final = "say it with response_format."
WITHHELD: Final[Mapping[str, str]] = {  # known to OpenAI or vLLM, and why not from here
    "audio": "answers are text.",
    "functions": "give them as tools.",
    "function_call": "say it with tool_choice.",
    "web_search_options": "nothing is searched here.",
    "stream_options": "nothing is streamed in a batch.",
    "chat_template": _TEMPLATE,
    "chat_template_kwargs": _TEMPLATE,
    "mm_processor_kwargs": "how media are read is the server's to say.",
    "media_io_kwargs": "how media are read is the server's to say.",
    "guided_json": _FORM,
    "guided_regex": _FORM,
    "guided_choice": _FORM,
    "guided_grammar": _FORM,
    "structured_outputs": _FORM,
    "priority": "all lines of all batches have the same.",
    "request_id": "requests are named here.",
}

_VERSION: Final = re.compile(r"(?<!/)/v[0-9]+[a-z0-9]*$")
_URL: Final = re.compile(r"https?://[^/?#@\s\\]+(?:/[^?#@\s\\]*)?", re.IGNORECASE)


def base_url(deployment: Deployment) -> str:
    """Where the API of a deployment is, without a slash at the end.

    `http://vllm:8000` and `http://vllm:8000/v1` are the same server, as LiteLLM's users write it. Any other path is
    where the operator has put the API.
    """
    base = (deployment.api_base or "").rstrip("/")
    return base if urlsplit(base).path else f"{base}/v1"


def root_url(deployment: Deployment) -> str:
    """Where the server is: beside its API stand /health and /metrics."""
    return _VERSION.sub("", base_url(deployment))


def media_hosts(deployment: Deployment) -> frozenset[str]:
    """The hosts whose media the lines of a deployment may name."""
    return frozenset(host.lower() for host in deployment.media_hosts)


def private_names(deployment: Deployment) -> tuple[str, ...]:
    """What no message to a client may name: our key, where the server is, and what it calls a model that has another
    name here. Many serve a model under its path.
    """
    host = urlsplit(base_url(deployment)).hostname
    named = deployment.model not in {deployment.group, deployment.group.rpartition("/")[2]}
    said = (deployment.api_key, host, deployment.model if named else None)
    return tuple(name for name in said if name)


def refuse(deployment: Deployment) -> str | None:
    """Why this deployment cannot be opened; None where it can."""
    if not deployment.model:
        return f"a model of a server needs the name that it has there, such as {deployment.provider}/my-model"
    if not deployment.api_base:
        return "a model whose lines are run one by one needs api_base, such as http://vllm:8000/v1"
    if not _URL.fullmatch(deployment.api_base):
        return "api_base is not http(s)://host:port/v1"
    key = deployment.api_key or "-"
    if not key.isascii() or not key.isprintable() or " " in key:
        return "api_key has characters that no header can carry"
    return None
