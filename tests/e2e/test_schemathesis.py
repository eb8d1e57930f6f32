"""The description of the routes, tried out by schemathesis: each operation with right and wrong requests, and in
sequences that follow from each other, as one who owns things and as one who must not see them.

FUZZ_EXAMPLES says how many requests an operation gets at most in the phase that makes them up; 50 unless it is set.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from functions.openapi.document import TABLES
from infra.local.standin.worker import Pace
from shared.app import App, compose
from shared.domain.batch import Counts
from shared.domain.cost import Cost
from shared.domain.keys import ADMIN_ROLE, Key, Member, Team, User, team_account, user_account
from shared.domain.ledger import LedgerEntry
from shared.domain.secret_key import hashed, mint, shown
from shared.settings import read_settings
from shared.steps.books import Books
from shared.steps.commit import Turn, commit
from shared.storage.ports import Transaction
from tests.infra.conftest import prompt, standing_in
from tests.ports import reserved

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
MAIN = ROOT / "functions" / "main.py"
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "50"))
PEPPER = "a pepper for tests alone"
CONFIG = """
model_list:
  - model_name: gemini-2.5-flash
    litellm_params:
      {{model: vertex_ai/gemini-2.5-flash, vertex_project: p, vertex_location: us-central1, api_base: "{url}"}}
  - model_name: team/embeddings
    litellm_params:
      {{model: vertex_ai/gemini-embedding-001, vertex_project: p, vertex_location: us-central1, api_base: "{url}"}}
offpeak: {{passthrough_buckets: [jobs]}}
"""
CLIENTS = ("Files", "Uploads", "Batches", "Models", "Health", "Vertex")
ADMIN = ("Keys", "Teams", "Users", "Spend")


@dataclass
class Server:
    """The api in a process of its own, and who has keys to it."""

    url: str
    folder: Path
    keys: dict[str, str]

    def status(self, who: str) -> int:
        """What a key is answered."""
        headers = {"authorization": f"Bearer {self.keys[who]}"}
        return httpx.get(f"{self.url}/v1/files", headers=headers, timeout=30).status_code


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with standing_in(tmp_path, Pace(pending=86_400.0, running=0.0)) as vertex, contextlib.ExitStack() as stack:
        (tmp_path / "objects" / "jobs").mkdir(parents=True)
        vertex.objects.write("gs://jobs/in.jsonl", (json.dumps(prompt(1)).encode(),))
        (tmp_path / "offpeak.yaml").write_text(CONFIG.format(url=vertex.url))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("FUNCTION_", "OFFPEAK_"))},
            "PYTHONPATH": str(ROOT),
            "OFFPEAK_DOCUMENTS": f"sqlite://{tmp_path}/documents.db",
            "OFFPEAK_OBJECTS": f"file://{tmp_path}/objects",
            "OFFPEAK_DATA_BUCKET": "data",
            "OFFPEAK_WORK_BUCKET": "work",
            "OFFPEAK_BUS": f"sqlite://{tmp_path}/bus.db",
            "OFFPEAK_CONFIG": f"{tmp_path}/offpeak.yaml",
            "OFFPEAK_MASTER_KEY": mint(),
            "OFFPEAK_KEY_PEPPER": PEPPER,
            "THREADS": "8",
        }
        keys = {"master": environment["OFFPEAK_MASTER_KEY"], **hired(environment)}
        [port] = stack.enter_context(reserved())
        log = stack.enter_context((tmp_path / "log").open("wb"))
        process = subprocess.Popen(
            [
                BIN / "functions-framework",
                "--source",
                MAIN,
                "--target",
                "api",
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
            ],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            until = time.monotonic() + 60
            while not _answers(f"http://127.0.0.1:{port}/health/liveness"):
                assert process.poll() is None, "it has ended"
                assert time.monotonic() < until, "it does not answer"
                time.sleep(0.05)
            yield Server(f"http://127.0.0.1:{port}", tmp_path, keys)
        finally:
            process.terminate()
            process.wait(40)


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url, timeout=30).is_success
    return False


def hired(environment: dict[str, str]) -> dict[str, str]:
    """Two users, each with a team and a key, and one who may do everything."""
    app = compose(read_settings(environment))
    keys = {who: mint() for who in ("a", "b", "admin")}

    def body(tx: Transaction) -> None:
        for who, key in keys.items():
            team, role = (None, ADMIN_ROLE) if who == "admin" else (f"team-{who}", None)
            tx.put(User(id=user_account(who), user_id=who, user_role=role, created_at=1, updated_at=1))
            if team is not None:
                members = (Member(user_id=who),)
                tx.put(Team(id=team_account(team), team_id=team, members=members, created_at=1, updated_at=1))
            tx.put(
                Key(
                    id=hashed(PEPPER, key),
                    key_id=f"key-{who * 24}"[:28],
                    key_name=shown(key),
                    user_id=who,
                    team_id=team,
                    created_at=1,
                    created_by="admin",
                    updated_at=1,
                )
            )

    app.documents.transact(body)
    spend(app)
    for port in (app.documents, app.bus):
        cast("Any", port).close()
    return keys


def spend(app: App) -> None:
    """Something for reports to have in them: with a price and without one, with tags and without, of all and nobody."""
    costs = (Cost(nano=5, priced_lines=2), Cost(unpriced_lines=1), Cost(nano=7, priced_lines=1, unpriced_lines=1))
    for who in ("a", "b", None):
        for number, cost in enumerate(costs):
            entry = LedgerEntry(
                id=f"batch_{who}{number}-0001",
                batch=f"batch_{who}{number}",
                owner=f"user:{who}",
                team=None if who is None else f"team-{who}",
                user=who,
                group="gemini-2.5-flash",
                deployment=app.config.deployments[0].id,
                provider="vertex_ai",
                model="gemini-2.5-flash",
                book="b",
                tokens={"text": 7, "output": 3},
                counts=Counts(completed=1, failed=1),
                cost=cost,
                tags=("night", "day")[:number],
                started_at=None if who is None else app.now(),
                created_at=app.now(),
            )
            commit(app, partial(_write, app, entry))


def _write(app: App, entry: LedgerEntry, turn: Turn) -> None:
    Books(app, turn, entry, ()).write(released=0)


def tried(server: Server, tags: tuple[str, ...], who: tuple[str, ...]) -> str:
    """What schemathesis says after a run that found nothing wrong."""
    identities = [
        {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {server.keys[name]}"}]}
        for name in who
    ]
    (server.folder / "auth.json").write_text(json.dumps({"auth": identities}))
    config = (ROOT / "tests" / "e2e" / "schemathesis.toml").read_text(encoding="utf-8")
    peers = f'\n[auth.wfc]\npath = "{server.folder}/auth.json"\npeers = ["a", "b"]\n'
    included = [word for tag in tags for word in ("--include-tag", tag)]
    (config_file := server.folder / "schemathesis.toml").write_text(config + peers)
    run = subprocess.run(
        [
            *(str(BIN / "schemathesis"), "--config-file", str(config_file), "run", f"{server.url}/openapi.json"),
            *("--max-examples", str(EXAMPLES), *included),
        ],
        cwd=server.folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.e2e.fuzzing",
            "FUZZ_PEER": server.keys["b"],
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
    return run.stdout


def counted(said: str, tags: tuple[str, ...]) -> int:
    """How many requests were made; each operation of these tags got some."""
    described = [each for table in TABLES for each in table.values() if each.tag in tags]
    tested = re.search(r"Tested: (\d+)", said)
    cases = re.search(r"(\d+) generated, (\d+) passed", said)
    assert tested is not None
    assert int(tested[1]) == len(described)
    assert cases is not None
    return int(cases[2])


@pytest.mark.slow
@pytest.mark.timeout(EXAMPLES * 60)
def test_what_clients_call_is_as_described_whatever_is_sent(server: Server) -> None:
    said = tried(server, CLIENTS, ("a", "b"))

    assert counted(said, CLIENTS) > 1_000
    assert (server.status("a"), server.status("b")) == (200, 200)  # nobody was locked out half way


@pytest.mark.slow
@pytest.mark.timeout(EXAMPLES * 60)
def test_what_admins_call_is_as_described_whatever_is_sent(server: Server) -> None:
    """As the master key, which nothing can take away; who is no admin goes first, and is refused."""
    said = tried(server, ADMIN, ("master", "a", "b"))

    assert counted(said, ADMIN) > 1_000
    assert server.status("master") == 200
