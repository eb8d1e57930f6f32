"""Azure OpenAI's Files and Batches on a port of this machine, as odd and as strict as Azure is.

`python -m infra.local.standins.azure --port 0 --seconds 3` prints `ready http://127.0.0.1:PORT` when it serves, and
SIGTERM stops it. It has the API with a date and the one without (v1), and gives out tokens as Microsoft Entra does.
Built from Azure's documentation and from what its users report, not from Offpeak's client. Its answers say that they
are a stand-in's.

As Azure, it
- answers `Resource not found` to a path or a version that it does not have, `/deployments/…` among them
- wants `api-key`, or a token that it gave out itself
- refuses a file without a content type, with a byte order mark, or with a life of less than 14 or more than 30 days
- reads a file before it is `processed`: until then, no batch may name it
- says 201 where it made something, if the API has a date
- writes times in ISO 8601, a status with a capital, counts that are null, `""` for a file that is none, and no endpoint
- looks at the lines later: a wrong `model` or `url` is a batch that fails
- leaves an empty file of errors where there are none
- lets no batch expire: one runs until it is done or cancelled
- has two ways to say that too many tokens wait: `full_at_create` and `full_later`
"""

import json
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs

from infra.local.standins.openai import Handler, Json, OpenAIStandIn, Refusal, milliseconds, options
from infra.local.standins.process import in_thread, serve

__all__ = ["CLIENT", "DEPLOYMENTS", "SECRET", "TENANT", "AzureStandIn", "running"]

DEPLOYMENTS: Final = frozenset({"my-mini-batch", "my-big-batch"})
TENANT: Final = "stand-in.example"
CLIENT: Final = "11111111-2222-3333-4444-555555555555"
SECRET: Final = "a-stand-in's-secret"  # noqa: S105
KEY: Final = "azure-stand-in-key"
_SCOPE: Final = "https://cognitiveservices.azure.com/.default"
_VERSIONS: Final = frozenset({"2024-10-21", "2025-03-01-preview", "2025-04-01-preview"})
_SHORTEST, _LONGEST = 1_209_600, 2_592_000
_BOM: Final = b"\xef\xbb\xbf"
_DATED: Final = frozenset({"/chat/completions"})
_UNDATED: Final = frozenset({"/v1/chat/completions", "/v1/responses"})
_READING: Final = ("pending", "running")
_WINDOWS: Final = frozenset({"24h"})
_MOST_FILES: Final = 500  # of those without an expiry


class AzureStandIn(OpenAIStandIn):
    """What a test may turn is in the public fields, as with OpenAI's."""

    def __init__(self, now: Callable[[], int], port: int = 0, *, takes: int = 3_000) -> None:
        super().__init__(now, port, _Handler, takes=takes)
        self.key = KEY
        self.deployments: frozenset[str] | None = DEPLOYMENTS  # None: one of every name
        self.looks = 2  # at a file, before it is processed
        self.cancel_takes = 0  # milliseconds; Azure: up to ten minutes
        self.keeps_metadata = True
        self.full_at_create = 0  # so many batches are refused for want of room
        self.full_later = 0  # … or fail a moment after they were made
        self.unreadable = 0  # so many files turn out to be none
        self.token_life = 3_599  # seconds
        self.tokens: dict[str, float] = {}  # and when they end, in seconds since 1970

    @property
    def base(self) -> str:
        """The resource; what follows is the API's."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add_file(self, fields: Json, content: bytes) -> Json:
        file = super().add_file(fields, content)
        if fields["purpose"] == "batch":
            file |= {"status": "pending", "_looks": 0, "_bad": self.unreadable > 0}
            self.unreadable = max(0, self.unreadable - 1)
        return file

    def end(self, batch: Json, status: str) -> None:
        if status == "cancelled" and self.now() - batch["_cancelled"] < self.cancel_takes:
            return
        if status == "expired":
            batch["status"] = "in_progress"
            return
        wrong = self.wrong_with(batch)
        if wrong or status == "failed":
            batch["status"] = "failed"
            batch["errors"] = {"object": "list", "data": wrong or self.errors}
            return
        super().end(batch, status)
        if batch["error_file_id"] is None and batch["output_file_id"] is not None:
            batch["error_file_id"] = self.add_file({"purpose": "batch_output"}, b"")["id"]

    def wrong_with(self, batch: Json) -> list[Json]:
        """What Azure finds once it reads the lines."""
        if batch["_full"]:
            return [_error("token_limit_exceeded", "The number of enqueued tokens has surpassed the configured limit.")]
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]][1].splitlines()]
        models, urls = {line["body"].get("model") for line in lines}, {line["url"] for line in lines}
        if len(models) > 1:
            return [_error("model_mismatch", "The provided model differs from that of the other requests.")]
        if self.deployments is not None and not models <= self.deployments:
            return [_error("model_not_found", f"The provided model deployment '{models.pop()}' was not found.")]
        if len(urls) > 1 or not urls <= batch["_urls"]:
            return [_error("url_mismatch", "The URL of this request is not that of the batch.")]
        return []


class _Handler(Handler):
    server: AzureStandIn

    def answered(self, content: bytes) -> tuple[int, Any, Mapping[str, str]]:
        if self.path == f"/{TENANT}/oauth2/v2.0/token" and self.command == "POST":
            return 200, self._token(content), {}
        return super().answered(content)

    def _token(self, content: bytes) -> Json:
        said = {name: values[-1] for name, values in parse_qs(content.decode()).items()}
        self.server.journal.append("token")
        if self.server.refuse.get("token"):
            raise Refusal(*self.server.refuse["token"].pop(0))
        if said.get("grant_type") != "client_credentials" or said.get("scope") != _SCOPE:
            raise Refusal(400, {"error": "invalid_scope", "error_description": "AADSTS70011: The scope is not valid."})
        if said.get("client_id") != CLIENT or said.get("client_secret") != SECRET:
            why = f"AADSTS7000215: Invalid client secret provided for app '{CLIENT}'."
            raise Refusal(401, {"error": "invalid_client", "error_description": why})
        token = secrets.token_urlsafe(24)
        self.server.tokens[token] = time.time() + self.server.token_life
        return {"token_type": "Bearer", "expires_in": self.server.token_life, "access_token": token}

    def route(self, path: str, query: dict[str, str]) -> list[str]:
        version = query.pop("api-version", None)
        self.dated = not path.startswith("/openai/v1/")
        if not path.startswith("/openai/") or (version not in _VERSIONS if self.dated else version == ""):
            raise _no_route()
        if not self.dated and version not in {None, "preview", "latest"}:
            raise Refusal(400, _problem("400", "api-version query parameter is not allowed when using /v1 path"))
        return path.removeprefix("/openai/" if self.dated else "/openai/v1/").split("/")

    def call(self, path: list[str], query: dict[str, str], content: bytes) -> tuple[str, Callable[[], Any]]:
        try:
            return super().call(path, query, content)
        except Refusal as error:
            raise _no_route() from error

    @property
    def created(self) -> int:
        return 201 if self.dated else 200

    def authenticate(self) -> None:
        key, token = self.headers.get("api-key"), self.headers.get("authorization", "").removeprefix("Bearer ")
        if key != self.server.key and self.server.tokens.get(token, 0.0) < time.time():
            raise Refusal(401, _problem("401", "Access denied due to invalid subscription key or wrong API endpoint."))

    def headers_of(self, call: str) -> Mapping[str, str]:
        if call != "create":
            return {}
        waiting = sum(batch["status"] not in {"completed", "failed", "cancelled"} for batch in self._batches())
        return {"deployment-enqueued-tokens": str(waiting * 10), "deployment-maximum-enqueued-tokens": "1000000"}

    def _batches(self) -> list[Json]:
        return list(self.server.batches.values())

    def file(self, id: str) -> Json:
        file = super().file(id)
        if file["status"] in _READING:
            file["_looks"] += 1
            if file["_looks"] > self.server.looks:
                file["status"] = "error" if file["_bad"] else "processed"
            elif file["_looks"] > 1:
                file["status"] = "running"
        return _visible(file)

    def upload(self, content: bytes) -> Json:
        return _visible(super().upload(content))

    def judge_upload(self, fields: Json, lines: bytes) -> None:
        if not fields["_type"]:
            raise Refusal(400, _problem("invalidPayload", "The file has no content type."))
        if lines.startswith(_BOM):
            raise Refusal(400, _problem("invalidPayload", "The deployment name of the request could not be read."))
        life = fields.get("expires_after[seconds]", fields.get("expires_after.seconds"))
        if life is not None and not (life.isdecimal() and _SHORTEST <= int(life) <= _LONGEST):
            raise Refusal(400, _problem("invalidPayload", f"The expiry is not from {_SHORTEST} to {_LONGEST} seconds."))
        kept = [file for file, _ in self.server.files.values() if "expires_after[seconds]" not in file]
        if life is None and len(kept) >= _MOST_FILES:
            raise Refusal(400, _problem("quotaExceeded", "The quota for files without expiry is reached."))

    def create(self, body: Json) -> Json:
        found = self.server.files.get(body["input_file_id"])
        if found is None or found[0]["status"] != "processed":
            raise Refusal(400, _problem("invalid_request", f"File {body['input_file_id']} is not ready to be used."))
        if body["completion_window"] not in _WINDOWS:
            raise Refusal(400, _problem("invalid_request", "Only 24h is supported."))
        life = (body.get("output_expires_after") or {}).get("seconds", _SHORTEST)
        if not _SHORTEST <= life <= _LONGEST:
            raise Refusal(400, _problem("invalid_request", "The expiry of the output is out of bounds."))
        if self.server.full_at_create:
            self.server.full_at_create -= 1
            message = "The number of enqueued tokens has surpassed the configured limit of 30K for the deployment 'x'."
            raise Refusal(400, _problem("token_limit_exceeded", message))
        super().create(body)
        batch = self._batches()[-1]
        batch |= {"_full": self.server.full_later > 0, "_urls": _DATED if self.dated else _UNDATED, "_cancelled": 0}
        self.server.full_later = max(0, self.server.full_later - 1)
        return self.shown(batch)

    def cancel(self, batch: Json) -> Json:
        if batch["status"] not in {"cancelling", "cancelled"}:
            batch["_cancelled"] = self.server.now()
        return super().cancel(batch)

    def shown(self, batch: Json) -> Json:
        """A batch as the samples of Azure's documentation have it."""
        seen = super().shown(batch)
        seen |= {
            "status": batch["status"].replace("_", " ").title().replace(" ", "_"),
            "created_at": datetime.fromtimestamp(batch["created_at"], UTC).isoformat(),
            "endpoint": None,
            "output_file_id": batch["output_file_id"] or "",
            "error_file_id": batch["error_file_id"] or "",
        }
        if batch["status"] not in {"completed", "cancelled"}:
            seen["request_counts"] = {"total": None, "completed": None, "failed": None}
        if not self.server.keeps_metadata:
            seen["metadata"] = None
        return seen


def _visible(file: Json) -> Json:
    return {name: value for name, value in file.items() if not name.startswith("_")}


def _error(code: str, message: str) -> Json:
    return {"code": code, "message": message, "param": None, "line": None}


def _problem(code: str, message: str) -> Json:
    return {"error": {"code": code, "message": message}}


def _no_route() -> Refusal:
    return Refusal(404, _problem("404", "Resource not found"))


def running(now: Callable[[], int] = milliseconds) -> AbstractContextManager[AzureStandIn]:
    """A stand-in on a free port, for as long as the context lasts."""
    return in_thread(AzureStandIn(now))


def main() -> None:
    said = options(__doc__, key=KEY)
    server = AzureStandIn(milliseconds, said.port, takes=int(said.seconds * 1000))
    server.key, server.deployments = said.key, None
    serve(server, server.base)


if __name__ == "__main__":
    main()
