"""What an answer means for its line, its server and its deployment. Pure: one table, and the rows that come of it.

ANSWER      2xx                                                        if it holds what it should
LINE        400, 413, 422, 501, 404 with an error object, other 4xx    the line is wrong, and will be next time
REPLY       408, 409, 425, 500, 502, 504, other 5xx                    the next try may have more luck
ENDPOINT    429, 503, 529, a passing redirect                          nobody is there for any line, for now
ROUTE       404 and 405 without an error object                        whose fault it is, /models knows
DEPLOYMENT  401, 403, a lasting redirect, a model that is not served   no line will ever run here
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from shared.providers.openai.plain import plain
from shared.providers.retry_after import retry_after

__all__ = ["Meaning", "error_row", "meaning_of", "names_model", "pause_of", "row_of"]


class Meaning(StrEnum):
    """Of an answer, for the line and for all others."""

    ANSWER = "answer"
    LINE = "line"
    REPLY = "reply"
    ENDPOINT = "endpoint"
    ROUTE = "route"
    DEPLOYMENT = "deployment"


_BY_STATUS: Final = {
    **dict.fromkeys((408, 409, 425), Meaning.REPLY),
    **dict.fromkeys((429, 503, 529), Meaning.ENDPOINT),
    **dict.fromkeys((302, 303, 307), Meaning.ENDPOINT),
    **dict.fromkeys((301, 308, 401, 403), Meaning.DEPLOYMENT),
    501: Meaning.LINE,
}
_LONGEST_PAUSE: Final = 60.0  # seconds that a server may send us away for
_TOO_LONG: Final = "context_length_exceeded"  # OpenAI's word, which clients look for

_encode: Final = msgspec.json.Encoder().encode


def meaning_of(status: int, body: Any, model: str) -> Meaning:
    """`body` is decoded JSON, or None where it was none; `model` is what the request asked for."""
    if 200 <= status < 300:
        return Meaning.ANSWER
    if status in {404, 405}:
        problem = body.get("error") if isinstance(body, dict) else None
        if status == 405 or not isinstance(problem, dict):
            return Meaning.ROUTE
    if 400 <= status < 500 and _no_such_model(status, body, model):
        return Meaning.DEPLOYMENT
    found = _BY_STATUS.get(status)
    if found is None:
        found = Meaning.LINE if 400 <= status < 500 else Meaning.REPLY
    return found


def _no_such_model(status: int, body: Any, model: str) -> bool:
    """Whether it is the model that is missing: every line asks for the same one, so no line can be to blame.

    vLLM: 404, type NotFoundError, param "model" in newer versions, "The model `x` does not exist." in all. Others say
    OpenAI's code.
    """
    problem = body.get("error") if isinstance(body, dict) else None
    if not isinstance(problem, dict):
        return False
    if problem.get("code") == "model_not_found":
        return True
    message = problem.get("message")
    named = isinstance(message, str) and model in message and "model" in message.lower()
    return status == 404 and (problem.get("param") == "model" or named)


def names_model(listed: Any, model: str) -> bool:
    """Whether this is a list of models that has this one."""
    data = listed.get("data") if isinstance(listed, dict) else None
    return isinstance(data, list) and any(isinstance(each, dict) and each.get("id") == model for each in data)


def pause_of(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds, from 0 to 60, where the server says how long to leave it alone. `now` is the time since 1970."""
    seconds = retry_after(headers, now)
    return None if seconds is None else min(seconds, _LONGEST_PAUSE)


def row_of(custom_id: str, status: int, request_id: str, body: Any) -> bytes:
    """A row of results, as OpenAI's batches write it."""
    response = {"status_code": status, "request_id": request_id, "body": body}
    return _encode({"custom_id": custom_id, "response": response, "error": None}) + b"\n"


def error_row(custom_id: str, status: int, request_id: str, body: Any, private: tuple[str, ...] = ()) -> bytes:
    """The row of a line that the server found wrong: its words as far as a client may read them.

    `private`: names that no message may hold.
    """
    problem = body.get("error") if isinstance(body, dict) else None
    if isinstance(problem, str):
        problem = {"message": problem}
    elif not isinstance(problem, dict):
        problem = {}
    param, code = problem.get("param"), problem.get("code")
    if param == "input_tokens":  # what vLLM calls a conversation that is too long
        param, code = None, _TOO_LONG
    error = {
        "message": plain(problem.get("message"), private),
        "type": None,  # vLLM's are names of its exceptions
        "param": param if isinstance(param, str) else None,
        "code": code if isinstance(code, str) else None,
    }
    return row_of(custom_id, status, request_id, {"error": error})
