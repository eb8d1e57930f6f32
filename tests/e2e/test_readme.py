"""What the README says, done."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared.config import PROVIDERS
from shared.model_list import read_config
from shared.settings import Settings
from tests.e2e.stack import ROOT, Stack

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    return [line.partition("#")[0].strip() for block in blocks("bash") for line in block.splitlines() if line]


def test_the_commands_are_these() -> None:
    """Whoever adds one adds a test that runs it."""
    assert commands() == [
        "./infra/dev demo",
        "./infra/dev test",
        "./infra/dev up --port 8080 --data .offpeak",
        "./infra/dev up --config infra/examples/mixed.yaml --standins",  # tests/infra/test_examples.py
        "./infra/dev deploy my-project --config offpeak.yaml",  # tests/infra/test_deploy.py
        "./infra/dev smoke https://offpeak-api-x.a.run.app KEY",  # test_smoke.py
        "VLLM_PEER_DIR=~/.cache/offpeak-vllm-peer ./infra/dev test -m peer tests/peers",  # by hand: minutes to build
    ]
    assert Path(ROOT / ".ci" / "run").read_text().rstrip().endswith("exec ./infra/dev test")


def test_the_demo_shows_a_batch_and_its_cost_in_under_a_minute() -> None:
    done = subprocess.run(["./infra/dev", "demo"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"completed +11 done, 1 failed of 12", done.stdout)
    assert re.search(r"Cost +0\.\d{9} USD", done.stdout)
    assert "stand-in" in done.stdout


def test_the_python_example_runs_as_it_stands(stack: Stack, tmp_path: Path) -> None:
    example, _ = blocks("python")
    (tmp_path / ".offpeak").mkdir()
    (tmp_path / ".offpeak" / "master_key").write_text(stack.key)
    example = example.replace("http://127.0.0.1:8080", stack.url)
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert '"custom_id":"lemon"' in done.stdout
    assert "'priced_lines': 1" in done.stdout


def test_the_example_of_keys_and_teams_runs_as_it_stands(stack: Stack, tmp_path: Path) -> None:
    _, example = blocks("python")
    (tmp_path / ".offpeak").mkdir()
    (tmp_path / ".offpeak" / "master_key").write_text(stack.key)
    environment = {**os.environ, "PYTHONWARNINGS": "error", "OFFPEAK_URL": stack.url}
    for _ in range(2):  # nothing of the first time is in the way of the second
        done = subprocess.run(
            [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
        )
        assert done.returncode == 0, done.stderr
        models, spend, *_ = done.stdout.splitlines()
        assert "gemini-2.5-flash" in models
        assert float(spend) == 0


def test_the_example_of_keys_and_teams_says_why_something_failed(stack: Stack, tmp_path: Path) -> None:
    _, example = blocks("python")
    (tmp_path / ".offpeak").mkdir()
    (tmp_path / ".offpeak" / "master_key").write_text("sk-nobody-has-this-one")
    environment = {**os.environ, "OFFPEAK_URL": stack.url}
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 1
    assert "Incorrect API key provided" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_configuration_is_one_that_is_read() -> None:
    example, events = blocks("yaml")
    assert read_config(events, name="README.md").events is not None
    config = read_config(
        example, name="README.md", environment={"GOOGLE_KEY_FILE": "k", "OPENAI_API_KEY": "sk", "AZURE_API_KEY": "k"}
    )
    assert config.groups() == ["gemini-2.5-flash", "gpt-4o-mini", "my-vllm-model"]
    assert {deployment.provider for deployment in config.deployments} == set(PROVIDERS)
    assert config.prices[0].usd_per_million


def test_no_figure_is_missing() -> None:
    """What was not measured is not claimed."""
    assert "BENCH" not in README


def test_the_settings_are_the_ones_that_are_read() -> None:
    named = set(re.findall(r"`(OFFPEAK_[A-Z_]+)`", README.partition("## Configuration")[2]))
    assert named == {str(field.alias) for field in Settings.model_fields.values()}


@pytest.mark.parametrize("folder", ["functions", "shared", "infra"])
def test_the_map_names_rooms_that_exist(folder: str) -> None:
    rooms = README.partition("## The map")[2].partition("```\n")[2].partition("```")[0]
    inside = rooms.partition(f"{folder}/")[2]
    names = re.findall(
        r"^  ([a-z_]+(?:/[a-z_]+)?)(?:/| )",
        re.split(r"^\S", inside[1:], maxsplit=1, flags=re.MULTILINE)[0],
        re.MULTILINE,
    )
    for name in names:
        if not name.endswith(".py"):
            assert (ROOT / folder / name).exists() or name == "app", name
