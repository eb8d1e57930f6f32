"""The emulators end with whoever started them, and where they are missing that is said."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.google.emulators import FIRESTORE, PUBSUB, Emulator

ROOT = Path(__file__).resolve().parents[2]
START = """
import sys, time
from tests.google import emulators
with emulators.running(getattr(emulators, sys.argv[1])) as host:
    print(host, flush=True)
    time.sleep(60)
"""


def alive(pid: str) -> bool:
    """Whether it still runs: a zombie, which waits to be counted, does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # gone before it was opened, or before it was read
        return False


@pytest.mark.parametrize("name", ["FIRESTORE", "PUBSUB"])
def test_an_emulator_is_killed_with_whoever_started_it(name: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(f"{name.lower()}_emulator")  # skipped where it is missing
    starter = subprocess.Popen([sys.executable, "-c", START, name], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    with starter, starter.stdout:
        children = Path(f"/proc/{starter.pid}/task/{starter.pid}/children")
        assert starter.stdout.readline().startswith("127.0.0.1:")
        [emulator] = children.read_text().split()
        starter.kill()

    deadline = time.monotonic() + 30
    while alive(emulator) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(emulator)


@pytest.mark.parametrize("emulator", [FIRESTORE, PUBSUB], ids=lambda emulator: emulator.component)
@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("true", "1 error")], ids=["at home", "in CI"])
def test_where_there_is_no_java_it_is_said_how_to_get_it(emulator: Emulator, ci: str, outcome: str) -> None:
    """At home the tests are skipped; in CI nobody would miss them, so there they fail."""
    one = {
        FIRESTORE: "tests/storage/test_documents.py::test_what_was_never_stored_is_none[firestore]",
        PUBSUB: "tests/storage/test_bus.py::test_nothing_to_say_is_no_message[pubsub]",
    }[emulator]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-rsE", "-p", "no:cacheprovider", one],
        cwd=ROOT,
        env={**os.environ, "PATH": "/nowhere", "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )

    assert outcome in ran.stdout
    assert "there is no java on this machine" in ran.stdout
    assert f"gcloud components install {emulator.component}" in ran.stdout
