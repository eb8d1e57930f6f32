"""Google's messages may name what the caller has named, and nothing else, whatever words the caller has chosen."""

from typing import Any

import httpx
import pytest

from shared.providers.base import Said
from tests.providers.vertex.test_passthrough import BODY, JOB, NAME, NUMBER, said, through

ACCOUNT = f"service-{NUMBER}@gcp-sa-aiplatform.iam.gserviceaccount.com"
SECRETS = (ACCOUNT, "iam.gserviceaccount.com", NUMBER, "our-project", "tenant-bucket", "https://console", "offpeak")


def of_create(message: str, **changes: Any) -> str:
    vertex, _ = through(said(400, "INVALID_ARGUMENT", message))
    with pytest.raises(Said) as caught:
        vertex.create("job_1", {**BODY, **changes})
    return str(caught.value)


def of_job(message: str, **changes: Any) -> str:
    job = {**JOB, **changes, "state": "JOB_STATE_FAILED", "error": {"code": 7, "message": message}}
    vertex, _ = through(httpx.Response(200, json=job))
    return str(vertex.get(NAME)["error"]["message"])


WORDS: list[dict[str, Any]] = [
    {"displayName": ".iam.gserviceaccount.com"},
    {"displayName": "gs://"},
    {"displayName": ACCOUNT},
    {"displayName": f"offpeak-vertex@our-project{'.iam.gserviceaccount.com'}"},
    {"displayName": "https://console.cloud.google.com/x?project=our-project"},
    {"displayName": "gs://tenant-bucket-77/x"},
    {"displayName": "projects/our-project/locations/global/models/7"},
    {"displayName": NUMBER},
    {"labels": {"gserviceaccount": "our-project", "tenant-bucket-77": "project", "iam": NUMBER}},
    {"displayName": "bucket ", "labels": {"service-": "gs", "offpeak": "vertex"}},
    {"displayName": "\ue000"},
]


@pytest.mark.parametrize("where", [of_create, of_job])
@pytest.mark.parametrize("changes", WORDS, ids=str)
def test_no_word_of_the_callers_lets_a_name_of_ours_through(where: Any, changes: dict[str, Any]) -> None:
    told = where(
        f"Account {ACCOUNT} of offpeak-vertex@our-project.iam.gserviceaccount.com cannot write gs://tenant-bucket-77/x "
        f"of project {NUMBER} at https://console.cloud.google.com/x?project=our-project, "
        "nor read projects/our-project/locations/global/models/7 in bucket tenant-bucket-77.",
        **changes,
    )

    assert not [secret for secret in SECRETS if secret in told]
    assert told.count("(an account)") == 2


@pytest.mark.parametrize("where", [of_create, of_job])
@pytest.mark.parametrize(
    ("uri", "named"),
    [
        ("gs://their-bucket/in.jsonl", True),
        ("gs://their-bucket/in.jsonl.", True),
        ("'gs://their-bucket/in.jsonl'", True),
        ("gs://their-bucket/out", True),
        ("gs://their-bucket/out/", True),
        ("gs://their-bucket/20261121123456789.jsonl", True),  # no number is taken out of it afterwards
        ("gs://their-bucket", False),
        ("gs://their-bucket/in.jsonl2", False),
        ("gs://their-bucket/out/of/somebody/else", False),
        ("x@gs://their-bucket/in.jsonl", False),
    ],
)
def test_a_place_is_named_if_it_is_one_of_the_callers_own_and_no_more(where: Any, uri: str, *, named: bool) -> None:
    uris = ["gs://their-bucket/in.jsonl", "gs://their-bucket/20261121123456789.jsonl"]
    told = where(
        f"Cannot read {uri} at all.",
        inputConfig={"instancesFormat": "jsonl", "gcsSource": {"uris": uris}},
        outputConfig={
            "predictionsFormat": "jsonl",
            "gcsDestination": {"outputUriPrefix": "gs://their-bucket/out/"},
        },
    )

    if uri.startswith("x@"):
        assert told in {"Cannot read x@gs://their-bucket/in.jsonl at all.", "Cannot read x@(an object) at all."}
    else:
        assert told == (f"Cannot read {uri} at all." if named else "Cannot read (an object) at all.")


def test_a_job_is_called_by_its_name_and_its_model_by_the_models() -> None:
    model = f"projects/{NUMBER}/locations/us-central1/models/7"
    assert of_job(f"{NAME} has no model {model}.", model=model) == f"{NAME} has no model {model}."
    assert of_job(f"No {model}1, nor //aiplatform.googleapis.com/{NAME}.", model=model) == (
        "No (a resource), nor (a resource)."
    )


def test_a_model_that_is_ours_is_not_named_to_whoever_asked_for_a_group() -> None:
    endpoint = {"deployedModels": [{"model": "projects/1/locations/us-central1/models/7", "modelVersionId": "2"}]}
    refusal = said(404, "NOT_FOUND", "No model projects/1/locations/us-central1/models/7@2 for you.")
    vertex, _ = through(httpx.Response(200, json=endpoint), refusal, model="555666777")
    with pytest.raises(Said) as caught:
        vertex.create("job_1", BODY)

    assert str(caught.value) == "No model (a resource) for you."


def test_a_message_is_not_cut_in_the_middle_of_a_name_of_ours() -> None:
    for length in range(1_940, 2_010):
        told = of_create("x" * length + " " + ACCOUNT + " y" * 8_000)
        assert len(told) <= 2_000
        assert "service-" not in told
    for length in range(7_930, 8_010, 3):
        told = of_create(("gs://a-long-name-of-ours/of-an-object " * 300)[:length] + " " + ACCOUNT + " y" * 8_000)
        assert "service-" not in told
