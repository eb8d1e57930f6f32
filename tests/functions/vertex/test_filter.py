"""Filters as google.aip.dev/160 has them: OR binds tighter than AND, and AND goes without saying."""

from typing import Any

import pytest

from functions.vertex.filter import parsed_filter
from shared.domain.errors import BadRequest

A, B, C = (f'display_name="{name}"' for name in "abc")
NEVER, ALWAYS = 'state="NEVER"', 'state!="NEVER"'
MODELS = {"m": "publishers/google/models/gemini-2.5-flash", "tuned": "projects/1/locations/global/models/77@2"}


def chosen(filter: str, *jobs: dict[str, Any]) -> list[str]:
    test = parsed_filter(filter)
    return [job["displayName"] for job in jobs or tuple({"displayName": name} for name in "abc") if test(job)]


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        (f"{NEVER} AND {A} OR {B}", ""),
        (f"{ALWAYS} AND {A} OR {B}", "ab"),
        (f"{A} OR {B} AND {NEVER}", ""),
        (f"{A} OR {B} AND {ALWAYS}", "ab"),
        (f"({NEVER} AND {A}) OR {B}", "b"),
        (f"{A} OR {B} OR {C} AND {B} OR {C}", "bc"),
        (f"{ALWAYS} {A} OR {C}", "ac"),
        (f"{A} OR {C} {ALWAYS}", "ac"),
        (f"NOT {A} OR {A}", "abc"),
        (f"NOT ({A} OR {B})", "c"),
        (f"-{A}", "bc"),
        (f"-({A} OR {B})", "c"),
        (f"{ALWAYS} -{A}", "bc"),
        (f"-{A} AND -{B}", "c"),
        (f"-NOT {A}", "a"),
    ],
)
def test_or_binds_tighter_than_and(filter: str, found: str) -> None:
    assert "".join(chosen(filter)) == found


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ('model_display_name="gemini-2.5-flash"', ["m"]),
        ('modelDisplayName="gemini-2.5-flash"', ["m"]),
        ("model_display_name=77", ["tuned"]),
        ('model_display_name!="gemini-2.5-flash"', ["tuned"]),
        ('model_display_name="publishers/google/models/gemini-2.5-flash"', []),
    ],
)
def test_a_model_is_called_by_the_last_part_of_its_name(filter: str, found: list[str]) -> None:
    assert chosen(filter, *({"displayName": name, "model": model} for name, model in MODELS.items())) == found


@pytest.mark.parametrize(
    "filter",
    [
        "model_display_name:x",
        "model_display_name>x",
        "-",
        "- -",
        "-" * 100 + "state=x",
        "- " * 100 + "state=x",
        f"{A} OR",
        f"OR {A}",
        f"{A} AND OR {B}",
        f"{A} OR AND {B}",
        f"AND {A}",
        f"({A}",
        f"{A})",
        f"({A} OR",
        "()",
    ],
)
def test_what_is_no_filter_is_refused(filter: str) -> None:
    with pytest.raises(BadRequest, match="Invalid filter"):
        parsed_filter(filter)


def test_what_is_quoted_is_no_operator() -> None:
    assert chosen('display_name="-a"', {"displayName": "-a"}) == ["-a"]
    with pytest.raises(BadRequest):
        parsed_filter(f'"-"{A}')
