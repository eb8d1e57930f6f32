"""A function's process, with LiteLLM's variables alone, and with the keys that it is given."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.infra.stack import ROOT
from tests.ports import reserved

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]

THEIRS = ("OFFPEAK_", "FUNCTION_", "LITELLM_", "OPENAI_", "AZURE_", "VERTEX", "HOSTED_VLLM_", "GCS_")
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(THEIRS)}
KEYED = "model_list: [{model_name: mini, litellm_params: {model: openai/gpt-4o-mini, api_key: os.environ/MY_KEY}}]\n"
MASTER = "sk-of-litellm"


def settings(folder: Path) -> dict[str, str]:
    return {
        "OFFPEAK_DOCUMENTS": "sqlite://",
        "OFFPEAK_OBJECTS": f"file://{folder}/objects",
        "OFFPEAK_DATA_BUCKET": "data",
        "OFFPEAK_WORK_BUCKET": "work",
        "OFFPEAK_BUS": "sqlite://",
        "PYTHONPATH": str(ROOT),
    }


def command(target: str, port: int) -> list[str]:
    framework = [sys.executable, "-m", "functions_framework", "--source", "functions/main.py"]
    return [*framework, "--target", target, "--host", "127.0.0.1", "--port", str(port)]


@contextmanager
def serving(folder: Path, target: str = "api", **environment: str) -> Iterator[httpx.Client]:
    variables = {**CLEAN, **settings(folder), "WORKERS": "1", **environment}
    with reserved() as [port]:
        process = subprocess.Popen(
            command(target, port), cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, start_new_session=True
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as http:
                until = time.monotonic() + 60
                while True:
                    try:
                        http.get("/")
                    except httpx.HTTPError:
                        assert process.poll() is None, "it did not start"
                        assert time.monotonic() < until, "it does not answer"
                        time.sleep(0.05)
                    else:
                        break
                yield http
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(40)


def refused(folder: Path, target: str, **environment: str) -> str:
    """What it says when it does not start."""
    variables = {**CLEAN, **settings(folder), **environment}
    done = subprocess.run(
        command(target, 1), cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def models(http: httpx.Client, key: str) -> list[str]:
    answer = http.get("/v1/models", headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 200, answer.text
    return [model["id"] for model in answer.json()["data"]]


def test_litellm_s_variables_alone_are_a_configuration(tmp_path: Path) -> None:
    variables = {"VERTEXAI_PROJECT": "p", "OPENAI_API_KEY": "sk-mine", "LITELLM_MASTER_KEY": MASTER}
    with serving(tmp_path, **variables) as http:
        assert models(http, MASTER) == ["vertex_ai/*", "openai/*"]
        assert http.get("/v1/models", headers={"authorization": "Bearer sk-1234567"}).status_code == 401


def test_a_variable_that_cannot_be_is_found_at_the_start(tmp_path: Path) -> None:
    said = refused(tmp_path, "api", LITELLM_MASTER_KEY=MASTER, OPENAI_API_KEY="sk with spaces")
    assert "the environment: OPENAI_API_KEY: api_key has characters" in said


def test_who_answers_clients_starts_without_the_keys_of_providers(tmp_path: Path) -> None:
    """In the cloud it has none, and offers the models all the same."""
    config = tmp_path / "keyed.yaml"
    config.write_text(KEYED)
    with serving(tmp_path, OFFPEAK_CONFIG=str(config), OFFPEAK_MASTER_KEY=MASTER) as http:
        assert models(http, MASTER) == ["mini"]


@pytest.mark.parametrize("target", ["work", "dead_letter"])
def test_who_calls_providers_does_not(tmp_path: Path, target: str) -> None:
    config = tmp_path / "keyed.yaml"
    config.write_text(KEYED)
    assert "keyed.yaml:1: the variable MY_KEY is not set" in refused(tmp_path, target, OFFPEAK_CONFIG=str(config))


def test_the_master_key_may_stand_in_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "keyed.yaml"
    config.write_text(f"{KEYED}general_settings: {{master_key: sk-of-the-file}}\n")
    with serving(tmp_path, OFFPEAK_CONFIG=str(config)) as http:
        assert models(http, "sk-of-the-file") == ["mini"]
    config.write_text(f"{KEYED}general_settings: {{master_key: short}}\n")
    assert "general_settings.master_key: needs at least 7" in refused(tmp_path, "api", OFFPEAK_CONFIG=str(config))
    config.write_text(KEYED)
    assert "OFFPEAK_MASTER_KEY: Field required" in refused(tmp_path, "api", OFFPEAK_CONFIG=str(config))
