"""What a Vertex deployment offers, and which of the objects a job leaves are its result."""

import pytest

from shared.config import Deployment
from shared.domain.shard import Job, JobState
from shared.providers.base import Media, Provider
from shared.providers.vertex.provider import final_predictions, open_vertex

OUT = "gs://work/out/batch_a/0001/a1/"
FOLDER = OUT + "prediction-model-2026-11-14T10:26:51.569037Z"


def provider(model: str) -> Provider:
    deployment = Deployment(
        id="d#0", group="d", provider="vertex_ai", model=model, project="p", location="europe-west4"
    )
    return open_vertex(deployment, Media())


def job(output: str | None = FOLDER) -> Job:
    return Job(name="j", state=JobState.SUCCEEDED, output=output)


@pytest.mark.parametrize(
    ("model", "chat", "embeddings"),
    [
        ("gemini-2.5-flash", True, False),
        ("gemini-3.8-flash", True, False),
        ("gemini-embedding-001", False, True),
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
