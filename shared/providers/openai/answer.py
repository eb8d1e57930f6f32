"""A row of OpenAI's as the answer to its line. What the row itself says decides, never the file it stood in.

response 2xx, error null      the answer, under the model's name as the caller wrote it
response 4xx or 5xx           an error of the line
response null, error          the line never ran
anything else, status 0       an error of the line: nobody can say that it worked
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from shared.domain.usage import Tokens
from shared.providers.base import Answer, Entry, NeverRan
from shared.providers.openai.plain import plain
from shared.providers.openai.rows import Row
from shared.providers.openai.usage import spoke, tokens_of

__all__ = ["answer_of"]

_DAY: Final = 86_400
_LATEST: Final = 2**33  # seconds: the year 2242
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_PARAM: Final = re.compile(r"[\w.$\[\]-]{1,200}")
_NO_ANSWER: Final = "The provider gave no valid answer to this request."


def answer_of(row: Row, entry: Entry, private: tuple[str, ...] = (), *, free: bool = False) -> Answer:
    """Never raises on what a provider wrote. `private`: names that no message may hold. `free`: it uses no tokens."""
    response, error = row.response, row.error or None
    if response is None:
        if error is None:
            return _failed(500, {}, row, entry, private)
        problem = _problem(error)
        code = problem.get("code")
        code = code if isinstance(code, str) and _WORD.fullmatch(code) else "provider_error"
        answer = _failed(500, problem, row, entry, private)
        answer.never_ran = NeverRan(code, plain(problem.get("message"), private))
        return answer
    status, body = response.status_code, response.body
    known = status if type(status) is int and 200 <= status <= 599 else 500
    if known < 300 and error is None and isinstance(body, dict):
        body["model"] = entry.model
        usage = body.get("usage")
        tokens = Tokens() if free else tokens_of(usage)
        return Answer(known, body, _request_id(row, entry), tokens, _day_of(body), extra=not free and spoke(usage))
    inner = body.get("error") if isinstance(body, dict) else None
    return _failed(known if known >= 400 else 500, _problem(inner or error), row, entry, private)


def _failed(status: int, problem: dict[str, Any], row: Row, entry: Entry, private: tuple[str, ...]) -> Answer:
    """An error body as OpenAI's, whose message names nothing of ours."""
    kind, param, code = problem.get("type"), problem.get("param"), problem.get("code")
    usual = "server_error" if status >= 500 else "invalid_request_error"
    error = {
        "message": plain(problem["message"], private) if isinstance(problem.get("message"), str) else _NO_ANSWER,
        "type": kind if isinstance(kind, str) and _WORD.fullmatch(kind) else usual,
        "param": param if isinstance(param, str) and _PARAM.fullmatch(param) else None,
        "code": code if isinstance(code, str) and _WORD.fullmatch(code) else None,
    }
    return Answer(status, {"error": error}, _request_id(row, entry))


def _problem(error: Any) -> dict[str, Any]:
    """The innermost error object: some servers wrap it, some write a text."""
    for _ in range(2):
        if isinstance(error, dict) and isinstance(error.get("error"), dict | str):
            error = error["error"]
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _request_id(row: Row, entry: Entry) -> str:
    """The same each time, and not the provider's own."""
    theirs = row.response.request_id if row.response is not None else None
    seed = f"{entry.ordinal}|{theirs if isinstance(theirs, str) else ''}"
    return f"req_{sha256(seed.encode('utf-8', 'replace')).hexdigest()[:24]}"


def _day_of(body: dict[str, Any]) -> str | None:
    """The day of the provider's clock on which the answer was made; embeddings have none."""
    created = body.get("created", body.get("created_at"))
    if isinstance(created, bool) or not isinstance(created, int | float) or not 0 < created < _LATEST:
        return None
    return _day(int(created) // _DAY)


@lru_cache(maxsize=64)  # a job has few days and many rows
def _day(number: int) -> str:
    return datetime.fromtimestamp(number * _DAY, UTC).date().isoformat()
