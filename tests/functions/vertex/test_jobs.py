"""Jobs of Vertex's own API, from create to delete: who may have what made of which places, and what it costs."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from infra.local.standin.worker import Pace
from shared.domain.account import Account, Caps
from shared.domain.errors import ConfigError
from shared.domain.ledger import LedgerEntry
from shared.providers.vertex.wire import Wire
from shared.storage.ports import Stat
from tests.functions.conftest import Api
from tests.functions.vertex.conftest import FLASH, JOBS, World, google
from tests.functions.wire import KEY, WORK
from tests.infra.conftest import Place, over, prompt

# ---- the flow


def test_a_job_runs_and_is_counted_once(world: World) -> None:
    made = world.create(prompt(1), prompt(2), prompt(3), labels={"team": "blue"})
    assert made["labels"] == {"team": "blue"}
    assert made["state"] == "JOB_STATE_PENDING"
    assert made["displayName"] == "my job"
    number = made["name"].rpartition("/")[2]

    job = world.settled(made["name"])
    answer = world.api.get(f"{JOBS}/{number}")

    assert answer.json["state"] == "JOB_STATE_SUCCEEDED"
    assert answer.json["labels"] == {"team": "blue"}
    assert answer.headers["x-offpeak-cost-usd"] == job.cost.total is not None
    assert "x-offpeak-estimated-cost-usd" not in answer.headers
    assert world.api.get(f"/v1/jobs/{number}/cost").json == {
        "currency": "USD",
        "total": job.cost.total,
        "priced_lines": 3,
        "unpriced_lines": 0,
    }
    entry = world.api.app.documents.get(LedgerEntry, job.id)
    assert entry is not None
    assert (entry.batch, entry.key, entry.group, entry.counts.completed) == (job.id, "key-a", "flash", 3)
    account = world.account("key-a")
    assert (account.spent, account.reserved, account.open_batches, account.enqueued_tokens) == (job.cost.nano, 0, 0, 0)


@pytest.mark.parametrize(
    "path",
    [
        "/vertex_ai/v1/projects/p/locations/global/batchPredictionJobs",
        "/vertex-ai/v1beta1/projects/p/locations/global/batchPredictionJobs",
        "/v1beta1/projects/p/locations/global/batchPredictionJobs",
        "/projects/p/locations/global/batchPredictionJobs",
        "/vertex_ai/batchPredictionJobs",
        "/vertex-ai/v1/batchPredictionJobs",
        "/v1/projects/p/locations/global/batchPredictionJobs/",
    ],
)
def test_every_path_that_clients_know_leads_to_the_same_jobs(world: World, path: str) -> None:
    world.put("gs://jobs/in.jsonl")
    made = world.api.post(path, json=world.body())

    assert made.status_code == 200, made.text
    one = f"{path.rstrip('/')}/{made.json['name'].rpartition('/')[2]}"
    assert world.api.get(one).json["name"] == made.json["name"]
    assert [job["name"] for job in world.api.get(path).json["batchPredictionJobs"]] == [made.json["name"]]
    assert world.api.post(f"{one}:cancel", json={}).status_code in {200, 400}
    world.settled(made.json["name"])
    assert world.api.delete(one).json["done"] is True
    assert google(world.api.get(one))[:2] == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "model",
    [
        "flash",
        "vertex_ai/flash",
        FLASH,
        f"projects/p/locations/global/{FLASH}",
        f"projects/100000000000000000/../{FLASH}",
    ],
)
def test_a_model_is_named_by_its_group_or_as_a_resource(world: World, model: str) -> None:
    world.put("gs://jobs/in.jsonl")
    answer = world.api.post(JOBS, json=world.body(model=model))

    if ".." in model:
        assert google(answer)[:2] == (404, "NOT_FOUND")
        return
    assert answer.status_code == 200, answer.text
    assert answer.json["model"] == FLASH
    assert answer.headers["x-litellm-model-group"] == "flash"


def test_the_snake_case_of_protobuf_is_understood_and_defaults_are_nothing(world: World) -> None:
    world.put("gs://jobs/in.jsonl")
    answer = world.api.post(
        f"{JOBS}?$alt=json;enum-encoding=int",
        json={
            "display_name": "d",
            "model": FLASH,
            "input_config": {"instances_format": "jsonl", "gcs_source": {"uris": ["gs://jobs/in.jsonl"]}},
            "output_config": {
                "predictions_format": "jsonl",
                "gcs_destination": {"output_uri_prefix": "gs://jobs/out/"},
            },
            "serviceAccount": "",
            "generateExplanation": False,
            "modelParameters": None,
            "labels": {},
        },
    )
    assert answer.status_code == 200, answer.text
    assert answer.json["displayName"] == "d"
    assert "labels" not in answer.json


def test_nothing_of_the_clients_headers_goes_to_the_provider(
    world: World, monkeypatch: pytest.MonkeyPatch, target: Callable[[str], Api]
) -> None:
    sent: list[dict[str, str]] = []
    original = Wire._client

    def spied(self: Wire) -> Any:
        client = original(self)
        client.event_hooks = {"request": [lambda request: sent.append(dict(request.headers))]}
        return client

    monkeypatch.setattr(Wire, "_client", spied)
    world.put("gs://jobs/in.jsonl")
    own = {"x-goog-user-project": "theirs", "x-vertex-ai-api-base": "http://evil", "authorization": "Bearer canary"}
    answer = world.api.post(JOBS, json=world.body(), headers=own)

    assert answer.status_code == 200
    assert sent
    for headers in sent:
        assert not {"x-goog-user-project", "x-vertex-ai-api-base", "authorization", "x-caller"} & headers.keys()


# ---- refusals, before anything is asked for


@pytest.fixture
def spy(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Every call to the provider and to the store of objects, since it was looked at last."""
    calls: list[str] = []
    for name in ("stat", "open", "list", "write", "compose", "delete"):
        plain = getattr(world.api.app.objects, name)

        def spied(*args: Any, plain: Any = plain, name: str = name, **options: Any) -> Any:
            calls.append(f"objects.{name}")
            return plain(*args, **options)

        monkeypatch.setattr(world.api.app.objects, name, spied)
    before = dict(world.place.journal()["calls"])

    def look() -> list[str]:
        now = world.place.journal()["calls"]
        made = [f"vertex.{call}" for call, count in now.items() if count != before.get(call, 0)]
        found = [*calls, *made]
        calls.clear()
        before.update(now)
        return found

    return look


PLACES = [
    ("gs://others/in.jsonl", "gs://jobs/out"),
    ("gs://jobs/in.jsonl", "gs://others/out"),
    ("gs://jobs-2/in.jsonl", "gs://jobs/out"),
    ("gs://jobs/a/../../others/in.jsonl", "gs://jobs/out"),
    ("gs://jobs/./in.jsonl", "gs://jobs/out"),
    ("gs://jobs//in.jsonl", "gs://jobs/out"),
    ("gs://jobs/a/%2e%2e/in.jsonl", "gs://jobs/out"),
    ("gs://jobs/a%2F..%2Fin.jsonl", "gs://jobs/out"),
    ("gs://jobs/a\nb.jsonl", "gs://jobs/out"),
    ("gs://jobs/a\u2028b.jsonl", "gs://jobs/out"),
    ("gs://*/in.jsonl", "gs://jobs/out"),
    ("gs://jobs/*/in.jsonl", "gs://jobs/out"),
    ("gs://jobs/**", "gs://jobs/out"),
    ("gs://jobs/{in,x}.jsonl", "gs://jobs/out"),
    ("gs://jobs/[a-z]n.jsonl", "gs://jobs/out"),
    ("gs://jobs/in.jsonl", "gs://jobs/{out,x}"),
    ("gs://JOBS/in.jsonl", "gs://jobs/out"),
    ("gs://jobs%2Fin.jsonl", "gs://jobs/out"),
    ("gs://jobs/", "gs://jobs/out"),
    ("gs://jobs", "gs://jobs/out"),
    ("gs://jobs/in.jsonl", "gs://jobs/out/.."),
    ("gs://jobs/in.jsonl", "gs://jobs/*/out"),
    ("gs://data/files/file-x", "gs://jobs/out"),
    ("gs://jobs/in.jsonl", "gs://data/x"),
    (f"gs://{WORK}/in/batch_1/0001/e1/lines.jsonl", "gs://jobs/out"),
    (f"gs://{WORK}/out/batch_1/0001/a1/prediction-model-1/predictions.jsonl", "gs://jobs/out"),
    (f"gs://{WORK}/*", "gs://jobs/out"),
    ("gs://jobs/in.jsonl", "gs://work"),
    ("gs://jobs/in.jsonl", f"gs://{WORK}/out"),
    ("gs://jobs/in.jsonl", f"gs://{WORK}/in/deeper"),
    ("gs://teams/two/in.jsonl", "gs://jobs/out"),
    ("gs://teams/one-more/in.jsonl", "gs://jobs/out"),
    ("gs://teams/in.jsonl", "gs://jobs/out"),
    ("gs://users/of/b/in.jsonl", "gs://jobs/out"),
    ("gs://users/of/a/../b/in.jsonl", "gs://jobs/out"),
    ("gs://jobs/in.jsonl", "gs://teams/two/out"),
    ("gs://keys/key-b/in.jsonl", "gs://jobs/out"),
    ("gs://lone/only/in.jsonl", "gs://jobs/out"),
]


@pytest.mark.parametrize(("source", "out"), PLACES)
def test_a_place_that_is_not_the_callers_is_refused_before_anything_is_asked_for(
    world: World, spy: Callable[[], list[str]], source: str, out: str
) -> None:
    answer = world.places(source, out)

    code, status, message = google(answer)
    assert (code, status) == (403, "PERMISSION_DENIED")
    assert ("uris[0]" in message) != ("outputUriPrefix" in message)
    assert spy() == []
    assert world.records() == []


@pytest.mark.parametrize(
    ("who", "source", "out"),
    [
        ("a", "gs://jobs/in.jsonl", "gs://jobs"),
        ("a", "gs://jobs/deep/er/in.jsonl", "gs://jobs/out/"),
        ("a", "gs://teams/one/in.jsonl", "gs://teams/one"),
        ("mate", "gs://teams/one/in.jsonl", "gs://teams/one/out"),
        ("a", "gs://users/of/a/in.jsonl", "gs://users/of/a/out"),
        ("loner", "gs://keys/key-loner/in.jsonl", "gs://keys/key-loner/out"),
        ("a", f"gs://{WORK}/mine/in.jsonl", f"gs://{WORK}/mine/out"),
        ("a", "gs://jobs/one *.jsonl", "gs://jobs/out"),
    ],
)
def test_a_place_that_is_the_callers_is_taken(world: World, who: str, source: str, out: str) -> None:
    world.put(source.replace("*", "1"))
    answer = world.as_(who).places(source, out)

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "source", ["gs://teams/one/in.jsonl", "gs://teams/../one/in.jsonl", "gs://users/of/a b/in.jsonl"]
)
@pytest.mark.parametrize("who", ["odd", "loner"])
def test_an_id_that_could_be_taken_for_something_else_stands_for_nothing(world: World, who: str, source: str) -> None:
    assert google(world.as_(who).places(source))[1] == "PERMISSION_DENIED"


def test_a_bucket_of_one_deployment_is_for_its_jobs_alone(world: World, spy: Callable[[], list[str]]) -> None:
    world.put("gs://lone/only/in.jsonl")
    body = world.body(model="elsewhere")
    body["inputConfig"]["gcsSource"]["uris"] = ["gs://lone/only/in.jsonl"]
    body["outputConfig"]["gcsDestination"]["outputUriPrefix"] = "gs://lone/only/out"

    assert world.api.post(JOBS.replace("global", "us-east1"), json=body).status_code == 200
    spy()
    assert google(world.places("gs://lone/only/in.jsonl"))[1] == "PERMISSION_DENIED"
    assert spy() == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"serviceAccount": "x@y.z"}, "serviceAccount"),
        ({"encryptionSpec": {"kmsKeyName": "k"}}, "encryptionSpec"),
        ({"dedicatedResources": {"machineSpec": {}, "startingReplicaCount": 1}}, "dedicatedResources"),
        ({"service_account": "x"}, "service_account"),
        ({"api_base": "http://evil.example"}, "api_base"),
        ({"name": "projects/p/x"}, "name"),
        ({"inputConfig": {"instancesFormat": "bigquery", "bigquerySource": {"inputUri": "bq://x"}}}, "bigquerySource"),
        ({"inputConfig": {"instancesFormat": "csv", "gcsSource": {"uris": ["gs://jobs/x"]}}}, "instancesFormat"),
        ({"inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": []}}}, "gcsSource"),
        ({"inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [7]}}}, "uris"),
        ({"inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["http://x"]}}}, "uris[0]"),
        ({"inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://jobs/x"] * 101}}}, "uris"),
        ({"inputConfig": "x"}, "inputConfig"),
        (
            {"outputConfig": {"predictionsFormat": "bigquery", "bigqueryDestination": {"outputUri": "b"}}},
            "bigqueryDest",
        ),
        ({"outputConfig": None}, "outputConfig"),
        ({"displayName": ""}, "displayName"),
        ({"displayName": "x" * 129}, "displayName"),
        ({"displayName": 7}, "displayName"),
        ({"display_name": "twice"}, "displayName"),
        ({"model": None}, "model"),
        ({"model": "m" * 600}, "model"),
        ({"labels": {"UPPER": "x"}}, "labels.UPPER"),
        ({"labels": {"a": "x" * 65}}, "labels.a"),
        ({"labels": {"a": 1}}, "labels.a"),
        ({"labels": {f"l{n}": "x" for n in range(64)}}, "labels"),
        ({"labels": {"offpeak_job": "job_" + "0" * 32}}, "labels.offpeak_job"),
        ({"labels": []}, ""),
    ],
)
def test_a_field_that_is_wrong_or_not_offered_is_named(
    world: World, spy: Callable[[], list[str]], change: dict[str, Any], named: str
) -> None:
    if change == {"labels": []}:
        world.put("gs://jobs/in.jsonl")
        assert world.api.post(JOBS, json=world.body(**change)).status_code == 200  # a default is nothing
        return
    code, status, message = google(world.api.post(JOBS, json=world.body(**change)))

    assert (code, status) == (400, "INVALID_ARGUMENT")
    assert f"'{named}" in message or f".{named}" in message
    assert spy() == []
    assert world.records() == []


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'{"displayName": "' + b"x" * 2**20 + b'"}', b"[" * 100_000])
def test_a_body_that_is_no_job_is_an_invalid_argument(world: World, body: bytes) -> None:
    answer = world.api.post(JOBS, data=body, headers={"content-type": "application/json"})

    assert google(answer)[1] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    "model",
    [
        "publishers/google/models/gemini-9",
        "closed",
        "publishers/google/models/gemini-2.5-pro",
        "embedder",  # at another location
        "publishers/google/models/gemini-embedding-001",
        f"projects/q/locations/global/{FLASH}",
        f"projects/p/locations/us-central1/{FLASH}",
        "projects/p/locations/global/models/77",
        "publishers/anthropic/models/gemini-2.5-flash",
        "nothing",
        "../x",
    ],
)
def test_a_model_that_is_not_here_is_unknown(world: World, spy: Callable[[], list[str]], model: str) -> None:
    code, status, message = google(world.api.post(JOBS, json=world.body(model=model)))

    assert (code, status) == (404, "NOT_FOUND")
    assert message == f"The PublisherModel {model.rpartition('/')[2]} does not exist."
    assert spy() == []


def test_a_model_that_is_not_allowed_is_as_unknown_as_one_that_is_not_there(
    world: World, spy: Callable[[], list[str]]
) -> None:
    world.as_("narrow")
    there = world.api.post(JOBS, json=world.body(model=FLASH))
    missing = world.api.post(JOBS, json=world.body(model="publishers/google/models/gemini-2.5-flesh"))

    assert there.text.replace("flash", "flesh") == missing.text
    assert there.status_code == 404
    assert spy() == []


@pytest.mark.parametrize(
    "path",
    [
        "/v1/projects/q/locations/global",
        "/v1/projects/p/locations/mars",
        "/v1/projects/P/locations/global",
        "/v1/projects/123456789/locations/global",
    ],
)
@pytest.mark.parametrize("who", ["a", "admin"])
def test_an_unknown_place_is_denied_to_all(world: World, spy: Callable[[], list[str]], path: str, who: str) -> None:
    world.as_(who)
    for method, tail in [("POST", ""), ("GET", ""), ("GET", "/1"), ("POST", "/1:cancel"), ("DELETE", "/1")]:
        answer = world.api.call(method, f"{path}/batchPredictionJobs{tail}", json=world.body())
        code, status, message = google(answer)
        assert (code, status) == (403, "PERMISSION_DENIED")
        assert message.startswith("Permission 'aiplatform.batchPredictionJobs.")
    assert spy() == []


@pytest.mark.parametrize(
    "path",
    [
        "/vertex_ai/v1/projects/p/locations/global/publishers/google/models/gemini-2.5-flash:generateContent",
        "/vertex_ai/v1/projects/p/locations/global/endpoints",
        "/vertex-ai/anything",
        "/v1/projects/p/locations/global/customJobs",
        "/vertex_ai",
    ],
)
def test_what_else_vertex_has_is_not_found_and_told_what_is(world: World, path: str) -> None:
    code, status, message = google(world.api.post(path, json={}))

    assert (code, status) == (404, "NOT_FOUND")
    assert "batchPredictionJobs" in message


# ---- owners


def forms(name: str) -> list[str]:
    """The path of a job in every form that somebody might try."""
    _, project_number, _, location, _, number = name.split("/")
    plain = f"/v1/projects/p/locations/{location}/batchPredictionJobs/"
    once = "".join(f"%{ord(letter):02X}" for letter in number)
    return [
        plain + number,
        plain + once,
        plain + once.replace("%", "%25"),
        plain + number + "/",
        f"/v1/projects/{project_number}/locations/{location}/batchPredictionJobs/{number}",
        f"/v1/projects/%2570/locations/{location}/batchPredictionJobs/{number}",
        f"/vertex_ai/projects/p/locations/{location}/batchPredictionJobs/{number}",
        f"/vertex_ai/batchPredictionJobs/{number}",
    ]


@pytest.mark.parametrize("who", ["b", "loner"])
def test_what_is_somebody_elses_is_unknown_in_every_form(world: World, who: str) -> None:
    theirs = world.create()["name"]
    unknown = theirs.rpartition("/")[0] + "/1234567890123456789"
    world.settled(theirs)
    before = world.records()
    world.as_(who)
    for foreign, missing in zip(forms(theirs), forms(unknown), strict=True):
        for method, tail in [("GET", ""), ("POST", ":cancel"), ("DELETE", "")]:
            one = world.api.call(method, foreign.rstrip("/") + tail)
            other = world.api.call(method, missing.rstrip("/") + tail)
            assert google(one)[:2] == (404, "NOT_FOUND")
            number, none = theirs.rpartition("/")[2], unknown.rpartition("/")[2]
            assert one.text.replace(number, "N") == other.text.replace(none, "N")
            assert not {"x-offpeak-cost-usd", "x-offpeak-job-id"} & {name.lower() for name, _ in one.headers.items()}
    [record] = before
    for id in (record.id, str(record.number), theirs, theirs.replace("/", "%2F"), theirs.replace("/", "%252F")):
        assert world.api.get(f"/v1/jobs/{id}/cost").status_code == 404
    assert "batchPredictionJobs" not in world.api.get(JOBS).json
    assert world.records() == before


@pytest.mark.parametrize("who", ["a", "mate", "admin"])
def test_owner_team_and_admin_may_in_every_form(world: World, who: str) -> None:
    name = world.create()["name"]
    job = world.settled(name)
    world.as_(who)
    for path in forms(name):
        assert world.api.get(path).json["name"] == name
    for id in (job.id, str(job.number), name, name.replace("/", "%2F"), name.replace("/", "%252F")):
        assert world.api.get(f"/v1/jobs/{id}/cost").json["total"] == job.cost.total
    assert world.api.get(f"/v1/jobs/{name.replace('global', 'mars')}/cost").status_code == 404
    assert len(world.api.get(JOBS).json["batchPredictionJobs"]) == 1


@pytest.mark.parametrize("id", ["..", "1/2", "%2e%2e", "%00", "x" * 5000, "job_" + "0" * 32, "1%01", "é"])
def test_what_cannot_be_an_id_is_unknown_and_reaches_nobody(
    world: World, spy: Callable[[], list[str]], id: str
) -> None:
    for method, tail in [("GET", ""), ("POST", ":cancel"), ("DELETE", "")]:
        assert google(world.api.call(method, f"{JOBS}/{id}{tail}"))[:2] == (404, "NOT_FOUND")
    assert world.api.get(f"/v1/jobs/{id}/cost").status_code == 404
    assert spy() == []


def test_a_job_that_google_has_and_we_do_not_is_unknown_also_to_admins(world: World) -> None:
    stray = world.place.client().create_job(world.place.put(prompt(1)))

    assert google(world.as_("admin").api.get(f"{JOBS}/{stray.name.rpartition('/')[2]}"))[0] == 404
    assert world.api.get(JOBS).json == {}


def test_somebody_elses_predictions_are_no_input(world: World, spy: Callable[[], list[str]]) -> None:
    made = world.create(
        outputConfig={"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://jobs/o"}}
    )
    world.settled(made["name"])
    folder = world.api.get(f"{JOBS}/{made['name'].rpartition('/')[2]}").json["outputInfo"]["gcsOutputDirectory"]
    spy()
    world.as_("b")
    for source in (f"{folder}/predictions.jsonl", f"{folder}/*.jsonl"):
        assert google(world.places(source))[1] == "PERMISSION_DENIED"
    assert spy() == []
    assert world.places("gs://jobs/o/in.jsonl").status_code == 200
    assert world.as_("mate").places(f"{folder}/predictions.jsonl").status_code == 200


@pytest.mark.parametrize("pace", [Pace(pending=0.02, running=30.0)])
def test_while_a_job_runs_nobody_else_reads_what_could_be_its_predictions(
    world: World, spy: Callable[[], list[str]]
) -> None:
    world.create(outputConfig={"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://jobs/o"}})
    spy()
    world.as_("b")
    for source in ("gs://jobs/o/prediction-x/y", "gs://jobs/o/prediction-x/*", "gs://jobs/o/prediction-x/deep/y"):
        assert google(world.places(source))[1] == "PERMISSION_DENIED"
    assert spy() == []


def test_nobody_is_kept_from_predictions_of_ones_own_by_a_job_that_claims_the_same_prefix(world: World) -> None:
    made = world.create()
    world.settled(made["name"])
    folder = world.api.get(f"{JOBS}/{made['name'].rpartition('/')[2]}").json["outputInfo"]["gcsOutputDirectory"]
    world.as_("b").create()

    assert google(world.places(f"{folder}/predictions.jsonl"))[1] == "PERMISSION_DENIED"
    assert world.as_("a").places(f"{folder}/predictions.jsonl").status_code == 200


# ---- lists


def test_a_list_is_the_callers_own_newest_first_and_pages_without_gaps(
    world: World, facts: Callable[[], list[dict[str, Any]]]
) -> None:
    made: dict[str, list[str]] = {"a": [], "b": []}
    for turn in range(3):
        for who, names in made.items():
            world.api.clock.pass_by(1_000)
            names.insert(0, world.as_(who).create(displayName=f"{who}-{turn}")["name"])
    for who, names in made.items():
        world.as_(who)
        found, token = [], ""
        for _ in range(5):
            page = world.api.get(f"{JOBS}?pageSize=2&pageToken={token}").json
            found += [job["name"] for job in page["batchPredictionJobs"]]
            assert all("labels" not in job for job in page["batchPredictionJobs"])
            token = page.get("nextPageToken", "")
            if not token:
                break
        assert found == names
    foreign = world.as_("a").api.get(f"{JOBS}?pageSize=1").json["nextPageToken"]
    facts()
    refused = world.as_("b").api.get(f"{JOBS}?pageToken={foreign}")
    assert google(refused)[:2] == (400, "INVALID_ARGUMENT")
    [told] = [fact for fact in facts() if fact.get("audit")]
    assert (told["message"], told["not_theirs"], told["key_id"]) == ("refused", world.newest("a").id, "key-b")
    assert refused.text == world.api.get(f"{JOBS}?pageToken=nothing").text
    assert len(world.as_("admin").api.get(JOBS).json["batchPredictionJobs"]) == 6
    assert world.api.get(JOBS.replace("global", "us-east1")).json == {}


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ('display_name="one"', {"one"}),
        ('display_name!="one"', {"two"}),
        ('display_name:"o*"', {"one", "two"}),
        ("labels.color=red", {"one"}),
        ("labels.color:*", {"one"}),
        ("NOT labels.color:*", {"two"}),
        ('state="JOB_STATE_NOTHING"', set()),
        ('state!="JOB_STATE_NOTHING" AND display_name="two"', {"two"}),
        ('(display_name="one" OR display_name="two")', {"one", "two"}),
        ('create_time>"2020-01-01T00:00:00Z"', {"one", "two"}),
        ('create_time<"2020-01-01T00:00:00Z"', set()),
    ],
)
def test_filters_of_googles_form_choose(world: World, filter: str, found: set[str]) -> None:
    world.create(displayName="one", labels={"color": "red"})
    world.create(displayName="two")
    answer = world.api.get(JOBS, query_string={"filter": filter})

    assert answer.status_code == 200, answer.text
    assert {job["displayName"] for job in answer.json.get("batchPredictionJobs", [])} == found


@pytest.mark.parametrize(
    "query",
    [
        {"filter": "owner=b"},
        {"filter": "labels.offpeak_job"},
        {"filter": "state>1"},
        {"filter": "create_time=yesterday"},
        {"filter": "(" * 100},
        {"filter": "NOT " * 100 + "state=x"},
        {"filter": "state=x" * 1000},
        {"filter": 'state="x" AND'},
        {"filter": "labels.a:x"},
        {"pageSize": "-1"},
        {"pageSize": "NaN"},
        {"pageSize": "9" * 20},
        {"pageToken": "%%%"},
        {"pageToken": "am9i"},
    ],
)
def test_a_list_that_nobody_understands_is_an_invalid_argument(world: World, query: dict[str, str]) -> None:
    assert google(world.api.get(JOBS, query_string=query))[:2] == (400, "INVALID_ARGUMENT")


def test_our_own_label_is_nothing_that_a_filter_finds(world: World) -> None:
    world.create()
    assert world.api.get(JOBS, query_string={"filter": "labels.offpeak_job:*"}).json == {}


# ---- limits and budgets


def test_limits_and_budgets_refuse_with_the_numbers(world: World) -> None:
    world.put("gs://jobs/in.jsonl")
    for account, said in [
        (Account(id="key-a", name="Key=a", caps=Caps(open_batches=0)), "open batches"),
        (Account(id="key-a", name="Key=a", caps=Caps(batches_per_hour=0)), "an hour"),
        (Account(id="key-a", name="Key=a", caps=Caps(enqueued_tokens=1)), "in use; this job has about"),
        (Account(id="key-a", name="Key=a", max_budget=0), "Max budget: $0.00"),
        (Account(id="key-a", name="Key=a", max_budget=10), "This job is expected to cost about"),
    ]:
        world.set_account(account)
        answer = world.api.post(JOBS, json=world.body())
        code, status, message = google(answer)
        assert (code, status) == (429, "RESOURCE_EXHAUSTED")
        assert said in message
        assert ("retry-after" in answer.headers) is (account.max_budget is None)
        assert world.account("key-a") == account
    assert world.records() == []
    assert "create" not in world.place.journal()["calls"]


def test_under_a_budget_nothing_runs_whose_cost_cannot_be_held_against_it(world: World) -> None:
    world.set_account(Account(id="key-a", name="Key=a", max_budget=10**12))
    missing = world.api.post(JOBS, json=world.body())
    assert google(missing)[:2] == (400, "FAILED_PRECONDITION")
    world.put("gs://jobs/in.jsonl")
    code, status, message = google(world.api.post(JOBS, json=world.body(model="odd")))
    assert (code, status) == (429, "RESOURCE_EXHAUSTED")
    assert "price of 2 requests is not known" in message
    assert world.records() == []
    assert world.account("key-a").open_batches == 0


def test_what_a_job_may_cost_is_held_back_until_it_is_counted(world: World) -> None:
    world.set_account(Account(id="key-a", name="Key=a", max_budget=10**9))
    made = world.create(*map(prompt, range(50)))
    [job] = world.records()

    assert job.reserved > 0
    account = world.account("key-a")
    assert (account.reserved, account.open_batches, account.enqueued_tokens) == (job.reserved, 1, job.tokens)
    answer = world.api.get(f"/v1/jobs/{job.id}/cost")
    assert answer.json["total"] is None
    assert float(answer.headers["x-offpeak-estimated-cost-usd"]) * 10**9 == pytest.approx(job.reserved)
    world.settled(made["name"])
    account = world.account("key-a")
    assert (account.reserved, account.open_batches, account.enqueued_tokens) == (0, 0, 0)
    assert account.spent > 0


# ---- cancel, delete, errors


@pytest.mark.parametrize("pace", [Pace(pending=0.02, running=30.0)])
def test_a_job_that_is_cancelled_is_charged_for_what_it_did(world: World) -> None:
    made = world.create(*map(prompt, range(300)))
    path = f"{JOBS}/{made['name'].rpartition('/')[2]}"
    assert google(world.api.delete(path))[:2] == (400, "FAILED_PRECONDITION")
    world.until(lambda: int(world.api.get(path).json.get("completionStats", {}).get("successfulCount", 0)) > 3)
    cancelled = world.api.post(f"{path}:cancel", json={})

    assert (cancelled.status_code, cancelled.json) == (200, {})
    job = world.settled(made["name"])
    assert job.state == "JOB_STATE_CANCELLED"
    assert 0 < job.cost.priced_lines < 300
    again = world.api.post(f"{path}:cancel", json={})
    assert google(again)[:2] == (400, "FAILED_PRECONDITION")
    assert again.headers.get("x-offpeak-cost-usd") is None


def test_deleting_counts_first_and_leaves_the_ledger(world: World) -> None:
    made = world.create()
    path = f"{JOBS}/{made['name'].rpartition('/')[2]}"
    over(world.place.client(), made["name"])
    assert [job.ended for job in world.records()] == [False]
    assert world.api.delete(path).json["done"] is True
    [job] = world.records()
    assert (job.ended, job.deleted, job.cost.priced_lines) == (True, True, 2)
    assert world.api.app.documents.get(LedgerEntry, job.id) is not None
    for method, tail in [("GET", ""), ("POST", ":cancel"), ("DELETE", "")]:
        assert google(world.api.call(method, path + tail))[0] == 404
    assert world.api.get(f"/v1/jobs/{job.id}/cost").status_code == 404
    assert world.api.get(JOBS).json == {}


def test_googles_refusal_is_the_clients_in_googles_words(world: World) -> None:
    body = world.body()
    body["inputConfig"]["gcsSource"]["uris"] = ["gs://jobs/one.jsonl", "gs://jobs/two.jsonl"]
    code, status, message = google(world.api.post(JOBS, json=body))

    assert (code, status) == (400, "INVALID_ARGUMENT")
    assert "input_config and output_config" in message
    [job] = world.records()
    assert job.ended
    assert world.account("key-a").open_batches == 0
    assert world.api.get(f"/v1/jobs/{job.id}/cost").status_code == 404
    assert world.api.get(JOBS).json == {}


@pytest.mark.parametrize(
    ("status", "said"),
    [(429, (429, "RESOURCE_EXHAUSTED")), (403, (403, "PERMISSION_DENIED")), (401, (503, "UNAVAILABLE"))],
)
def test_a_create_that_google_refuses_holds_nothing(world: World, status: int, said: tuple[int, str]) -> None:
    world.put("gs://jobs/in.jsonl")
    world.place.fault(on="create", do="status", status=status)

    assert google(world.api.post(JOBS, json=world.body()))[:2] == said
    assert [job.ended for job in world.records()] == [True]
    account = world.account("key-a")
    assert (account.open_batches, account.reserved, account.enqueued_tokens) == (0, 0, 0)


@pytest.mark.parametrize("fault", [{"do": "lose"}, {"do": "truncate"}, {"do": "html"}, {"do": "status", "status": 500}])
def test_a_create_without_an_answer_is_unavailable_and_its_job_adopted(world: World, fault: dict[str, Any]) -> None:
    world.put("gs://jobs/in.jsonl")
    world.place.fault(on="create", **fault)
    code, status, message = google(world.api.post(JOBS, json=world.body()))

    assert (code, status) == (503, "UNAVAILABLE")
    assert "not known whether" in message
    job = world.until(lambda: next((job for job in world.records() if job.ended), None))
    account = world.account("key-a")
    assert (account.open_batches, account.reserved, account.spent) == (0, 0, job.cost.nano)
    if fault["do"] in {"lose", "truncate"}:
        assert job.cost.priced_lines == 2
        assert [each["name"] for each in world.api.get(JOBS).json["batchPredictionJobs"]] == [job.name]
    else:
        assert job.name is None
        assert world.api.get(JOBS).json == {}


@pytest.mark.parametrize("pace", [Pace(pending=0.02, running=30.0)])
@pytest.mark.parametrize("fault", [{"do": "status", "status": 500}, {"do": "lose"}, {"do": "html"}])
@pytest.mark.parametrize("call", ["get", "cancel"])
def test_a_silent_provider_is_unavailable(world: World, call: str, fault: dict[str, Any]) -> None:
    number = world.create()["name"].rpartition("/")[2]
    world.place.fault(on=call, **fault)
    method, tail = ("GET", "") if call == "get" else ("POST", ":cancel")

    answer = world.api.call(method, f"{JOBS}/{number}{tail}")
    assert google(answer)[:2] == (503, "UNAVAILABLE")
    assert "127.0.0.1" not in answer.text


def test_a_key_of_the_wrong_kind_is_refused_in_googles_words(target: Callable[[str], Api], place: Place) -> None:
    api = target("vertex")
    for headers in ({"authorization": ""}, {"authorization": "Bearer sk-wrong"}, {"x-litellm-api-key": "sk-wrong"}):
        code, status, _ = google(api.get(JOBS, headers=headers))
        assert (code, status) == (401, "UNAUTHENTICATED")
    own = {"x-litellm-api-key": f"Bearer {KEY}", "authorization": "Bearer ya29.a-token-of-google"}
    assert api.get(JOBS, headers=own).json == {}


def test_a_delete_whose_answer_was_lost_can_be_asked_for_again(world: World) -> None:
    made = world.create()
    path = f"{JOBS}/{made['name'].rpartition('/')[2]}"
    world.settled(made["name"])
    world.place.fault(on="delete", do="lose")

    assert google(world.api.delete(path))[:2] == (503, "UNAVAILABLE")
    assert world.api.delete(path).json["done"] is True
    assert google(world.api.delete(path))[0] == 404


def test_a_bucket_that_is_closed_to_us_makes_no_job(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody can count shall not run."""

    def closed(name: str) -> Stat:
        raise ConfigError(f"{name}: 403")

    monkeypatch.setattr(world.api.app.objects, "stat", closed)
    assert google(world.places())[:2] == (400, "FAILED_PRECONDITION")
    assert world.records() == []


def test_an_input_that_is_not_there_fails_the_job_as_at_vertex(world: World) -> None:
    world.put("gs://jobs/in.jsonl")
    answer = world.places("gs://jobs/nothing.jsonl")

    assert answer.status_code == 200
    job = world.settled(answer.json["name"])
    assert (job.state, job.cost.total, job.cost.unpriced_lines) == ("JOB_STATE_FAILED", None, 0)
    shown = world.api.get(f"{JOBS}/{job.number}").json
    assert shown["error"]["message"] == "Failed to read the input: gs://jobs/nothing.jsonl was not found."


def test_predictions_that_are_written_have_their_job_counted(world: World, target: Callable[[str], Api]) -> None:
    made = world.create()
    [event] = world.until(
        lambda: [each for each in world.place.events if each.bucket == "jobs" and "out/" in each.name]
    )
    headers = {
        "content-type": "application/json",
        "ce-id": "1",
        "ce-specversion": "1.0",
        "ce-type": "google.cloud.storage.object.v1.finalized",
        "ce-source": "//storage.googleapis.com/projects/_/buckets/jobs",
    }
    predictions = target("predictions").client
    for name in (event.name, "out/prediction-x/predictions.jsonl", "elsewhere/prediction-x/predictions.jsonl"):
        body = json.dumps({"bucket": "jobs", "name": name})
        assert predictions.post("/", data=body, headers=headers).status_code == 200
    job = world.settled(made["name"])
    assert job.cost.priced_lines == 2


def test_no_filter_takes_long(world: World) -> None:
    world.create(displayName="a" * 128)
    began = time.thread_time()
    answer = world.api.get(JOBS, query_string={"filter": 'display_name:"' + "*a" * 60 + '*b"'})

    assert answer.json == {}
    assert time.thread_time() - began < 5  # each star more would double it
