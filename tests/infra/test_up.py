"""The stack as a newcomer meets it: start, stop, kill, start again."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import openai
import pytest

from tests.infra.conftest import until
from tests.infra.stack import ROOT, Stack, alive, check_answers, ended, start_batch

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack"), pytest.mark.timeout(240)]

AFTER_A_LOSS = 150.0  # seconds: a job whose create got no answer is looked for a minute before another is made
MEMBERS = ("--target api", "--target work", "--target predictions", "--target dead_letter", "local.dispatch", "standin")


def refused(*arguments: str, **environment: str) -> str:
    """What a start says that cannot be; in one line, with exit code 2."""
    done = subprocess.run(
        [sys.executable, "-m", "infra.local.up", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def test_start_serve_and_stop(tmp_path: Path) -> None:
    with Stack(tmp_path / "data") as stack:
        assert re.fullmatch(r"ready http://127\.0\.0\.1:\d+", stack.said[-1])
        assert str(tmp_path / "data" / "master_key") in stack.said[-2]
        assert stack.key.startswith("sk-")
        assert (tmp_path / "data" / "master_key").stat().st_mode & 0o777 == 0o600
        with stack.client() as client:
            assert "gemini-2.5-flash" in [model.id for model in client.models.list()]
            check_answers(client, ended(client, start_batch(client)))
        pids = list(stack.processes())
        assert all(stack.named(member) for member in MEMBERS)
        began = time.monotonic()
        assert stack.stop() == 0
        assert time.monotonic() - began < 15  # who waits for a function, instead of ending it, waits for half a minute
        until(lambda: not alive(pids))


def test_a_new_start_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    with Stack(tmp_path, STANDIN_RUNNING="60") as stack, stack.client() as client:
        key = stack.key
        batch = start_batch(client)
        while client.batches.retrieve(batch).status == "validating":
            time.sleep(0.1)
        assert stack.stop() == 0
    with Stack(tmp_path) as stack, stack.client() as client:
        assert stack.key == key
        check_answers(client, ended(client, batch, within=AFTER_A_LOSS))


def test_a_stop_waits_for_an_answer_that_is_on_its_way(tmp_path: Path) -> None:
    """A lost one would leave a job that may or may not exist, and a minute of looking for it."""
    slow = json.dumps([{"on": "create", "do": "slow", "seconds": 0.5}])
    with Stack(tmp_path, STANDIN_FAULTS=slow) as stack, stack.client() as client:
        batch = start_batch(client)
        [port] = re.findall(r"infra\.local\.standin --port (\d+)", " ".join(stack.processes().values()))
        journal = f"http://127.0.0.1:{port}/-/journal"
        until(lambda: httpx.get(journal, trust_env=False, timeout=30).json()["injected"] == {"create:slow": 1})
        assert stack.stop() == 0
    with Stack(tmp_path) as stack, stack.client() as client:
        check_answers(client, ended(client, batch, within=50))


@pytest.mark.timeout(600)
def test_any_process_that_is_killed_is_healed(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack, stack.client() as client:
        for member in MEMBERS:
            batch = start_batch(client)
            victims = stack.named(member)
            for pid in victims[:1] if "predictions" in member else victims:  # the master alone, or all of it
                with contextlib.suppress(ProcessLookupError):  # a worker that has missed its master already
                    os.kill(pid, signal.SIGKILL)
            check_answers(client, ended(client, batch, within=AFTER_A_LOSS))
        worker = stack.named("--target work")[-1]
        batch = start_batch(client)
        os.kill(worker, signal.SIGKILL)
        check_answers(client, ended(client, batch, within=AFTER_A_LOSS))


def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with Stack(tmp_path, STANDIN_RUNNING="3") as stack, stack.client() as client:
        batch = start_batch(client)
        pids = list(stack.processes())
        stack.process.kill()
        until(lambda: not alive(pids))
    with Stack(tmp_path) as stack, stack.client() as client:
        check_answers(client, ended(client, batch, within=AFTER_A_LOSS))


def test_what_is_in_use_is_refused(tmp_path: Path) -> None:
    with Stack(tmp_path / "one") as stack:
        assert "in use by another running stack" in refused("--port", "0", "--data", str(tmp_path / "one"))
        port = stack.url.rpartition(":")[2]
        assert f"port {port} cannot be used" in refused("--port", port, "--data", str(tmp_path / "two"))
        assert httpx.get(f"{stack.url}/health/readiness", trust_env=False, timeout=30).status_code == 200


def test_what_cannot_be_is_refused_before_anything_starts(tmp_path: Path) -> None:
    data = ("--port", "0", "--data", str(tmp_path / "data"))
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("model_list:\n  - model_name: a\n    litellm_params:\n      model: nobody/a\n")
    assert "wrong.yaml:4" in refused(*data, "--config", str(wrong))
    assert "missing.yaml" in refused(*data, "--config", str(tmp_path / "missing.yaml"))
    assert "OFFPEAK_MASTER_KEY" in refused(*data, OFFPEAK_MASTER_KEY="short")
    assert "LITELLM_MASTER_KEY: " in refused(*data, LITELLM_MASTER_KEY="short")
    keyed = tmp_path / "keyed.yaml"
    keyed.write_text("model_list: []\ngeneral_settings: {master_key: short}\n")
    assert "general_settings.master_key: needs at least" in refused(*data, "--config", str(keyed))
    (tmp_path / "file").write_text("")
    assert "cannot use the data folder" in refused("--port", "0", "--data", str(tmp_path / "file"))


def test_a_configuration_and_a_key_of_ones_own(tmp_path: Path) -> None:
    """No stand-in then: the configuration says who answers."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    config = tmp_path / "mine.yaml"
    config.write_text(
        "model_list:\n  - model_name: mine\n    litellm_params:\n      model: vertex_ai/gemini-2.5-pro\n"
        f"      vertex_project: p\n      vertex_location: global\n      api_base: http://127.0.0.1:{port}\n"
    )
    key = "sk-of-the-environment"
    with Stack(tmp_path / "data", "--config", str(config), OFFPEAK_MASTER_KEY=key) as stack:
        assert "OFFPEAK_MASTER_KEY" in stack.said[-2]
        assert key not in "\n".join(stack.said)
        assert not (tmp_path / "data" / "master_key").exists()
        assert stack.named("standin") == []
        with openai.OpenAI(base_url=f"{stack.url}/v1", api_key=key) as client:
            assert [model.id for model in client.models.list()] == ["mine"]


def test_stand_ins_play_no_part_where_a_file_goes_elsewhere(tmp_path: Path) -> None:
    """A line of somebody who tries something out must not reach an account."""
    data = ("--port", "0", "--data", str(tmp_path / "data"), "--standins")
    config = tmp_path / "mine.yaml"
    params = "model: openai/gpt-4o-mini, api_key: k, api_base: https://api.example.com/v1"
    config.write_text(f"model_list: [{{model_name: mini, litellm_params: {{{params}}}}}]\n")
    assert "mini has an api_base of its own" in refused(*data, "--config", str(config))
    params = "model: azure/mini, tenant_id: t, client_id: c, client_secret: s"
    config.write_text(f"model_list: [{{model_name: mini, litellm_params: {{{params}}}}}]\n")
    assert "stand-ins know api_key alone" in refused(*data, "--config", str(config))
    config.write_text("model_list: [")
    assert "mine.yaml:1: not valid YAML" in refused(*data, "--config", str(config))
    assert "nowhere.yaml" in refused(*data, "--config", str(tmp_path / "nowhere.yaml"))
    done = subprocess.run(
        [sys.executable, "-m", "infra.local.up", "--standins"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--config FILE" in done.stderr


def test_the_master_key_is_litellms_or_the_files(tmp_path: Path) -> None:
    with Stack(tmp_path / "data", LITELLM_MASTER_KEY="sk-of-litellm") as stack:
        assert stack.said[-2] == "the key is the LITELLM_MASTER_KEY of your environment"
        with openai.OpenAI(base_url=f"{stack.url}/v1", api_key="sk-of-litellm") as client:
            assert [*client.models.list()]
    config = tmp_path / "mine.yaml"
    params = "model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY"
    config.write_text(
        f"model_list: [{{model_name: mini, litellm_params: {{{params}}}}}]\n"
        "general_settings: {master_key: os.environ/MY_MASTER_KEY}\n"
    )
    with Stack(tmp_path / "data", "--config", str(config), "--standins", MY_MASTER_KEY="sk-of-the-file") as stack:
        assert stack.said[-2] == f"the key is the master_key of {config}"
        with openai.OpenAI(base_url=f"{stack.url}/v1", api_key="sk-of-the-file") as client:
            assert [model.id for model in client.models.list()] == ["mini"]
    assert not (tmp_path / "data" / "master_key").exists()


def test_the_demo(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.local.demo"], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "completed    11 done, 1 failed of 12" in done.stdout
    assert re.search(r"Cost +0\.000\d+ USD", done.stdout)
    assert "the stand-in wrote the answers" in done.stdout
