"""Who may use which models, by lists with wildcards, and who sees what."""

import re
import time
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.access import ADMIN, NOTHING, Caller, Models, allows, scopes, visible

names = st.text(alphabet="ab-/.*", max_size=12)


@pytest.mark.parametrize(
    ("entry", "name", "fits"),
    [
        ("gemini-2.5-flash", "gemini-2.5-flash", True),
        ("gemini-2.5-flash", "gemini-2x5-flash", False),
        ("gemini-2.5-flash", "gemini-2.5-flash-lite", False),
        ("gemini-2.5-flash", "Gemini-2.5-flash", False),
        ("gemini-*", "gemini-2.5-pro", True),
        ("gemini-*", "gemini-", True),
        ("gemini-*", "gemini", False),
        ("gemini-*", "my-gemini-2.5", False),
        ("vertex_ai/*", "vertex_ai/gemini-2.5-pro", True),
        ("vertex_ai/*", "openai/gemini-2.5-pro", False),
        ("*", "anything at all\nand more", True),
        ("*", "", True),
        ("**", "x", True),
        ("*-flash", "gemini-2.5-flash", True),
        ("*-flash", "gemini-2.5-flash-lite", False),
        ("gemini-*-flash*", "gemini-2.5-flash-lite", True),
        ("gemini-*-flash*", "gemini-flash", False),
        ("a*a", "a", False),  # the beginning and the end are not the same letter
        ("a*a", "aa", True),
        ("ab*bc", "abc", False),
        ("a*b*c", "a-c-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("openai/*", "openai/*", True),  # a pattern of the configuration goes by its own name
        ("gpt-4.", "gpt-4o", False),
        ("gpt-[45]", "gpt-4", False),
        ("gpt-?", "gpt-4", False),
        ("", "", True),
        ("", "x", False),
    ],
)
def test_an_entry_is_a_name_with_any_text_in_the_place_of_a_star(entry: str, name: str, fits: bool) -> None:
    assert allows(((entry,),), [name]) is fits


@given(names, names)
def test_it_is_what_an_expression_would_say(entry: str, name: str) -> None:
    expression = ".*".join(re.escape(part) for part in entry.split("*"))
    assert allows(((entry,),), [name]) is (re.fullmatch(expression, name, re.DOTALL) is not None)


@pytest.mark.parametrize("entry", ["*-*-*-*y", "*a*a*a*a*a*a*a*b", "*" * 500 + "x"])
def test_a_long_name_costs_no_time(entry: str) -> None:
    started = time.thread_time()
    for letter in "-a":
        allows(((entry,),), [letter * 200_000])
    assert time.thread_time() - started < 3


def test_every_list_has_to_allow_a_group_by_one_of_its_names() -> None:
    known = ("flash", "vertex_ai/flash", "cheap")
    assert allows(None, known)
    assert allows((("flash",), ("cheap",), ("vertex_ai/*",)), known)
    assert not allows((("flash",), ("dear",)), known)
    assert not allows((("flash",), ()), known)
    assert not allows(NOTHING, known)
    assert not allows((("flash",),), ())


lists: st.SearchStrategy[Models] = st.none() | st.lists(st.lists(names, max_size=3).map(tuple), max_size=3).map(tuple)


@given(lists, st.lists(names, max_size=3), st.lists(names, max_size=2))
def test_another_list_never_allows_more(models: Models, known: list[str], listed: list[str]) -> None:
    if allows((*(models or ()), tuple(listed)), known):
        assert allows(models, known)


# ---- who sees what


@dataclass(frozen=True)
class Thing:
    owner: str
    team: str | None
    begun_at: int = 100


ANN = Caller(owner="user:ann", team="red")


@pytest.mark.parametrize(
    ("caller", "thing", "seen"),
    [
        (ANN, Thing("user:ann", "red"), True),
        (ANN, Thing("user:ann", "blue"), True),  # it was made when the key was in another team
        (ANN, Thing("user:bob", "red"), True),
        (ANN, Thing("user:bob", "blue"), False),
        (ANN, Thing("user:bob", None), False),
        (replace(ANN, shares=False), Thing("user:bob", "red"), False),
        (replace(ANN, shares=False), Thing("user:ann", "red"), True),
        (replace(ANN, team=None), Thing("user:bob", None), False),  # to have no team is not to share one
        (replace(ANN, team=""), Thing("user:bob", ""), True),
        (ADMIN, Thing("user:bob", "blue"), True),
        (replace(ANN, viewer=True), Thing("user:bob", "blue"), False),  # keys and spend are not files and batches
        (Caller(owner="user:annabel"), Thing("user:ann", None), False),
    ],
)
def test_a_caller_sees_its_own_and_its_teams(caller: Caller, thing: Thing, seen: bool) -> None:
    assert (visible(caller, thing) is thing) is seen
    asked = scopes(caller)
    assert (caller.admin or any(getattr(thing, name) == value for name, value in asked)) is seen
    assert visible(caller, None) is None


def test_what_was_made_before_a_user_or_a_team_of_that_name_is_of_another() -> None:
    mine, shared = Thing("user:ann", None), Thing("user:bob", "red")
    assert visible(replace(ANN, since=100, team_since=100), mine) is mine
    assert visible(replace(ANN, since=100, team_since=100), shared) is shared
    assert visible(replace(ANN, since=101), mine) is None
    assert visible(replace(ANN, team_since=101), shared) is None
    assert visible(replace(ANN, since=101), Thing("user:ann", "red")) is not None  # the team is still the same
