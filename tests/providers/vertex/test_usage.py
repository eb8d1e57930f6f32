"""Tokens: every one is counted once."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.usage import Tokens
from shared.providers.vertex.reply import UsageMetadata
from shared.providers.vertex.rows import read_row
from shared.providers.vertex.usage import usage_of


def detail(**counts: Any) -> list[dict[str, Any]]:
    return [{"modality": modality, "tokenCount": number} for modality, number in counts.items()]


CASES: list[tuple[dict[str, Any], Tokens]] = [
    ({"promptTokenCount": 5}, Tokens(text=5)),
    ({"promptTokensDetails": detail(TEXT=5)}, Tokens(text=5)),
    ({"promptTokenCount": 5, "cachedContentTokenCount": 3}, Tokens(text=2, cached_text=3)),
    ({"promptTokenCount": 5, "totalTokenCount": 5}, Tokens(text=5)),
    ({"promptTokenCount": 5, "cachedContentTokenCount": 5}, Tokens(cached_text=5)),
    ({"candidatesTokenCount": 3, "totalTokenCount": 3}, Tokens(output=3)),
    (
        {"promptTokenCount": 100, "promptTokensDetails": detail(TEXT=10, AUDIO=20, IMAGE=30, VIDEO=15, DOCUMENT=25)},
        Tokens(text=35, audio=20, image=30, video=15),
    ),
    ({"promptTokenCount": 9, "promptTokensDetails": detail(AUDIO=4)}, Tokens(text=5, audio=4)),
    ({"promptTokenCount": 5, "promptTokensDetails": detail(TEXT=4, AUDIO=4)}, Tokens(text=1, audio=4)),
    (
        {
            "promptTokenCount": 30,
            "promptTokensDetails": detail(TEXT=10, AUDIO=20),
            "cachedContentTokenCount": 12,
            "cacheTokensDetails": detail(AUDIO=12),
        },
        Tokens(text=10, audio=8, cached_audio=12),
    ),
    (
        {"promptTokenCount": 30, "promptTokensDetails": detail(TEXT=10, AUDIO=20), "cachedContentTokenCount": 12},
        Tokens(audio=18, cached_text=10, cached_audio=2),
    ),
    (
        {
            "promptTokenCount": 30,
            "promptTokensDetails": detail(TEXT=10, IMAGE=20),
            "cachedContentTokenCount": 25,
            "cacheTokensDetails": detail(TEXT=99),
        },
        Tokens(image=5, cached_text=25),
    ),
    (
        {
            "promptTokenCount": 5,
            "toolUsePromptTokenCount": 7,
            "candidatesTokenCount": 3,
            "thoughtsTokenCount": 2,
            "totalTokenCount": 17,
        },
        Tokens(text=5, tool=7, output=3, thinking=2),
    ),
    (
        {"promptTokenCount": 5, "candidatesTokenCount": 10, "thoughtsTokenCount": 8, "totalTokenCount": 15},
        Tokens(text=5, output=2, thinking=8),
    ),
    (
        {"promptTokenCount": 5, "candidatesTokenCount": 10, "candidatesTokensDetails": detail(TEXT=4, IMAGE=6)},
        Tokens(text=5, output=4, image_output=6),
    ),
    ({"promptTokenCount": 5, "candidatesTokensDetails": detail(IMAGE=6)}, Tokens(text=5, image_output=6)),
]


@pytest.mark.parametrize(("meta", "tokens"), CASES)
def test_tokens_never_overlap(meta: dict[str, Any], tokens: Tokens) -> None:
    known = usage_of(msgspec.convert(meta, UsageMetadata))

    assert known is not None
    made, usage = known
    assert made == tokens
    assert usage["prompt_tokens"] == tokens.prompt + tokens.tool
    assert usage["prompt_tokens_details"]["cached_tokens"] == tokens.cached
    assert usage["prompt_tokens_details"]["audio_tokens"] == tokens.audio + tokens.cached_audio
    assert usage["completion_tokens"] == tokens.output + tokens.image_output + tokens.thinking
    assert usage["total_tokens"] == sum(tokens)


UNKNOWN: list[dict[str, Any]] = [
    {},
    {"totalTokenCount": 0},
    {"totalTokenCount": 17},
    {"candidatesTokenCount": 3},
    {"candidatesTokenCount": 3, "thoughtsTokenCount": 2, "totalTokenCount": 17},
    {"promptTokensDetails": detail(TEXT=None)},
    {"promptTokensDetails": [None]},
    {"promptTokenCount": 5, "totalTokenCount": 17},
    {"promptTokenCount": 5, "totalTokenCount": 0},
    {"promptTokenCount": 5, "candidatesTokenCount": 3, "totalTokenCount": 7},
    {"promptTokenCount": 5, "candidatesTokenCount": 3, "thoughtsTokenCount": 2, "totalTokenCount": 9},
    {"promptTokenCount": 5, "candidatesTokenCount": 3, "thoughtsTokenCount": 8, "totalTokenCount": 8},
    {"promptTokenCount": 5, "toolUsePromptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 8},
    {"promptTokenCount": 5, "cachedContentTokenCount": 9},
]


@pytest.mark.parametrize("meta", [None, *UNKNOWN])
def test_what_is_not_said_is_unknown_and_never_zero(meta: dict[str, Any] | None) -> None:
    assert usage_of(None if meta is None else msgspec.convert(meta, UsageMetadata)) is None


COUNTS = st.none() | st.integers(0, 50)
DETAILS = st.none() | st.lists(
    st.builds(
        lambda modality, number: {"modality": modality, "tokenCount": number},
        st.sampled_from([None, "TEXT", "AUDIO", "IMAGE", "VIDEO", "DOCUMENT", "FUTURE"]),
        COUNTS,
    ),
    max_size=4,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("promptTokenCount", "candidatesTokenCount", "cachedContentTokenCount"), COUNTS),
            **dict.fromkeys(("thoughtsTokenCount", "toolUsePromptTokenCount"), COUNTS),
            "totalTokenCount": st.integers(0, 50),
            **dict.fromkeys(("promptTokensDetails", "candidatesTokensDetails", "cacheTokensDetails"), DETAILS),
        },
    )
)
def test_no_kind_is_ever_negative(meta: dict[str, Any]) -> None:
    known = usage_of(msgspec.convert(meta, UsageMetadata))
    if known is None:
        return

    tokens, usage = known
    assert min(tokens) >= 0
    assert usage["prompt_tokens"] == tokens.prompt + tokens.tool
    assert usage["completion_tokens"] == tokens.output + tokens.image_output + tokens.thinking
    assert usage["total_tokens"] == sum(tokens) == meta.get("totalTokenCount", sum(tokens))


def read(meta: dict[str, Any]) -> Tokens | None:
    row = read_row(json.dumps({"key": "r-000001", "response": {"usageMetadata": meta}}).encode())
    assert row is not None
    known = usage_of(row.content.response.usage_metadata)
    return known and known[0]


@pytest.mark.parametrize("count", [-5, 10**30, 2**60, True, "many", 1.5, [], {}, "\ud800"])
def test_one_count_that_is_none_leaves_all_unknown(count: Any) -> None:
    """It would be taken for zero otherwise, and the line be too cheap."""
    assert read({"promptTokenCount": 5, "candidatesTokenCount": count}) is None
    details = [{"modality": "AUDIO", "tokenCount": count}]
    assert read({"promptTokenCount": 5, "promptTokensDetails": details}) is None


def test_counts_may_be_strings_and_padded_with_nulls() -> None:
    padded = {"promptTokenCount": "5", "thoughtsTokenCount": None, "promptTokensDetails": [None, *detail(AUDIO="2")]}
    assert read(padded) == Tokens(text=3, audio=2)
    assert read({**padded, "promptTokenCount": 5, "promptTokensDetails": [None, *detail(AUDIO=2)]}) == read(padded)
