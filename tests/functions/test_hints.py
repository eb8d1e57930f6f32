"""Routing hints: in every place, on every route, and with nothing but routing in them."""

import io
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from flask import Request

from shared.domain.access import ADMIN, Caller
from shared.domain.batch import Batch
from shared.domain.clock import SECOND
from shared.domain.files import File, Upload
from shared.domain.hints import Hints
from shared.storage.queries import FILES, GARBAGE_DUE
from tests.functions.conftest import Answer, Api
from tests.functions.wire import envelope, multipart

LINE = b'{"custom_id": "1"}\n'
FLASH, PRO, MINI, PATTERN = "gemini-2.5-flash", "team/pro", "gpt-4o-batch", "gpt-4.1-mini"
CONFIG = """
model_list:
  - model_name: gemini-2.5-flash
    litellm_params: {model: vertex_ai/gemini-2.5-flash, vertex_project: p, vertex_location: us-central1}
  - model_name: team/pro
    litellm_params: {model: vertex_ai/gemini-2.5-pro, vertex_project: p, vertex_location: us-central1}
  - model_name: gpt-4o-batch
    litellm_params: {model: openai/gpt-4o-mini, api_key: sk-of-the-provider}
  - model_name: gpt-4.1*
    litellm_params: {model: openai/gpt-4.1*, api_key: sk-of-the-provider}
offpeak:
  limits: {file_bytes: 1000000, part_bytes: 100000}
"""
UNKNOWN = (
    "Invalid model name passed in model={}. Call `/v1/models` to view available models for your key. They are: {}."
)
DENIED = (
    "The requested model '{}' is not available for this API key, or the model name is invalid. "
    "Call `/v1/models` to view available models for your key. They are: {}."
)
ALL = "gemini-2.5-flash, team/pro, gpt-4o-batch, gpt-4.1*"
CREATE = {"input_file_id": "file-unknown", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
UPLOAD = {"filename": "in.jsonl", "purpose": "batch", "bytes": len(LINE), "mime_type": "text/jsonl"}
CANARY = "canary-7f3a"


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    Path(environment["OFFPEAK_CONFIG"]).write_text(CONFIG, encoding="utf-8")
    return environment


def send(api: Api, *form: tuple[str, str], after: tuple[tuple[str, str], ...] = (), **more: Any) -> Answer:
    """Upload a file with fields before and behind it; `path` and `headers` may be others."""
    parts = [("purpose", more.pop("purpose", "batch")), *form, ("file", LINE, "in.jsonl"), *after]
    body, kind = multipart(*parts)
    headers = {"content-type": kind, **more.pop("headers", {})}
    return api.post(more.pop("path", "/v1/files"), data=body, headers=headers)


def file_of(api: Api, answer: Answer) -> File:
    assert answer.status_code == 200, answer.text
    file = api.app.documents.get(File, answer.json["id"])
    assert file is not None
    return file


def create(api: Api, path: str = "/v1/batches", headers: dict[str, str] | None = None, **body: Any) -> Answer:
    api.clock.pass_by(SECOND)
    return api.post(path, json={**CREATE, **body}, headers=headers or {})


def batch_of(api: Api, answer: Answer) -> Batch:
    assert answer.status_code == 200, answer.text
    batch = api.app.documents.get(Batch, answer.json["id"])
    assert batch is not None
    return batch


def refused(answer: Answer, param: str) -> str:
    assert answer.status_code == 400, answer.text
    error = envelope(answer.data)
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    return str(error["message"])


def denied(answer: Answer, param: str) -> str:
    assert answer.status_code == 403, answer.text
    error = envelope(answer.data)
    assert (error["type"], error["param"]) == ("key_model_access_denied", param)
    return str(error["message"])


def hints(*models: str, provider: str | None = None) -> Hints:
    return Hints(models=models, provider=provider)


def test_without_hints_there_are_none(api: Api) -> None:
    assert file_of(api, send(api)).hints == Hints()
    assert file_of(api, send(api)).native is False
    assert batch_of(api, create(api)).hints == Hints()


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ([("model", MINI)], hints(MINI)),
        ([("model", f"openai/{MINI}")], hints(MINI)),
        ([("model", f" {MINI} "), ("model", MINI)], hints(MINI)),
        ([("model", PATTERN)], hints(PATTERN)),
        ([("model", "")], hints()),
        ([("target_model_names", MINI)], hints(MINI)),
        ([("target_model_names", f"{MINI}, {FLASH},,{MINI}")], hints(MINI, FLASH)),
        ([("target_model_names", MINI), ("target_model_names", FLASH)], hints(MINI, FLASH)),
        ([("target_model_names[]", MINI), ("target_model_names[]", FLASH)], hints(MINI, FLASH)),
        ([("target_model_names[0]", MINI), ("target_model_names[1]", PRO)], hints(MINI, PRO)),
        ([("model", FLASH), ("target_model_names", MINI)], hints(FLASH)),
        ([("custom_llm_provider", "vertex_ai")], hints(provider="vertex_ai")),
        ([("provider", "azure")], hints(provider="azure")),
        ([("custom_llm_provider", "vllm")], hints(provider="hosted_vllm")),
        ([("custom_llm_provider", "litellm_proxy")], hints()),
        ([("custom_llm_provider", "openai"), ("target_model_names", MINI)], hints(MINI, provider="openai")),
        ([("litellm_metadata", '{"model": "x"}'), ("litellm_metadata[model]", "x"), ("user", "y")], hints()),
    ],
    ids=str,
)
def test_a_form_may_have_hints_before_and_behind_its_file(
    api: Api, form: list[tuple[str, str]], expected: Hints, behind: bool
) -> None:
    answer = send(api, after=tuple(form)) if behind else send(api, *form)
    assert file_of(api, answer).hints == expected


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        (f"/v1/files?model={MINI}", {}, hints(MINI)),
        (f"/v1/files?target_model_names={MINI},{FLASH}", {}, hints(MINI, FLASH)),
        (f"/files?target_model_names[]={MINI}&target_model_names[]={FLASH}", {}, hints(MINI, FLASH)),
        ("/v1/files", {"x-litellm-model": MINI}, hints(MINI)),
        ("/v1/files", {"x-litellm-model": f"{MINI},{MINI}"}, hints(MINI)),
        (f"/v1/files?target_model_names={FLASH}", {"x-litellm-model": MINI}, hints(MINI)),
        (f"/v1/files?model={FLASH}", {"x-litellm-model": MINI}, hints(FLASH)),
        ("/v1/files?provider=azure", {}, hints(provider="azure")),
        ("/v1/files?custom_llm_provider=azure", {}, hints(provider="azure")),
        ("/v1/files", {"custom-llm-provider": "azure"}, hints(provider="azure")),
        *((f"/{each}/v1/files", {}, hints(provider=each)) for each in ("openai", "azure", "vertex_ai", "hosted_vllm")),
        ("/azure/v1/files?provider=openai", {"custom-llm-provider": "openai"}, hints(provider="azure")),
        ("/v1/files?provider=azure", {"custom-llm-provider": "openai"}, hints(provider="azure")),
        ("/v1/files?custom_llm_provider=azure", {"custom-llm-provider": "openai"}, hints(provider="openai")),
    ],
    ids=str,
)
def test_an_upload_may_have_hints_around_its_body(
    api: Api, path: str, headers: dict[str, str], expected: Hints
) -> None:
    assert file_of(api, send(api, path=path, headers=headers)).hints == expected


def test_on_an_upload_a_forms_model_goes_first_and_its_provider_last(api: Api) -> None:
    form = (("model", PRO), ("custom_llm_provider", "hosted_vllm"))

    far = send(api, *form, path=f"/v1/files?model={FLASH}", headers={"x-litellm-model": MINI})
    near = send(api, *form, path="/v1/files?custom_llm_provider=azure")

    assert file_of(api, far).hints == hints(PRO, provider="hosted_vllm")
    assert file_of(api, near).hints == hints(PRO, provider="azure")


@pytest.mark.parametrize(
    ("body", "path", "headers", "expected"),
    [
        ({"model": MINI}, "/v1/batches", {}, hints(MINI)),
        ({"model": None, "target_model_names": None, "custom_llm_provider": None}, "/v1/batches", {}, hints()),
        ({"target_model_names": MINI}, "/v1/batches", {}, hints(MINI)),
        ({"target_model_names": [MINI, f"{FLASH},{PRO}"]}, "/v1/batches", {}, hints(MINI, FLASH, PRO)),
        ({"custom_llm_provider": "vertex_ai"}, "/v1/batches", {}, hints(provider="vertex_ai")),
        ({"provider": "vertex_ai"}, "/v1/batches", {}, hints(provider="vertex_ai")),
        ({}, f"/v1/batches?model={MINI}", {}, hints(MINI)),
        ({}, f"/batches?target_model_names={MINI}", {}, hints(MINI)),
        ({}, "/v1/batches", {"x-litellm-model": MINI}, hints(MINI)),
        ({}, "/v1/batches?custom_llm_provider=openai", {}, hints(provider="openai")),
        ({}, "/openai/v1/batches", {}, hints(provider="openai")),
        ({"model": MINI}, f"/v1/batches?model={FLASH}", {"x-litellm-model": PRO}, hints(MINI)),
        ({"target_model_names": MINI}, "/v1/batches", {"x-litellm-model": PRO}, hints(PRO)),
        ({"custom_llm_provider": "azure"}, "/v1/batches", {"custom-llm-provider": "openai"}, hints(provider="azure")),
        ({"custom_llm_provider": "azure"}, "/v1/batches?provider=openai", {}, hints(provider="openai")),
        ({}, "/v1/batches?custom_llm_provider=azure", {"custom-llm-provider": "openai"}, hints(provider="openai")),
        ({"litellm_metadata": {"model": "x", "tags": ["a"]}}, "/v1/batches", {}, hints()),
    ],
    ids=str,
)
def test_a_create_may_have_hints_in_every_place(
    api: Api, body: dict[str, Any], path: str, headers: dict[str, str], expected: Hints
) -> None:
    assert batch_of(api, create(api, path, headers, **body)).hints == expected


def test_an_upload_in_parts_carries_its_hints_to_the_file(api: Api) -> None:
    body = {**UPLOAD, "target_model_names": [MINI], "custom_llm_provider": "openai", "passthrough": True}
    upload = api.post("/azure/v1/uploads", json=body).json["id"]
    part = api.form(f"/v1/uploads/{upload}/parts?model=no-such", ("data", LINE, "upload")).json["id"]

    done = api.post(f"/v1/uploads/{upload}/complete", json={"part_ids": [part], "model": "no-such"})

    stored = api.app.documents.get(Upload, upload)
    file = api.app.documents.get(File, done.json["file"]["id"])
    assert stored is not None
    assert file is not None
    assert (stored.hints, stored.native) == (file.hints, file.native) == (hints(MINI, provider="azure"), True)


NAMED = {
    "model": [("model", "no-such")],
    "target_model_names": [("target_model_names", f"{MINI},no-such")],
    "custom_llm_provider": [("custom_llm_provider", "bedrock")],
    "provider": [("provider", "bedrock")],
    "passthrough": [("passthrough", "perhaps")],
}


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("param", NAMED)
def test_a_wrong_hint_leaves_no_file(api: Api, param: str, behind: bool) -> None:
    answer = send(api, after=tuple(NAMED[param])) if behind else send(api, *NAMED[param])

    message = refused(answer, param)

    if "model" in param:
        assert message == UNKNOWN.format("no-such", ALL)
    elif "provider" in param:
        known = "'vertex_ai', 'openai', 'azure', and 'hosted_vllm'"
        assert message == f"Invalid value: 'bedrock'. Supported values are: {known}."
    assert api.stored() == []
    assert api.app.documents.query(FILES[0]) == api.app.documents.query(GARBAGE_DUE) == []


def test_a_wrong_hint_in_front_of_the_file_is_refused_before_the_file_is_written(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(type(api.app.objects), "write", never)
    for answer in (send(api, ("model", "no-such")), send(api, headers={"x-litellm-model": "no-such"})):
        refused(answer, "model")
    refused(send(api, ("passthrough", "perhaps")), "passthrough")


@pytest.mark.parametrize(
    ("path", "headers", "body", "param", "message"),
    [
        ("/v1/batches?model=no-such", {}, {}, "model", UNKNOWN.format("no-such", ALL)),
        ("/v1/batches", {"x-litellm-model": "no-such"}, {"model": MINI}, "model", UNKNOWN.format("no-such", ALL)),
        ("/v1/batches", {"x-litellm-model": f"{MINI},{PRO}"}, {}, "model", "'model' has several values that differ."),
        (f"/v1/batches?model={MINI}&model={PRO}", {}, {}, "model", "'model' has several values that differ."),
        ("/v1/batches", {}, {"model": 7}, "model", "expected a string, but got an integer instead."),
        ("/v1/batches", {}, {"model": {"a": 1}}, "model", "expected a string, but got an object instead."),
        ("/v1/batches", {}, {"model": [{}]}, "model", "expected a string, but got an object instead."),
        ("/v1/batches", {}, {"model": "gpt-4.1" + "x" * 250}, "model", "maximum length 256"),
        ("/v1/batches", {}, {"target_model_names": ["gpt-4.1", 7]}, "target_model_names", "but got an integer"),
        (
            "/v1/batches",
            {},
            {"target_model_names": ",".join(f"gpt-4.1-{n}" for n in range(101))},
            "target_model_names",
            "may name 100 models",
        ),
        ("/v1/batches?provider=anthropic", {}, {}, "provider", "Invalid value: 'anthropic'."),
        ("/v1/batches", {"custom-llm-provider": "x"}, {}, "custom_llm_provider", "Invalid value: 'x'."),
        ("/v1/batches", {}, {"custom_llm_provider": 1}, "custom_llm_provider", "but got an integer instead."),
    ],
    ids=str,
)
def test_a_wrong_hint_makes_no_batch(
    *, api: Api, path: str, headers: dict[str, str], body: dict[str, Any], param: str, message: str
) -> None:
    assert message in refused(create(api, path, headers, **body), param)
    assert api.get("/v1/batches").json["data"] == []


@pytest.mark.parametrize("name", ["os.environ/OFFPEAK_MASTER_KEY", "oidc/x", "${X}", "{{X}}", "gs://b/x", "*"])
def test_a_hint_is_text_and_stands_for_nothing_else(api: Api, name: str) -> None:
    assert UNKNOWN.format(name, ALL) == refused(create(api, model=name), "model")


@pytest.fixture
def callers(api: Api, monkeypatch: pytest.MonkeyPatch) -> dict[str, Caller]:
    """Callers by the name in `x-caller`; without one it is the admin."""
    known = {"few": Caller(owner="few", team="us", models=((FLASH, PRO),)), "mate": Caller(owner="mate", team="us")}

    def by_name(request: Request, _: str) -> Caller:
        return known.get(request.headers.get("x-caller", ""), ADMIN)

    monkeypatch.setattr("functions.http.authenticate", by_name)
    return known


def test_a_model_that_the_key_may_not_use_is_as_one_that_is_not_there(api: Api, callers: dict[str, Caller]) -> None:
    few = {"x-caller": "few"}
    for name in (MINI, "no-such"):
        expected = DENIED.format(name, f"{FLASH}, {PRO}")
        assert denied(create(api, headers=few, model=name), "model") == expected
        assert denied(send(api, ("model", name), headers=few), "model") == expected
        assert denied(api.post("/v1/uploads", json={**UPLOAD, "model": name}, headers=few), "model") == expected
        for path in ("/v1/files", "/v1/batches"):
            assert denied(api.get(f"{path}?model={name}", headers=few), "model") == expected


def test_a_key_without_models_is_told_so(api: Api, callers: dict[str, Caller]) -> None:
    callers["few"] = Caller(owner="few", models=((),))
    answer = create(api, headers={"x-caller": "few"}, model=FLASH)
    assert denied(answer, "model").endswith("They are: none.")


@pytest.mark.parametrize(
    ("of_file", "of_batch", "expected"),
    [
        ([], {}, hints()),
        ([("model", MINI)], {}, hints(MINI)),
        ([], {"model": MINI}, hints(MINI)),
        ([("target_model_names", f"{MINI},{FLASH},{PRO}")], {"target_model_names": [PRO, MINI]}, hints(PRO, MINI)),
        ([("target_model_names", f"{MINI},{FLASH}")], {"model": FLASH}, hints(FLASH)),
        ([("model", FLASH)], {"target_model_names": [PRO, FLASH]}, hints(FLASH)),
        ([("custom_llm_provider", "vertex_ai")], {"model": FLASH}, hints(FLASH, provider="vertex_ai")),
        ([("model", FLASH)], {"custom_llm_provider": "vertex_ai"}, hints(FLASH, provider="vertex_ai")),
        (
            [("custom_llm_provider", "vertex_ai")],
            {"custom_llm_provider": "vertex_ai"},
            hints(provider="vertex_ai"),
        ),
    ],
    ids=str,
)
def test_a_batch_has_what_its_file_and_its_create_say_together(
    api: Api, of_file: list[tuple[str, str]], of_batch: dict[str, Any], expected: Hints
) -> None:
    file = file_of(api, send(api, *of_file)).id
    assert batch_of(api, create(api, input_file_id=file, **of_batch)).hints == expected


@pytest.mark.parametrize(
    ("of_file", "of_batch", "param", "message"),
    [
        (
            ("target_model_names", f"{MINI},{FLASH}"),
            {"model": PRO},
            "model",
            (
                "This request names the model team/pro, but its input file was uploaded for the models gpt-4o-batch, "
                "gemini-2.5-flash."
            ),
        ),
        (
            ("custom_llm_provider", "openai"),
            {"custom_llm_provider": "vertex_ai"},
            "custom_llm_provider",
            "This request names the provider vertex_ai, but its input file was uploaded for openai.",
        ),
    ],
    ids=str,
)
def test_a_file_for_one_model_is_no_batch_of_another(
    api: Api, of_file: tuple[str, str], of_batch: dict[str, Any], param: str, message: str
) -> None:
    file = file_of(api, send(api, of_file)).id

    assert refused(create(api, input_file_id=file, **of_batch), param) == message
    assert api.get("/v1/batches").json["data"] == []


def test_a_repeated_create_gives_its_batch_whatever_became_of_the_file(api: Api) -> None:
    """The hints of a request have been judged once, with its file as it was."""
    file = file_of(api, send(api, ("model", MINI)))
    key = {"Idempotency-Key": "once"}
    first = create(api, headers=key, input_file_id=file.id, model=MINI)
    api.app.documents.transact(lambda tx: tx.put(replace(file, hints=hints(PRO))))

    assert create(api, headers=key, input_file_id=file.id, model=MINI).json == first.json


def test_the_hints_of_somebody_elses_file_are_unknown(api: Api, callers: dict[str, Caller]) -> None:
    """No conflict tells what the file was uploaded for, and no batch inherits it."""
    theirs = file_of(api, send(api, ("model", MINI), ("passthrough", "1")))

    batch = batch_of(api, create(api, headers={"x-caller": "few"}, input_file_id=theirs.id, model=FLASH))

    assert (batch.hints, batch.native, batch.input_object) == (hints(FLASH), False, None)


NOT_OURS = {
    "model": "no-such",
    "target_model_names": ["no-such"],
    "custom_llm_provider": "bedrock",
    "provider": 7,
    "passthrough": "perhaps",
}
QUERY = "?model=no-such&target_model_names=no-such&custom_llm_provider=bedrock&provider=x&model=other"
HEADERS = {"x-litellm-model": "no-such,other", "custom-llm-provider": "bedrock"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/files/{file}"),
        ("GET", "/files/{file}/content"),
        ("GET", "/batches/{batch}"),
        ("POST", "/batches/{batch}/cancel"),
        ("POST", "/uploads/{upload}/cancel"),
        ("DELETE", "/files/{file}"),
    ],
)
@pytest.mark.parametrize("prefix", ["/v1", "", "/azure/v1"])
def test_what_exists_is_found_by_its_id_whatever_hints_say(api: Api, prefix: str, method: str, path: str) -> None:
    file = file_of(api, send(api, ("model", FLASH))).id
    batch = create(api, input_file_id=file).json["id"]
    upload = api.post("/v1/uploads", json=UPLOAD).json["id"]
    path = prefix + path.format(file=file, batch=batch, upload=upload)

    assert api.call(method, path + QUERY, json=NOT_OURS, headers=HEADERS).status_code == 200


@pytest.mark.parametrize("said", ["true", "True", "1", "TRUE"])
@pytest.mark.parametrize("place", ["form", "query"])
def test_native_rows_are_asked_for(api: Api, said: str, place: str) -> None:
    in_query = place == "query"
    answer = send(api, path=f"/v1/files?passthrough={said}") if in_query else send(api, ("passthrough", said))

    file = file_of(api, answer)

    assert file.native is True
    assert batch_of(api, create(api, input_file_id=file.id)).native is True


@pytest.mark.parametrize(("said", "native"), [(True, True), (1, True), ("true", True), (False, False), (0, False)])
def test_native_rows_are_asked_for_in_json(api: Api, said: object, native: bool) -> None:
    upload = api.post("/v1/uploads", json={**UPLOAD, "passthrough": said})
    stored = api.app.documents.get(Upload, upload.json["id"])
    assert stored is not None
    assert stored.native is native


def test_a_forms_own_word_on_native_rows_goes_before_the_querys(api: Api) -> None:
    answer = send(api, ("passthrough", "false"), path="/v1/files?passthrough=true")
    assert file_of(api, answer).native is False


def test_native_rows_are_for_batches(api: Api) -> None:
    expected = "'passthrough' is for files with the purpose 'batch'."
    assert refused(send(api, ("passthrough", "true"), purpose="user_data"), "passthrough") == expected
    answer = api.post("/v1/uploads", json={**UPLOAD, "purpose": "user_data", "passthrough": True})
    assert refused(answer, "passthrough") == expected
    assert api.stored() == []


@pytest.mark.parametrize("said", [7, "yes", [], ["true", "false"], {"a": 1}, 1.5])
def test_what_is_no_yes_and_no_no_is_refused(api: Api, said: object) -> None:
    answer = api.post("/v1/uploads", json={**UPLOAD, "passthrough": said})
    if said == []:
        assert answer.status_code == 200
    else:
        refused(answer, "passthrough")


@pytest.mark.parametrize("name", ["in.jsonl", "upload"])
def test_native_rows_are_a_batch_input_with_a_name_and_without(api: Api, name: str) -> None:
    """Their lines have no custom_id and no url: Vertex's `{"request": {...}}`."""
    row = b'{"request": {"contents": []}, "key": "1"}\n'
    answer = api.form("/v1/files", ("purpose", "batch"), ("passthrough", "true"), ("file", row, name))
    assert file_of(api, answer).native is True


def listed(api: Api, path: str, **more: Any) -> list[str]:
    """The ids of all pages."""
    found, after = [], ""
    while True:
        page = api.get(f"{path}{after}", **more).json
        found += [each["id"] for each in page["data"]]
        assert page["has_more"] is False or page["data"]
        if not page["has_more"]:
            return found
        after = f"&after={found[-1]}"


def several(api: Api, kind: str) -> dict[str, list[str]]:
    """Records with differing hints, newest first, by what they were made for."""
    made: dict[str, list[str]] = {FLASH: [], MINI: [], "both": [], "none": []}
    for _ in range(3):
        for name, ids in made.items():
            api.clock.pass_by(SECOND)
            models = {"both": f"{FLASH},{MINI}", "none": ""}.get(name, name)
            if kind == "files":
                answer = send(api, ("target_model_names", models))
            else:
                answer = create(api, target_model_names=models)
            ids.insert(0, answer.json["id"])
    return made


@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.parametrize("kind", ["files", "batches"])
@pytest.mark.parametrize("asked", ["target_model_names", "model", "target_model_names[]"])
def test_a_list_may_be_of_one_model(api: Api, kind: str, asked: str, limit: int) -> None:
    made = several(api, kind)

    found = listed(api, f"/v1/{kind}?{asked}={MINI}&limit={limit}")

    assert set(found) == {*made[MINI], *made["both"]}
    assert len(found) == len(set(found)) == 6
    assert [each for each in found if each in made[MINI]] == made[MINI]
    last = api.get(f"/v1/{kind}?{asked}={MINI}&limit=6").json
    assert (len(last["data"]), last["has_more"]) == (6, False)
    assert listed(api, f"/v1/{kind}?{asked}={PRO}&limit=1") == []


@pytest.mark.parametrize("kind", ["files", "batches"])
def test_a_list_may_be_of_several_models_named_anywhere(api: Api, kind: str) -> None:
    made = several(api, kind)

    assert len(listed(api, f"/v1/{kind}?target_model_names={MINI},{FLASH}&limit=2")) == 9
    assert set(listed(api, f"/v1/{kind}?limit=2", headers={"x-litellm-model": MINI})) == {*made[MINI], *made["both"]}
    in_body = listed(api, f"/v1/{kind}?limit=2", json={"target_model_names": FLASH})
    assert set(in_body) == {*made[FLASH], *made["both"]}


def test_a_batch_is_listed_by_the_model_that_its_lines_named(api: Api) -> None:
    batch = batch_of(api, create(api))
    ran = replace(batch, model=f"vertex_ai/{FLASH}")
    api.app.documents.transact(lambda tx: tx.put(ran))

    assert listed(api, f"/v1/batches?target_model_names={FLASH}") == [batch.id]
    assert listed(api, f"/v1/batches?model=vertex_ai/{FLASH}") == [batch.id]
    assert listed(api, f"/v1/batches?model={MINI}") == []


@pytest.mark.parametrize("kind", ["files", "batches"])
def test_a_lists_provider_changes_nothing(api: Api, kind: str) -> None:
    made = several(api, kind)
    every = {each for ids in made.values() for each in ids}

    for query in ("provider=vertex_ai", "custom_llm_provider=hosted_vllm"):
        assert set(listed(api, f"/v1/{kind}?{query}&limit=10")) == every
    assert set(listed(api, f"/azure/v1/{kind}?limit=10", headers={"custom-llm-provider": "vllm"})) == every


@pytest.mark.parametrize("kind", ["files", "batches"])
@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("model=no-such", "model"),
        ("target_model_names=no-such", "target_model_names"),
        ("provider=bedrock", "provider"),
        ("custom_llm_provider=bedrock", "custom_llm_provider"),
    ],
)
def test_a_lists_wrong_hint_is_refused(api: Api, kind: str, query: str, param: str) -> None:
    refused(api.get(f"/v1/{kind}?{query}"), param)


def test_a_filter_that_keeps_little_asks_storage_a_few_times(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [batch_of(api, create(api)) for _ in range(200)]
    api.app.documents.transact(lambda tx: tx.put(replace(made[0], hints=hints(MINI))))
    asked: list[int] = []
    query = api.app.documents.query

    def counted(*values: Any, **options: Any) -> list[Any]:
        asked.append(options["limit"])
        return query(*values, **options)

    monkeypatch.setattr(api.app.documents, "query", counted)
    page = api.get(f"/v1/batches?model={MINI}&limit=1").json

    assert ([each["id"] for each in page["data"]], page["has_more"]) == ([made[0].id], False)
    assert len(asked) < 10


def group_header(answer: Answer) -> str | None:
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-litellm-call-id"] == answer.headers["x-request-id"]
    assert not [name for name in ("x-litellm-model-id", "x-litellm-model-api-base") if name in answer.headers]
    return answer.headers.get("x-litellm-model-group")


def test_answers_name_the_one_group_that_they_are_about(api: Api) -> None:
    first, both = send(api, ("model", MINI)), send(api, ("target_model_names", f"{MINI},{FLASH}"))
    file = first.json["id"]
    batch = create(api, input_file_id=file)
    path = f"/v1/batches/{batch.json['id']}"

    about = [first, api.get(f"/v1/files/{file}"), api.get(f"/v1/files/{file}/content"), batch, api.get(path)]
    assert [group_header(each) for each in about] == [MINI] * 5
    assert group_header(api.post(f"{path}/cancel")) == MINI
    assert [group_header(each) for each in (both, send(api), create(api), api.get("/v1/files"))] == [None] * 4


def test_a_batch_names_the_group_that_its_lines_chose(api: Api) -> None:
    batch = batch_of(api, create(api, target_model_names=[FLASH, MINI]))
    api.app.documents.transact(lambda tx: tx.put(replace(batch, model=f"openai/{MINI}")))

    assert group_header(api.get(f"/v1/batches/{batch.id}")) == MINI


def test_a_batch_keeps_its_hinted_group_where_lines_name_its_deployment(api: Api) -> None:
    """A name at the provider may be the name of another group, too."""
    batch = batch_of(api, create(api, model=PRO))
    api.app.documents.transact(lambda tx: tx.put(replace(batch, model=FLASH)))

    assert group_header(api.get(f"/v1/batches/{batch.id}")) == PRO
    assert listed(api, f"/v1/batches?model={FLASH}") == []


def test_a_group_of_a_pattern_makes_one_header_and_nothing_else(api: Api) -> None:
    """What stands for its star is the caller's own words."""
    name = "gpt-4.1-\r\nX-Evil: größe 100%"
    answer = create(api, model=name)

    assert batch_of(api, answer).hints == hints(name)
    assert group_header(answer) == "gpt-4.1-%0D%0AX-Evil: gr%C3%B6%C3%9Fe 100%25"
    assert "x-evil" not in answer.headers


CONNECTION = dict.fromkeys(
    (
        "api_base",
        "base_url",
        "api_key",
        "api_version",
        "organization",
        "vertex_project",
        "vertex_location",
        "vertex_credentials",
        "aws_access_key_id",
        "azure_ad_token",
        "extra_headers",
        "extra_body",
        "deployment",
        "id",
        "owner",
        "team",
        "hints",
        "native",
        "input_object",
        "models",
    ),
    f"https://{CANARY}.example.com",
)


def test_what_a_caller_says_of_a_connection_has_no_effect(api: Api) -> None:
    """Credentials would go where it says; so it is read nowhere, and stored nowhere."""
    query = "?" + "&".join(f"{name}={value}" for name, value in CONNECTION.items())
    headers = {name.replace("_", "-"): value for name, value in CONNECTION.items() if name != "api_key"}

    sent = send(api, *CONNECTION.items(), path=f"/v1/files{query}", headers=headers, after=tuple(CONNECTION.items()))
    uploaded = api.post(f"/v1/uploads{query}", json={**UPLOAD, **CONNECTION}, headers=headers)
    created = api.post(f"/v1/batches{query}", json={**CREATE, **CONNECTION}, headers=headers)

    for kind, answer in ((File, sent), (Upload, uploaded), (Batch, created)):
        assert answer.status_code == 200
        assert CANARY not in answer.text + str(answer.headers)
        record: Any = api.app.documents.get(kind, answer.json["id"])
        assert (record.owner, record.team, record.hints, record.native) == ("admin", None, Hints(), False)
        assert CANARY not in str([getattr(record, each.name) for each in fields(kind)])
    for path in ("/v1/models", "/model/info", "/model_group/info", "/v1/files", "/v1/batches"):
        assert CANARY not in api.get(path + query, headers=headers).text


def test_a_wrong_body_of_a_list_is_refused_like_any_other(api: Api) -> None:
    answer = api.get("/v1/batches", input_stream=io.BytesIO(b"[1]"), content_length=3)
    assert envelope(answer.data)["code"] == "invalid_json"
