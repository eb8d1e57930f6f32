"""`allowed_routes` of a key, by the words that LiteLLM has for them: proxy/_types.py, LiteLLMRoutes."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.functions.conftest import Api
from tests.functions.vertex.conftest import CALLERS, JOBS, World

PATHS = (
    JOBS,
    "/vertex_ai/v1/projects/p/locations/global/batchPredictionJobs",
    "/vertex-ai/projects/p/locations/global/batchPredictionJobs",
    "/vertex_ai/batchPredictionJobs",
)


def reached(world: World, monkeypatch: pytest.MonkeyPatch, *allowed: str) -> dict[str, bool]:
    monkeypatch.setitem(CALLERS, "some", replace(CALLERS["a"], routes=(allowed,)))
    world.as_("some")
    return {path: world.api.get(path).status_code != 403 for path in (*PATHS, "/v1/jobs/1/cost", "/v1/jobs/key")}


@pytest.mark.parametrize(
    "allowed",
    [
        "/vertex_ai",
        "/vertex_ai/",
        "/vertex_ai/*",
        "/vertex-ai",
        "/vertex-ai/*",
        "/vertex_ai/v1",
        "/vertex_ai/v1/*",
        "/vertex-ai/v1beta1",
        "/vertex_ai/v1beta1/*",
        "mapped_pass_through_routes",
        "passthrough_routes_wildcard",
        "llm_api_routes",
    ],
)
def test_a_key_for_what_is_passed_through_reaches_it_by_every_path(
    world: World, monkeypatch: pytest.MonkeyPatch, allowed: str
) -> None:
    found = reached(world, monkeypatch, allowed)

    assert all(found[path] for path in PATHS)


@pytest.mark.parametrize(
    "allowed",
    [
        "openai_routes",
        "management_routes",
        "info_routes",
        "/vertex",
        "/vertex_ai2",
        "/gemini",
        "/v1/files",
        "/openai/*",
    ],
)
def test_a_key_for_other_things_does_not(world: World, monkeypatch: pytest.MonkeyPatch, allowed: str) -> None:
    found = reached(world, monkeypatch, allowed)

    assert not any(found[path] for path in PATHS)


def test_project_paths_are_a_prefix_like_any_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for allowed in ("/v1/projects", "/projects/*", "/v1beta1/projects/*", "/vertex_ai/v1/projects"):
        assert reached(world, monkeypatch, allowed)[JOBS], allowed


@pytest.mark.parametrize("allowed", ["mapped_pass_through_routes", "openai_routes", "llm_api_routes", "/v1/jobs"])
def test_whoever_may_run_something_may_ask_what_a_job_has_cost(
    world: World, monkeypatch: pytest.MonkeyPatch, allowed: str
) -> None:
    assert reached(world, monkeypatch, allowed)["/v1/jobs/1/cost"]


def test_the_routes_of_googles_api_are_for_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch, target: Callable[[str], Api]
) -> None:
    """A key for them reads no files and makes no keys."""
    api = target("api")
    api.headers = {"x-caller": "some"}
    for allowed in ("mapped_pass_through_routes", "/vertex_ai", "/vertex_ai/*", "/vertex-ai/v1"):
        monkeypatch.setitem(CALLERS, "some", replace(CALLERS["a"], routes=((allowed,),)))
        for path in ("/v1/files", "/v1/batches", "/vertex_ai/v1/files", "/v1/models", "/key/info"):
            assert api.get(path).status_code == 403, (allowed, path)
