"""google-genai makes `publishers/google/models/NAME` of a bare name, and of `A/NAME` `publishers/A/models/NAME`."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.functions.vertex.conftest import JOBS, World, google


@pytest.mark.parametrize(
    "model",
    [
        "publishers/google/models/flash",
        "projects/p/locations/global/publishers/google/models/flash",
        "publishers/vertex_ai/models/flash",
    ],
)
def test_a_group_is_also_known_by_the_name_that_googles_client_makes_of_it(world: World, model: str) -> None:
    world.put("gs://jobs/in.jsonl")
    answer = world.api.post(JOBS, json=world.body(model=model))

    assert answer.status_code == 200, answer.text
    assert answer.headers["x-litellm-model-group"] == "flash"
    assert answer.json["model"] == "publishers/google/models/gemini-2.5-flash"


@pytest.mark.parametrize(
    ("who", "model"),
    [
        ("narrow", "publishers/google/models/flash"),
        ("a", "publishers/google/models/closed"),
        ("a", "publishers/google/models/embedder"),  # at another location
        ("a", "projects/q/locations/global/publishers/google/models/flash"),
        ("a", "projects/p/locations/us-central1/publishers/google/models/flash"),
        ("a", "publishers/google/models/nothing"),
    ],
)
def test_a_group_that_is_not_for_the_caller_or_not_here_is_unknown(world: World, who: str, model: str) -> None:
    code, status, message = google(world.as_(who).api.post(JOBS, json=world.body(model=model)))

    assert (code, status) == (404, "NOT_FOUND")
    assert message == f"The PublisherModel {model.rpartition('/')[2]} does not exist."
    assert world.records() == []


def test_that_somebody_tried_a_group_in_googles_words_is_on_record(
    world: World, facts: Callable[[], list[dict[str, Any]]]
) -> None:
    world.as_("narrow").api.post(JOBS, json=world.body(model="publishers/google/models/flash"))

    assert [fact["not_allowed"] for fact in facts() if "not_allowed" in fact] == ["flash"]
