"""The four targets, each in a functions-framework process of its own, on Google's emulators and client libraries.

SDK ──▶ api ──▶ Firestore, Cloud Storage, Pub/Sub ── push ──▶ work, dead_letter
                 Cloud Storage ── finalize, as Eventarc sends it ──▶ predictions
                 a clock, as Cloud Scheduler ── {"step": "sweep"} ──▶ Pub/Sub
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from uuid import uuid4

import httpx
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.protobuf.duration_pb2 import Duration
from openai import OpenAI

from shared.app import open_documents, open_objects
from shared.domain.batch import Batch
from shared.storage.ports import Documents, Objects
from tests.cloud.courier import Courier
from tests.ports import reserved

__all__ = ["KEY", "TARGETS", "Cloud"]

ROOT: Final = Path(__file__).resolve().parents[2]
# Threads; of `work`, whose instances have one each, processes.
TARGETS: Final = {"api": 32, "work": 4, "predictions": 4, "dead_letter": 2}
KEY: Final = "sk-the-key-of-the-cloud"
MODELS: Final = ("gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-embedding-001")
_START: Final = 90.0

T = TypeVar("T")


class Process:
    """A process in a session of its own, that ends with us."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str], *command: str) -> None:
        self.name, self.log = name, folder / f"{name}.log"
        self._command = [sys.executable, "-m", "infra.local.tether", str(os.getpid()), sys.executable, *command]
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environment}
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL, to it and to all that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self.kill()


class Cloud:
    """One project. `courier_share`: of the deliveries that are lost, late and doubled, each."""

    def __init__(
        self,
        folder: Path,
        *,
        firestore: str,
        pubsub: str,
        courier_share: float = 0.0,
        seed: int = 0,
        sweep_every: float = 2.0,
        config: str = "",
        standin: Mapping[str, str] | None = None,
        **environment: str,
    ) -> None:
        self.project = f"p-{uuid4().hex[:12]}"
        self._folder, self._sweep_every = folder, sweep_every
        self._held = ExitStack()
        ports = self._held.enter_context(reserved(len(TARGETS) + 2))
        self.urls = dict(zip(TARGETS, (f"http://127.0.0.1:{port}" for port in ports), strict=False))
        self.standin, self.storage = (f"http://127.0.0.1:{port}" for port in ports[-2:])
        place = folder / "offpeak.yaml"
        place.write_text(_config(self.standin) + config)
        self.google = {
            "FIRESTORE_EMULATOR_HOST": firestore,
            "PUBSUB_EMULATOR_HOST": pubsub,
            "STORAGE_EMULATOR_HOST": self.storage,
        }
        self.settings = {
            "OFFPEAK_DOCUMENTS": f"firestore://{self.project}/offpeak",
            "OFFPEAK_OBJECTS": "gcs",
            "OFFPEAK_DATA_BUCKET": "the-data",
            "OFFPEAK_WORK_BUCKET": "the-work",
            "OFFPEAK_BUS": f"pubsub://{self.project}/steps",
            "OFFPEAK_CONFIG": str(place),
        }
        self.courier = Courier(self.urls, share=courier_share, seed=seed)
        self._standin = {"STANDIN_PENDING": "0.3", "STANDIN_RUNNING": "0.5", **(standin or {})}
        self._environment = environment
        self._stopping = threading.Event()
        self._clock = threading.Thread(target=self._sweep)
        self.processes: dict[str, Process] = {}
        self._documents: Documents | None = None

    def __enter__(self) -> Self:
        self.courier.__enter__()
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _start(self) -> None:
        environment = {**self.google, **self.settings, **self._environment}
        self._run("storage", self.google, *self._storage_command())
        standin = ("-m", "infra.local.standin", "--port", self.standin.rpartition(":")[2], "--objects", "gcs")
        self._run("standin", self.google | self._standin, *standin, "--state", str(self._folder / "standin.db"))
        for target, threads in TARGETS.items():
            own = (
                {"OFFPEAK_MASTER_KEY": KEY, "OFFPEAK_KEY_PEPPER": "a pepper for tests alone"} if target == "api" else {}
            )  # the others must do without
            port = self.urls[target].rpartition(":")[2]
            command = ("--source", "functions/main.py", "--target", target, "--host", "127.0.0.1", "--port", port)
            size = {"THREADS": "1", "WORKERS": str(threads)} if target == "work" else {"THREADS": str(threads)}
            self._run(target, environment | own | size, "-m", "functions_framework", *command)
        self._subscribe()
        for url in [f"{self.standin}/-/ready", *self.urls.values()]:
            wait_for(lambda url=url: httpx.get(url, trust_env=False).status_code < 500, f"{url} answers")  # type: ignore[misc]
        self._clock.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        if self._clock.is_alive():
            self._clock.join()
        for process in reversed(self.processes.values()):
            process.stop()
        self.courier.__exit__(kind, error, trace)
        self._held.close()

    def client(self, **options: Any) -> OpenAI:
        return OpenAI(base_url=f"{self.urls['api']}/v1", api_key=KEY, **options)

    def restart(self, target: str) -> None:
        """Kill -9, and a new instance."""
        self.processes[target].kill()
        self.processes[target].start()

    def publish(self, body: Mapping[str, Any] | bytes, **attributes: str) -> None:
        """A message to `work`, from whoever may publish."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._publisher.publish(self._topic("steps"), data, **attributes).result(60)

    def documents(self) -> Documents:
        """What the functions keep."""

        def connected() -> Documents:
            documents = open_documents(self.settings["OFFPEAK_DOCUMENTS"])
            documents.get(Batch, "any")
            return documents

        return emulated(connected, self.google)

    def objects(self) -> Objects:
        """Where the functions write to."""

        def connected() -> Objects:
            objects = open_objects("gcs")
            next(iter(objects.list("gs://the-data/")), None)
            return objects

        return emulated(connected, self.google)

    def documents_open(self, batches: Iterable[str]) -> list[str]:
        """Those of these batches that have not ended, asked of the documents: no function need be alive."""
        if self._documents is None:
            self._documents = self.documents()
        found = [self._documents.get(Batch, id) for id in batches]
        return [batch.id for batch in found if batch is not None and not batch.terminal]

    def jobs(self) -> list[dict[str, Any]]:
        """Every job that the provider has ever made."""
        url = f"{self.standin}/v1/projects/p/locations/global/batchPredictionJobs"
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            page = httpx.get(url, params={"pageSize": 100, "pageToken": token}, trust_env=False, timeout=30).json()
            found += page.get("batchPredictionJobs", [])
            token = page.get("nextPageToken", "")
            if not token:
                return found

    def facts(self, target: str, action: str = "") -> list[dict[str, Any]]:
        """What a target has logged so far; with `action`, of that only."""
        lines = self.processes[target].log.read_text(errors="replace").splitlines()
        facts = [json.loads(line) for line in lines if line.startswith('{"severity"')]
        return [fact for fact in facts if not action or fact["message"] == action]

    def _run(self, name: str, environment: Mapping[str, str], *command: str) -> None:
        self.processes[name] = Process(name, self._folder, environment, *command)

    def _storage_command(self) -> Iterator[str]:
        yield from ("-m", "tests.google.cloud_storage", "--port", self.storage.rpartition(":")[2])
        yield from ("--bucket", "the-data", "--bucket", "the-work")
        yield from ("--notify", f"the-work={self.courier.url}/predictions")
        if key := self._environment.get("GOOGLE_APPLICATION_CREDENTIALS"):
            yield from ("--key", key)

    def _topic(self, name: str) -> str:
        return f"projects/{self.project}/topics/{name}"

    def _subscribe(self) -> None:
        """As `infra/gcp` has it, with shorter pauses."""
        self._publisher = emulated(PublisherClient, self.google)
        subscriber = emulated(SubscriberClient, self.google)
        for topic in ("steps", "dead"):
            self._publisher.create_topic(name=self._topic(topic))
        usual = {
            "ack_deadline_seconds": 60,
            "retry_policy": {"minimum_backoff": Duration(seconds=1), "maximum_backoff": Duration(seconds=5)},
        }
        given_up = {"dead_letter_topic": self._topic("dead"), "max_delivery_attempts": 5}
        for topic, target, more in (("steps", "work", {"dead_letter_policy": given_up}), ("dead", "dead_letter", {})):
            subscriber.create_subscription(
                request={
                    "name": f"projects/{self.project}/subscriptions/{target}",
                    "topic": self._topic(topic),
                    "push_config": {"push_endpoint": f"{self.courier.url}/{target}"},
                    **usual,
                    **more,
                }
            )
        subscriber.close()

    def _sweep(self) -> None:
        while not self._stopping.wait(self._sweep_every):
            with suppress(Exception):  # the next one is the same
                self.publish({"step": "sweep"})


def emulated(kind: Callable[[], T], google: Mapping[str, str]) -> T:
    """A client of the emulators; the libraries read their addresses from the environment when they are first used."""
    before = dict(os.environ)
    os.environ.update(google)
    try:
        return kind()
    finally:
        os.environ.clear()
        os.environ.update(before)


def wait_for(true: Callable[[], bool], what: str, seconds: float = _START) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(httpx.HTTPError):
            if true():
                return
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds:g} s: {what}")


def _config(standin: str) -> str:
    entry = """\
  - model_name: {model}
    litellm_params: {{model: vertex_ai/{model}, vertex_project: p, vertex_location: global, api_base: "{standin}"}}
"""
    return "model_list:\n" + "".join(entry.format(model=model, standin=standin) for model in MODELS)
