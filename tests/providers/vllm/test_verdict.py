"""The table of what an answer means: for its line, for its server, for its deployment."""

import json
from email.utils import formatdate
from typing import Any

import pytest

from shared.providers.vllm.verdict import Meaning, error_row, meaning_of, names_model, pause_of

MODEL = "tiny"
NOW = 1_795_000_000.0


def problem(message: str = "No.", **rest: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "BadRequestError", "param": None, "code": 400, **rest}}


DETAIL = {"detail": "Not Found"}


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (200, {}, Meaning.ANSWER),
        (400, problem(), Meaning.LINE),
        (400, None, Meaning.LINE),
        (413, None, Meaning.LINE),
        (422, DETAIL, Meaning.LINE),
        (501, problem(), Meaning.LINE),
        (404, problem("The adapter was not found."), Meaning.LINE),
        (418, None, Meaning.LINE),
        (408, None, Meaning.REPLY),
        (409, problem(), Meaning.REPLY),
        (425, None, Meaning.REPLY),
        (500, problem(), Meaning.REPLY),
        (502, None, Meaning.REPLY),
        (504, None, Meaning.REPLY),
        (520, None, Meaning.REPLY),
        (429, problem(), Meaning.ENDPOINT),
        (503, problem("The engine is currently busy"), Meaning.ENDPOINT),
        (529, None, Meaning.ENDPOINT),
        (302, None, Meaning.ENDPOINT),
        (301, None, Meaning.DEPLOYMENT),
        (401, {"error": "Unauthorized"}, Meaning.DEPLOYMENT),
        (403, None, Meaning.DEPLOYMENT),
        (404, DETAIL, Meaning.ROUTE),
        (404, None, Meaning.ROUTE),
        (404, {"error": "no such page"}, Meaning.ROUTE),
        (405, {"detail": "Method Not Allowed"}, Meaning.ROUTE),
        (404, problem("The model `tiny` does not exist.", type="NotFoundError", code=404), Meaning.DEPLOYMENT),
        (404, problem("It does not exist.", type="NotFoundError", param="model"), Meaning.DEPLOYMENT),
        (400, problem("No such thing", code="model_not_found"), Meaning.DEPLOYMENT),
        (400, problem("The model tiny cannot do this"), Meaning.LINE),
    ],
)
def test_a_status_and_its_body_have_one_meaning(status: int, body: Any, meaning: Meaning) -> None:
    assert meaning_of(status, body, MODEL) is meaning


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "86400"}, 60.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": formatdate(NOW + 7, usegmt=True)}, 7.0),
        ({"retry-after": formatdate(NOW - 700, usegmt=True)}, 0.0),
        ({"retry-after": formatdate(NOW + 7000, usegmt=True)}, 60.0),
        ({"retry-after": "Mon, 99 Nov 99999 00:00:00 GMT"}, None),
    ],
)
def test_a_server_says_how_long_to_leave_it_alone_but_not_for_ever(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert pause_of(headers, NOW) == seconds


def error(body: Any, private: tuple[str, ...] = ()) -> dict[str, Any]:
    row = json.loads(error_row("r-000001", 400, "name", body, private))
    assert (row["custom_id"], row["error"], row["response"]["status_code"]) == ("r-000001", None, 400)
    said: dict[str, Any] = row["response"]["body"]["error"]
    assert said.keys() == {"message", "type", "param", "code"}
    return said


def test_a_line_that_is_too_long_gets_openai_s_word_for_it() -> None:
    said = error(problem("This model's maximum context length is 9 tokens.", param="input_tokens"))
    assert (said["code"], said["param"]) == ("context_length_exceeded", None)
    assert "maximum context length" in said["message"]


@pytest.mark.parametrize("body", [None, [], {"detail": [{"loc": "x"}]}, {"error": None}, {"error": {"message": 4}}])
def test_an_error_without_words_still_is_one(body: Any) -> None:
    assert error(body)["message"]


def test_a_dump_of_the_request_is_cut_short_and_names_nothing() -> None:
    said = error(
        problem(f"[{{'input': '{'x' * 10_000}', 'url': 'http://10.0.0.7:8000/v1'}}] vllm.internal"), ("vllm.internal",)
    )
    assert len(said["message"]) <= 1000
    assert "10.0.0.7" not in said["message"]
    said = error(problem("ask vllm.internal"), ("vllm.internal",))
    assert "vllm.internal" not in said["message"]


@pytest.mark.parametrize(
    ("listed", "named"),
    [
        ({"data": [{"id": "other"}, {"id": "tiny"}]}, True),
        ({"data": [{"id": "other"}]}, False),
        ({"data": ["tiny", None]}, False),
        ({"data": None}, False),
        (None, False),
        ([], False),
    ],
)
def test_a_list_of_models_names_ours_or_not(listed: Any, named: bool) -> None:
    assert names_model(listed, MODEL) is named
