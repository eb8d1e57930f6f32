"""A parrot, ready to be used: it repeats what it hears, a job at a time."""

from collections.abc import Iterable
from typing import Any

import httpx

from shared.config import Deployment
from shared.domain.batch import BatchError
from shared.domain.errors import ConfigError, Transient
from shared.domain.shard import Job, JobState
from shared.providers.base import Busy, Codec, Hold, JobMissing, JobRequest, Media, Provider, Refused, Unknown
from shared.storage.ports import ABSENT, ObjectExists, Objects
from tests.providers.toy.codec import ParrotCodec
from tests.providers.toy.profile import CHAT, LIMITS, refuse

__all__ = ["open_provider"]

STATES = {"done": JobState.SUCCEEDED, "stopped": JobState.CANCELLED, "ill": JobState.FAILED}


class ParrotClient:
    """base.Client, with what becomes of a job's rows."""

    def __init__(self, deployment: Deployment) -> None:
        self._base, self._key = deployment.api_base, deployment.api_key or ""

    def create_job(self, request: JobRequest) -> Job:
        with request.open() as rows:
            return _job(self._ask("POST", f"/jobs?name={request.label}", lost=Unknown, content=rows.read()).json())

    def find_job(self, label: str, *, since: int = 0) -> Job | None:
        del since
        found = self._ask("GET", f"/jobs?name={label}").json()
        return _job(found[0]) if found else None

    def get_job(self, name: str) -> Job:
        return _job(self._ask("GET", f"/jobs/{name}").json())

    def cancel_job(self, name: str) -> None:
        self._ask("POST", f"/jobs/{name}/stop")

    def fetch(self, job: Job, objects: Objects, output: str, hold: Hold) -> None:
        hold.beat()
        try:
            rows = self._ask("GET", f"/jobs/{job.name}/rows").content
        except JobMissing:
            return
        try:
            objects.write(f"{output}said.jsonl", [rows] if rows else [], if_generation=ABSENT)
        except ObjectExists:
            return

    def tidy(self, job: Job) -> None:
        self._ask("DELETE", f"/jobs/{job.name}")

    def _ask(self, method: str, path: str, *, lost: type[Transient] = Transient, **rest: Any) -> httpx.Response:
        try:
            with httpx.Client(trust_env=False, headers={"key": self._key}) as http:
                reply = http.request(method, f"{self._base}{path}", **rest)
        except httpx.ConnectError as error:
            raise Busy("toy: nobody is there") from error
        except httpx.HTTPError as error:
            raise lost("toy: the answer was lost") from error
        if reply.status_code == 404:
            raise JobMissing(path)
        if reply.status_code in {401, 403}:
            raise Refused(BatchError(code="provider_error", message="The parrot does not know us."), settled=False)
        if reply.status_code == 429:
            raise Busy("toy: the parrot is tired")
        return reply


def _job(said: dict[str, Any]) -> Job:
    state = STATES.get(said["state"], JobState.RUNNING)
    error = BatchError(code="provider_error", message="The parrot is ill.") if state is JobState.FAILED else None
    return Job(
        name=said["id"], state=state, completed=said["spoken"], files=("rows",) if said["spoken"] else (), error=error
    )


def _said(_: Job, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.endswith("/said.jsonl")]


def open_provider(deployment: Deployment, media: Media) -> Provider:
    del media
    if (why := refuse(deployment)) is not None:
        raise ConfigError(f"deployment {deployment.id}: {why}")
    client, codec = ParrotClient(deployment), ParrotCodec()

    def codec_of(endpoint: str) -> Codec | None:
        return codec if endpoint == CHAT else None

    return Provider(
        client=client,
        limits=LIMITS,
        codec=codec_of,
        codec_named=lambda _: codec,
        predictions=_said,
        fetch=client.fetch,
        tidy=client.tidy,
        price_model=deployment.price_name,
        location="",
    )
