"""Tokens: every one is counted once."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.usage import Tokens
from shared.providers.vertex.reply import UsageMetadata
from shared.providers.vertex.rows import read_row
from shared.providers.vertex.usage import usage_of


def detail(**counts: int) -> list[dict[str, Any]]:
    return [{"modality": modality, "tokenCount": number} for modality, number in counts.items()]


CASES: list[tuple[dict[str, Any], Tokens]] = [
    ({}, Tokens()),
    ({"promptTokenCount": 5}, Tokens(text=5)),
    ({"promptTokensDetails": detail(TEXT=5)}, Tokens(text=5)),
    ({"promptTokenCount": 5, "cachedContentTokenCount": 3}, Tokens(text=2, cached_text=3)),
    ({"promptTokenCount": 5, "cachedContentTokenCount": 9}, Tokens(cached_text=5)),
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
    made, usage = usage_of(msgspec.convert(meta, UsageMetadata))

    assert made == tokens
    assert usage["prompt_tokens"] == tokens.prompt + tokens.tool
    assert usage["prompt_tokens_details"]["cached_tokens"] == tokens.cached
    assert usage["prompt_tokens_details"]["audio_tokens"] == tokens.audio + tokens.cached_audio
    assert usage["completion_tokens"] == tokens.output + tokens.image_output + tokens.thinking
    assert usage["total_tokens"] == sum(tokens)


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
            **dict.fromkeys(("thoughtsTokenCount", "toolUsePromptTokenCount", "totalTokenCount"), COUNTS),
            **dict.fromkeys(("promptTokensDetails", "candidatesTokensDetails", "cacheTokensDetails"), DETAILS),
        },
    )
)
def test_no_kind_is_ever_negative(meta: dict[str, Any]) -> None:
    tokens, usage = usage_of(msgspec.convert(meta, UsageMetadata))

    assert min(tokens) >= 0
    assert usage["prompt_tokens"] == tokens.prompt + tokens.tool
    assert usage["completion_tokens"] == tokens.output + tokens.image_output + tokens.thinking


def test_what_is_no_count_counts_as_missing() -> None:
    meta = {"promptTokenCount": -5, "candidatesTokenCount": 10**30, "thoughtsTokenCount": "7", "totalTokenCount": True}
    row = read_row(msgspec.json.encode({"key": "r-000001", "response": {"usageMetadata": meta}}))

    assert row is not None
    assert usage_of(row.content.response.usage_metadata)[0] == Tokens(thinking=7)
