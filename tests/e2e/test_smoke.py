"""`infra/dev smoke`, which asks a live service what only a live service can answer."""

import subprocess
import sys

import pytest

from tests.e2e.stack import ROOT, Stack

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]


def smoke(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "infra" / "dev"), "smoke", *arguments, "--minutes", "1"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_must_hold_is_checked_and_what_is_open_is_looked_at(stack: Stack) -> None:
    done = smoke(stack.url, stack.key)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
    asked = {line.split()[1] for line in done.stdout.splitlines() if line.strip().startswith("open")}
    assert asked == {"1", "2", "3", "6", "7", "10"}


def test_a_service_that_does_not_do_its_job_is_found_out(stack: Stack) -> None:
    done = smoke(stack.url, stack.key, "--model", "gemini-of-nobody")

    assert done.returncode == 1
    assert "FAIL  ten lines completed (status failed" in done.stdout


def test_a_wrong_key_is_said_in_a_sentence(stack: Stack) -> None:
    done = smoke(stack.url, "sk-wrong-key")

    assert done.returncode == 1
    assert "FAIL  AuthenticationError" in done.stdout
    assert "Traceback" not in done.stderr
