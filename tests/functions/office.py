"""What admins' scripts do, in one line each."""

from typing import Any

from tests.functions.conftest import Answer, Api

__all__ = ["as_key", "count_calls", "key_of", "ok", "told", "uses"]


def ok(answer: Answer) -> Any:
    """The JSON of an answer that is as it should be."""
    assert answer.status_code == 200, answer.text
    return answer.json


def key_of(api: Api, **body: Any) -> Any:
    """A new key: the answer to /key/generate."""
    return ok(api.post("/key/generate", json=body))


def as_key(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def uses(api: Api, key: str) -> int:
    """The status that a client with this key gets."""
    return api.get("/v1/files", headers=as_key(key)).status_code


def told(answer: Answer) -> tuple[int, str | None, str]:
    """Status, parameter and message of a refusal."""
    error = answer.json["error"]
    return answer.status_code, error["param"], error["message"]


class count_calls:  # noqa: N801  # reads as what it does
    """Documents that count what they are asked, and say it in `calls`."""

    def __init__(self, documents: Any) -> None:
        self.documents = documents
        self.calls: list[str] = []
        self.read = 0  # records that queries gave

    def get(self, kind: type[Any], id: str) -> Any:
        self.calls.append(f"get {kind.__name__}")
        return self.documents.get(kind, id)

    def transact(self, body: Any) -> Any:
        self.calls.append("transact")
        return self.documents.transact(body)

    def query(self, query: Any, *values: Any, **options: Any) -> list[Any]:
        self.calls.append(f"query {query.kind.__name__}")
        found: list[Any] = self.documents.query(query, *values, **options)
        self.read += len(found)
        return found
