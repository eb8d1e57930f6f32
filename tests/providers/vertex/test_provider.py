"""What a Vertex deployment offers, and which of the objects a job leaves are its result."""

from typing import Any

import pytest

from shared.config import Deployment
from shared.domain.errors import ConfigError
from shared.domain.shard import Job, JobState
from shared.providers.base import NATIVE, Media, Provider
from shared.providers.vertex.profile import model_of, refuse, refuse_unknown_model
from shared.providers.vertex.provider import final_predictions, open_provider

OUT = "gs://bucket/out/batch_a/0001/a1/"
MODELS = [
    "gemini-2.5-flash",
    "1234567890",
    "claude-sonnet-4-5@20250929",
    "meta/llama-3.3-70b-instruct-maas",
    "intfloat/multilingual-e5-large-instruct-maas",
    "text-embedding-005",
]
FOLDER = OUT + "prediction-model-2026-11-14T10:26:51.569037Z"


def deployment(model: str, **rest: Any) -> Deployment:
    said = {"id": "d#0", "group": "d", "provider": "vertex_ai", "project": "p", "location": "europe-west4", **rest}
    return Deployment(model=model, **said)


def provider(model: str, **rest: Any) -> Provider:
    return open_provider(deployment(model, **rest), Media())


def job(output: str | None = FOLDER) -> Job:
    return Job(name="j", state=JobState.SUCCEEDED, output=output)


@pytest.mark.parametrize(
    ("model", "chat", "embeddings"),
    [
        ("gemini-2.5-flash", True, False),
        ("gemini-3.8-flash", True, False),
        ("gemini-embedding-001", False, True),
        ("publishers/google/models/gemini-embedding-2", False, True),
        ("projects/p/locations/global/publishers/google/models/gemini-2.5-flash", True, False),
        ("projects/my-embedding-project/locations/europe-west4/models/42@1", True, False),
        ("projects/p/locations/europe-west4/endpoints/42", True, False),
        ("gemini/1234567890", True, False),
        ("1234567890", True, False),
        ("claude-sonnet-4-5@20250929", True, False),
        ("anthropic/claude-sonnet-5", True, False),
        ("meta/llama-3.3-70b-instruct-maas", True, False),
        ("publishers/qwen/models/qwen3-235b-a22b-instruct-2507-maas", True, False),
        ("intfloat/multilingual-e5-large-instruct-maas", False, True),
        ("text-embedding-005", False, True),
        ("text-multilingual-embedding-002", False, True),
    ],
)
def test_a_model_is_offered_at_its_own_endpoint(model: str, chat: bool, embeddings: bool) -> None:
    offered = provider(model)
    assert (offered.codec("/v1/chat/completions") is not None) is chat
    assert (offered.codec("/v1/embeddings") is not None) is embeddings
    assert (offered.codec("/v1/responses") is not None) is chat
    assert (offered.codec("/v1/completions") is not None) is chat
    assert offered.codec("/v1/moderations") is None
    assert offered.location == "europe-west4"


@pytest.mark.parametrize("model", [*MODELS, "gemini-embedding-001"])
@pytest.mark.parametrize("endpoint", ["/v1/chat/completions", "/v1/embeddings", "/v1/responses", NATIVE])
def test_a_codec_is_found_again_by_its_name(model: str, endpoint: str) -> None:
    offered = provider(model)
    codec = offered.codec(endpoint)
    if codec is not None:
        assert offered.codec_named(codec.name).name == codec.name
    with pytest.raises(LookupError):
        offered.codec_named("smoke-signals")


def test_every_family_takes_its_own_rows() -> None:
    assert {provider(model).codec(NATIVE).name for model in MODELS} == {"vertex-native"}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "model",
    [
        "multimodalembedding",
        "multimodalembedding@001",
        "gemini/gemini-2.5-flash",
        "gemini-",
        "claude",
        "imagen-4.0-generate-001",
        "my-gemini-2.5-flash",
        "projects/p/models/42",
        "projects/p/locations/us-central1/endpoints/name",
        "projects/p?x=/locations/us-central1/endpoints/1",
        "projects/../locations/us-central1/endpoints/1",
        "",
    ],
)
def test_what_batch_prediction_does_not_run_is_refused_before_it_costs_a_job(model: str) -> None:
    refusal = refuse_unknown_model(model)

    assert refusal is not None
    assert f"{model!r} is not offered" in refusal
    with pytest.raises(ConfigError, match=r"deployment d#0: model .* is not offered"):
        provider(model)


@pytest.mark.parametrize("model", MODELS)
def test_only_base_gemini_models_run_outside_of_a_region(model: str) -> None:
    for location in ("global", "us", "eu"):
        why = refuse(deployment(model, location=location))
        assert (why is None) is (model == "gemini-2.5-flash")
        if why is not None:
            assert "regions only" in why
            with pytest.raises(ConfigError, match="regions only"):
                provider(model, location=location)


def test_a_tuned_model_lies_where_its_name_says() -> None:
    assert "another place" in (refuse(deployment("projects/p/locations/us-central1/models/4")) or "")


@pytest.mark.parametrize("lacking", ["project", "location"])
def test_a_deployment_needs_its_place(lacking: str) -> None:
    assert "needs vertex_project and vertex_location" in (refuse(deployment("gemini-2.5-flash", **{lacking: ""})) or "")


def test_a_pattern_is_opened_for_the_models_that_there_are() -> None:
    """The names that fit it are callers': one that makes no sense, or is somebody's resource, is just not offered."""
    pattern = deployment("*", group="vertex_ai/*")
    assert refuse(pattern) is None
    assert open_provider(pattern.named("gemini-2.5-pro", "gemini-2.5-pro"), Media()).codec(NATIVE) is not None
    for name in ("nonsense", "1234567890", "projects/other/locations/europe-west4/models/4"):
        nothing = open_provider(pattern.named(name, name), Media())
        assert [nothing.codec(endpoint) for endpoint in ("/v1/chat/completions", "/v1/embeddings", NATIVE)] == [
            None
        ] * 3
        with pytest.raises(LookupError):
            nothing.codec_named("gemini-chat")


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-2.5-flash-001@default", "publishers/google/models/gemini-2.5-flash-001@default"),
        ("vertex_ai/google/gemini-3.8-flash", "publishers/google/models/gemini-3.8-flash"),
        ("text-embedding-005", "publishers/google/models/text-embedding-005"),
        ("claude-sonnet-4-5@20250929", "publishers/anthropic/models/claude-sonnet-4-5@20250929"),
        ("anthropic/claude-opus-5", "publishers/anthropic/models/claude-opus-5"),
        ("meta/llama-3.3-70b-instruct-maas", "publishers/meta/models/llama-3.3-70b-instruct-maas"),
        ("publishers/openai/models/gpt-oss-120b-maas", "publishers/openai/models/gpt-oss-120b-maas"),
        ("projects/123/locations/us-central1/models/456@2", "projects/123/locations/us-central1/models/456@2"),
    ],
)
def test_what_a_job_calls_a_model(model: str, path: str) -> None:
    found = model_of(model)
    assert found is not None
    assert found.path == path
    assert found.endpoint("projects/p/locations/l") is None


@pytest.mark.parametrize(
    ("model", "rest", "priced"),
    [
        ("anthropic/claude-opus-5", {"price_name": "anthropic/claude-opus-5"}, "claude-opus-5"),
        ("publishers/meta/models/llama-4-scout-17b-16e-instruct-maas", {}, "meta/llama-4-scout-17b-16e-instruct-maas"),
        ("text-embedding-005", {"price_name": "text-embedding-005"}, "text-embedding-005"),
        ("gemini-2.5-flash", {"price_name": "gemini-2.5-flash@d"}, "gemini-2.5-flash@d"),
        ("1234", {"price_name": "1234", "base_model": "vertex_ai/gemini-2.5-flash"}, "gemini-2.5-flash"),
        ("1234", {}, "1234"),
    ],
)
def test_what_the_price_book_calls_a_model(model: str, rest: dict[str, Any], priced: str) -> None:
    assert provider(model, **rest).price_model == priced


@pytest.mark.parametrize(
    ("model", "rows"),
    [
        ("gemini-2.5-flash", 200_000),
        ("gemini-embedding-001", 1_000_000),
        ("text-embedding-005", 30_000),
        ("claude-opus-5", 100_000),
    ],
)
def test_what_one_job_takes(model: str, rows: int) -> None:
    assert provider(model).limits.rows == rows
    smaller = provider(model, most_lines=10, most_bytes=2_000).limits
    assert (smaller.rows, smaller.bytes) == (10, 2_000)
    assert provider(model, most_lines=10**9, most_bytes=10**12).limits == provider(model).limits


def test_the_final_object_and_never_a_partial_one() -> None:
    names = [
        f"{FOLDER}/incremental_predictions.jsonl",
        f"{FOLDER}/predictions.jsonl",
        f"{FOLDER}/predictions.jsonl.tmp",
        f"{FOLDER}/deeper/predictions.jsonl",
        f"{OUT}prediction-model-2026-11-14T10:26:50Z/predictions.jsonl",
    ]
    assert final_predictions(job(), names) == [f"{FOLDER}/predictions.jsonl"]
    assert final_predictions(job(FOLDER + "/"), names) == [f"{FOLDER}/predictions.jsonl"]


def test_numbered_pieces_in_their_order() -> None:
    pieces = [f"{FOLDER}/predictions.jsonl-{number:05d}-of-00003" for number in range(3)]
    assert final_predictions(job(), [pieces[2], pieces[0], pieces[1]]) == pieces
    assert final_predictions(job(), [*pieces, f"{FOLDER}/predictions.jsonl-00000-of-00001"]) == pieces


def test_a_job_that_does_not_say_where() -> None:
    older = OUT + "prediction-model-2026-11-14T10:00:00Z/predictions.jsonl"
    assert final_predictions(job(None), [f"{FOLDER}/predictions.jsonl", older]) == [f"{FOLDER}/predictions.jsonl"]
    assert final_predictions(job(None), []) == []
    assert final_predictions(job(), [older]) == []


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["000000000000.jsonl", "000000000001.jsonl"], ["000000000000.jsonl", "000000000001.jsonl"]),
        (["predictions_0001.jsonl", "errors_0001.jsonl"], ["predictions_0001.jsonl"]),
        (
            ["prediction.results-00000-of-00002", "prediction.errors_stats-00000-of-00001"],
            ["prediction.results-00000-of-00002"],
        ),
        (["incremental_predictions.jsonl", "deeper/0.jsonl", "notes.txt"], []),
        (["predictions.jsonl", "0.jsonl"], ["predictions.jsonl"]),
    ],
)
def test_rows_under_another_name_are_better_than_none(names: list[str], found: list[str]) -> None:
    """No document says how the output of Claude, of open models or of the older embeddings is called."""
    given = [f"{FOLDER}/{name}" for name in names]
    assert final_predictions(job(), given) == [f"{FOLDER}/{name}" for name in found]
    assert final_predictions(job(None), [name for name in given if not name.endswith("predictions.jsonl")]) == []
