"""Names of objects that callers give: what they mean, and what is refused because it could mean something else."""

import pytest

from shared.domain.prefixes import place_of


@pytest.mark.parametrize("name", ["in.jsonl", "deep/in.jsonl", "*.jsonl", "deep/in-?.jsonl", "one *"])
def test_a_name_is_one_object_or_some_by_stars_and_question_marks_in_its_last_segment(name: str) -> None:
    place = place_of(f"gs://jobs/{name}", folder=False)

    assert place is not None
    assert place.name == f"gs://jobs/{name}"
    assert place.wild is ("*" in name or "?" in name)


@pytest.mark.parametrize(
    "name",
    [
        *("{in,x}.jsonl", "in.{jsonl,txt}", "[a-z].jsonl", "in[0].jsonl", "a]b", "a}b", "**", "a**b", "*/in.jsonl"),
        *("{a,b}/in.jsonl", "?/in.jsonl"),
    ],
)
def test_no_wildcard_is_taken_that_is_not_matched_exactly_as_it_is_said(name: str) -> None:
    assert place_of(f"gs://jobs/{name}", folder=False) is None
    assert place_of(f"gs://jobs/{name}", folder=True) is None
