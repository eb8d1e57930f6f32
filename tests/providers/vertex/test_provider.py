"""What a Vertex deployment offers, and which of the objects a job leaves are its result."""

import pytest

from shared.config import Deployment
from shared.domain.errors import ConfigError
from shared.domain.shard import Job, JobState
from shared.providers.base import Media, Provider
from shared.providers.vertex.profile import refuse_unknown_model
from shared.providers.vertex.provider import final_predictions, open_provider

OUT = "gs://work/out/batch_a/0001/a1/"
FOLDER = OUT + "prediction-model-2026-11-14T10:26:51.569037Z"


def provider(model: str) -> Provider:
    deployment = Deployment(
        id="d#0", group="d", provider="vertex_ai", model=model, project="p", location="europe-west4"
    )
    return open_provider(deployment, Media())


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
        ("projects/my-embedding-project/locations/us-central1/models/42@1", True, False),
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


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini-embedding-001"])
def test_a_codec_is_found_again_by_its_name(model: str) -> None:
    offered = provider(model)
    codec = offered.codec("/v1/chat/completions") or offered.codec("/v1/embeddings")
    assert codec is not None
    assert offered.codec_named(codec.name).name == codec.name
    with pytest.raises(LookupError):
        offered.codec_named("smoke-signals")


@pytest.mark.parametrize(
    "model",
    [
        "text-embedding-004",
        "text-embedding-005",
        "text-multilingual-embedding-002",
        "multimodalembedding",
        "multimodalembedding@001",
        "claude-sonnet-4-5@20250929",
        "publishers/anthropic/models/claude-haiku-4-5",
        "meta/llama-3.3-70b-instruct-maas",
        "openai/gpt-oss-120b-maas",
        "publishers/meta/models/gemini-like",
        "gemini/1234567890",
        "gemini-",
        "imagen-4.0-generate-001",
        "my-gemini-2.5-flash",
        "1234567890",
        "projects/p/locations/us-central1/endpoints/42",
        "projects/p/models/42",
        "",
    ],
)
def test_what_this_version_does_not_run_is_refused_before_it_costs_a_job(model: str) -> None:
    refusal = refuse_unknown_model(model)

    assert refusal is not None
    assert f"{model!r} is not offered yet" in refusal
    with pytest.raises(ConfigError, match=r"deployment d#0: model .* is not offered yet"):
        provider(model)


@pytest.mark.parametrize(
    "model",
    [
        "gemini-2.5-flash",
        "gemini-flash-latest",
        "gemini-2.5-flash-001@default",
        "gemini-embedding-001",
        "vertex_ai/google/gemini-3.8-flash",
        "publishers/google/models/gemini-4-argon",
        "projects/123/locations/us-central1/models/456@2",
    ],
)
def test_a_gemini_or_a_tuned_one_is_not_refused(model: str) -> None:
    assert refuse_unknown_model(model) is None


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
