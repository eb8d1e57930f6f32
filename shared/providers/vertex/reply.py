"""Rows of Vertex's output, as types: what is not named here, above all the echoed request, is skipped unread."""

from typing import Annotated, Final

import msgspec

__all__ = [
    "MOST",
    "Block",
    "Candidate",
    "Chosen",
    "Content",
    "Detail",
    "Embedding",
    "FunctionCall",
    "InlineData",
    "Logprobs",
    "Part",
    "Response",
    "Row",
    "Top",
    "UsageMetadata",
]

# Every field may be missing or null: the importer's table pads rows with nulls.

MOST: Final = 2**53  # a larger number is no count of anything
Count = Annotated[int, msgspec.Meta(ge=0, le=MOST)]


class FunctionCall(msgspec.Struct, gc=False):
    """A call that the model wants made."""

    name: str | None = None
    args: msgspec.Raw = msgspec.Raw()  # goes out as it came; empty: there are none


class InlineData(msgspec.Struct, gc=False, rename="camel"):
    """An image that the model drew."""

    mime_type: str | None = None
    data: str | None = None


class Part(msgspec.Struct, gc=False, rename="camel"):
    """One thing of those that a candidate says; a thought is no part of the answer."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: InlineData | None = None


class Content(msgspec.Struct, gc=False):
    """What a candidate says."""

    parts: list[Part] | None = None


class Chosen(msgspec.Struct, gc=False, rename="camel"):
    """A token and its probability."""

    token: str | None = None
    log_probability: float | None = None


class Top(msgspec.Struct, gc=False):
    """The likeliest tokens at one place."""

    candidates: list[Chosen] | None = None


class Logprobs(msgspec.Struct, gc=False, rename="camel"):
    """Two lists, place by place."""

    chosen_candidates: list[Chosen] | None = None
    top_candidates: list[Top] | None = None


class Candidate(msgspec.Struct, gc=False, rename="camel"):
    """One of the answers; `content` is missing where it was stopped at once."""

    content: Content | None = None
    finish_reason: str | None = None
    index: int | None = None
    logprobs_result: Logprobs | None = None


class Block(msgspec.Struct, gc=False, rename="camel"):
    """Why a prompt was refused."""

    block_reason: str | None = None
    block_reason_message: str | None = None


class Detail(msgspec.Struct, gc=False, rename="camel"):
    """The tokens of one modality."""

    modality: str | None = None
    token_count: Count | None = None


class UsageMetadata(msgspec.Struct, gc=False, rename="camel"):
    """Counts of tokens; one that is zero is left out."""

    prompt_token_count: Count | None = None
    candidates_token_count: Count | None = None
    thoughts_token_count: Count | None = None
    tool_use_prompt_token_count: Count | None = None
    cached_content_token_count: Count | None = None
    total_token_count: Count | None = None
    prompt_tokens_details: list[Detail | None] | None = None
    candidates_tokens_details: list[Detail | None] | None = None
    cache_tokens_details: list[Detail | None] | None = None


class Embedding(msgspec.Struct, gc=False):
    """A vector."""

    values: list[float] | None = None


class Response(msgspec.Struct, gc=False, rename="camel"):
    """Of a chat, or of an embedding: a row has the fields of one of them."""

    candidates: list[Candidate] | None = None
    create_time: str | None = None
    response_id: str | None = None
    usage_metadata: UsageMetadata | None = None
    prompt_feedback: Block | None = None
    embedding: Embedding | None = None
    token_count: Count | None = None


class Row(msgspec.Struct, gc=False):
    """A line of the output; it failed where `status` says something or `response` is missing or empty."""

    key: str | None = None
    custom_id: str | None = None
    status: str | None = None
    processed_time: str | None = None
    response: Response | None = None
