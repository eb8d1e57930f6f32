import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, cast

import functions_framework
import pytest
from flask.testing import FlaskClient
from openai import OpenAI
from werkzeug.datastructures import Headers

from functions.auth import Doorman
from shared.app import App, compose
from shared.settings import read_settings
from tests.functions.wire import KEY, multipart

ROOT = Path(__file__).parents[2]
SOURCE = str(ROOT / "functions" / "main.py")
CONFIG = """
model_list:
  - model_name: gemini-2.5-flash
    litellm_params: {model: vertex_ai/gemini-2.5-flash, vertex_project: p, vertex_location: us-central1}
  - model_name: team/embeddings
    litellm_params: {model: vertex_ai/gemini-embedding-001, vertex_project: p, vertex_location: us-central1}
"""
SMALL = """
offpeak:
  limits: {file_bytes: 1000000, part_bytes: 100000}
"""


@dataclass
class Clock:
    at: int = 1_800_000_000_000

    def __call__(self) -> int:
        return self.at

    def pass_by(self, milliseconds: int) -> None:
        self.at += milliseconds


class Answer(Protocol):
    """An answer whose JSON is of any shape."""

    status_code: int
    mimetype: str
    headers: Headers

    @property
    def json(self) -> Any: ...
    @property
    def data(self) -> bytes: ...
    @property
    def text(self) -> str: ...


@dataclass
class Api:
    """One target, served in this process on SQLite in memory and a temporary folder."""

    client: FlaskClient
    app: App
    clock: Clock
    folder: Path
    headers: dict[str, str] = field(default_factory=lambda: {"authorization": f"Bearer {KEY}"})

    def call(self, method: str, path: str, **options: Any) -> Answer:
        headers = {**self.headers, **options.pop("headers", {})}
        return cast("Answer", self.client.open(path, method=method, headers=headers, **options))

    def get(self, path: str, **options: Any) -> Answer:
        return self.call("GET", path, **options)

    def post(self, path: str, **options: Any) -> Answer:
        return self.call("POST", path, **options)

    def delete(self, path: str, **options: Any) -> Answer:
        return self.call("DELETE", path, **options)

    def form(self, path: str, *parts: Any) -> Answer:
        body, kind = multipart(*parts)
        return self.post(path, data=body, headers={"content-type": kind})

    def upload_file(self, content: bytes = b"{}\n", name: str = "in.jsonl", purpose: str = "batch") -> str:
        answer = self.form("/v1/files", ("purpose", purpose), ("file", content, name))
        assert answer.status_code == 200, answer.text
        return str(answer.json["id"])

    def stored(self) -> list[str]:
        """Every object there is, and nothing half written."""
        found = sorted(path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file())
        return [str(path) for path in found if path.parts[:2] != (".tmp", "locks")]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    config = tmp_path / "offpeak.yaml"
    config.write_text(CONFIG + SMALL)
    return {
        "OFFPEAK_DOCUMENTS": "sqlite://",
        "OFFPEAK_OBJECTS": f"file://{tmp_path}/objects",
        "OFFPEAK_DATA_BUCKET": "data",
        "OFFPEAK_WORK_BUCKET": "work",
        "OFFPEAK_BUS": "sqlite://",
        "OFFPEAK_CONFIG": str(config),
        "OFFPEAK_MASTER_KEY": KEY,
        "OFFPEAK_KEY_PEPPER": "a pepper for tests alone",
    }


@pytest.fixture
def target(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Api]]:
    """Serve a target; all of them on one application."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    clock = Clock()
    app = replace(compose(read_settings()), now=clock)
    for module in ("functions.http", "functions.events"):
        monkeypatch.setattr(f"{module}.app", lambda: app)
    monkeypatch.setattr("functions.auth._doorman", Doorman())  # wrong keys here are no other test's

    def serve(name: str) -> Api:
        monkeypatch.setenv("FUNCTION_TARGET", name)
        monkeypatch.setenv("FUNCTION_SIGNATURE_TYPE", "http")
        client = functions_framework.create_app(name, SOURCE).test_client()  # type: ignore[no-untyped-call]
        return Api(client=client, app=app, clock=clock, folder=tmp_path / "objects")

    yield serve
    for port in (app.documents, app.bus):
        cast("Any", port).close()


@pytest.fixture
def api(target: Callable[[str], Api]) -> Api:
    return target("api")


@pytest.fixture
def facts(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """What has been logged since the last time."""

    def read() -> list[dict[str, Any]]:
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return [json.loads(line) for line in out.splitlines()]

    return read


@dataclass
class Server:
    """The api in a process of its own, as it is started everywhere."""

    port: int
    process: subprocess.Popen[bytes]
    objects: Path
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def sdk(self, **options: Any) -> OpenAI:
        return OpenAI(base_url=options.pop("base_url", self.url), api_key=KEY, **{"max_retries": 0, **options})

    def peak_memory(self) -> int:
        """Most memory, in bytes, that any process of the server has had resident."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return max(_peak(int(each)) for each in [self.process.pid, *map(int, children)])

    def stored(self) -> list[str]:
        found = [path for path in self.objects.rglob("*") if path.is_file()]
        return sorted(str(path.relative_to(self.objects)) for path in found if ".tmp/locks" not in str(path))

    def said(self) -> list[str]:
        """What it has printed, as far as its lines are whole: it may be printing while we read."""
        return self.log.read_text().rpartition("\n")[0].splitlines()


def _peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server")) as found:
        yield found


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    (folder / "offpeak.yaml").write_text(CONFIG + "offpeak: {limits: {file_bytes: 400000000}}\n")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("FUNCTION_", "OFFPEAK_"))},
        "PYTHONPATH": str(ROOT),
        "OFFPEAK_DOCUMENTS": f"sqlite://{folder}/documents.db",
        "OFFPEAK_OBJECTS": f"file://{folder}/objects",
        "OFFPEAK_DATA_BUCKET": "data",
        "OFFPEAK_WORK_BUCKET": "work",
        "OFFPEAK_BUS": f"sqlite://{folder}/bus.db",
        "OFFPEAK_CONFIG": f"{folder}/offpeak.yaml",
        "OFFPEAK_MASTER_KEY": KEY,
        "THREADS": "8",
    }
    with socket.socket() as held, (folder / "log").open("wb") as log:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # bound for as long as the server lives: gunicorn
        held.bind(("127.0.0.1", 0))  # binds beside it, and nobody else is given the port before that
        port = held.getsockname()[1]
        command = [Path(sys.executable).parent / "functions-framework", "--source", SOURCE, "--target", "api"]
        process = subprocess.Popen(
            [*map(str, command), "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_for(port, process)
            yield Server(port=port, process=process, objects=folder / "objects", log=folder / "log")
        finally:
            process.terminate()
            process.wait(60)  # gunicorn itself gives requests that are on their way 30


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError
