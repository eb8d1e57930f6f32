"""`infra/dev deploy`, with the real Terraform on providers that only invent, and a gcloud that only remembers."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra import deploy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

OFFLINE = deploy.ROOT.parent / "shared" / "tools" / "tf-offline" / "tf-offline"
CONFIG = """
model_list:
  - model_name: gemini-2.5-flash
    litellm_params: {model: vertex_ai/gemini-2.5-flash, vertex_project: my-project, vertex_location: global}
"""
GCLOUD = """#!{python}
import json, pathlib, sys
memory = pathlib.Path({memory!r})
said = json.loads(memory.read_text()) if memory.exists() else []
given = "" if sys.stdin.isatty() or "--data-file=-" not in sys.argv else sys.stdin.read()
said.append({{"words": sys.argv[1:], "given": given}})
memory.write_text(json.dumps(said))
words = " ".join(sys.argv[1:])
if words.startswith("projects describe"):
    print("123456789012")
def added(secret):
    return [each["given"] for each in said if each["words"][:4] == ["secrets", "versions", "add", secret]]
if words.startswith("secrets versions list") and added(sys.argv[4]):
    print("projects/1/secrets/" + sys.argv[4] + "/versions/" + str(len(added(sys.argv[4]))))
if words.startswith("secrets versions access"):
    values = added(next(word for word in sys.argv if word.startswith("--secret=")).removeprefix("--secret="))
    if not values:
        sys.exit("NOT_FOUND")
    print(values[-1] if sys.argv[4] == "latest" else values[int(sys.argv[4]) - 1], end="")
"""
KEYED = """
model_list:
  - model_name: small
    litellm_params:
      model: openai/gpt-4o
      api_base: os.environ/PLACE_HERE
      api_key: os.environ/KEY_HERE
  - model_name: mini
    litellm_params: {model: openai/gpt-4o-mini}
general_settings: {master_key: os.environ/MY_MASTER_KEY}
"""


class Gcloud:
    """What was asked of it."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory

    def asked(self, *words: str) -> list[dict[str, Any]]:
        said: list[dict[str, Any]] = json.loads(self._memory.read_text()) if self._memory.exists() else []
        return [each for each in said if each["words"][: len(words)] == list(words)]


@pytest.fixture
def gcloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gcloud:
    program, memory = tmp_path / "bin" / "gcloud", tmp_path / "gcloud.json"
    program.parent.mkdir()
    program.write_text(GCLOUD.format(python=sys.executable, memory=str(memory)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    return Gcloud(memory)


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gcloud: Gcloud) -> Callable[..., int]:
    """Run the command; everything that it writes is below `tmp_path`."""
    if not os.environ.get("CI") and not (OFFLINE.exists() and shutil.which("terraform")):
        pytest.skip("needs terraform, and the kit ../shared/tools/tf-offline beside the project")
    told = subprocess.run([OFFLINE, "env", tmp_path / "mirror"], capture_output=True, text=True, check=True).stdout
    for line in told.splitlines():
        name, equals, value = line.removeprefix("export ").partition("=")
        if equals and name.isidentifier():
            monkeypatch.setenv(name, value.strip("'\""))
    monkeypatch.setattr(deploy, "_PLACE", tmp_path / "deploy")
    config = tmp_path / "mine.yaml"
    config.write_text(CONFIG)

    def run(*more: str) -> int:
        words = ["deploy", "my-project", "--config", str(config), "--local-state", "--yes", *more]
        monkeypatch.setattr(sys, "argv", words)
        return deploy.main()

    return run


def test_a_project_gets_everything_and_an_update_changes_no_secret(
    deployed: Callable[..., int], gcloud: Gcloud, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert deployed() == 0, capfd.readouterr().err
    said = capfd.readouterr().out
    assert "Offpeak is at https://" in said
    values = [each["given"] for each in gcloud.asked("secrets", "versions", "add")]
    assert len(values) == 2
    folder = tmp_path / "deploy" / "my-project-offpeak"
    kept = b"".join(
        path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".terraform" not in path.parts
    )
    for value in values:
        assert len(value) >= 40
        assert value not in said
        assert value.encode() not in kept, "the state and the variables know no secret"
    variables = json.loads((folder / "terraform.tfvars.json").read_text())
    state = json.loads((folder / "terraform.tfstate").read_text())
    assert variables["eventarc_audiences"] == [state["outputs"]["predictions_uri"]["value"]]
    assert {resource["type"] for resource in state["resources"]} >= {"google_cloudfunctions2_function"}

    assert "versions access 1 --secret offpeak-master-key" in said

    (folder / "old.tf").write_text("this is not Terraform any more {")  # left by a version before this one
    more = ("--set", 'functions={"work": {"max_instances": 7}}', "--set", "domain=batch.example.com")
    assert deployed(*more, "--region", "europe-west4") == 0
    assert deployed() == 0
    variables = json.loads((folder / "terraform.tfvars.json").read_text())
    assert variables["functions"] == {"work": {"max_instances": 7}}
    assert (variables["region"], variables["domain"]) == ("europe-west4", "batch.example.com")
    assert variables["access"] == "load_balancer"
    assert len(gcloud.asked("secrets", "versions", "add")) == 2


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, deployed: Callable[..., int]) -> Callable[..., int]:
    """Deploys models whose keys are variables."""
    (tmp_path / "mine.yaml").write_text(KEYED)
    monkeypatch.setenv("PLACE_HERE", "https://here.example.com/v1")
    monkeypatch.setenv("KEY_HERE", "sk-first-goldfinch")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-goldfinch")
    monkeypatch.setenv("MY_MASTER_KEY", "sk-master-goldfinch")
    return deployed


def test_keys_of_providers_become_secrets_and_nothing_else(
    keyed: Callable[..., int], gcloud: Gcloud, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert keyed() == 0, capfd.readouterr().err
    kept = {each["words"][3]: each["given"] for each in gcloud.asked("secrets", "versions", "add")}
    assert kept.pop("offpeak-key-pepper")
    assert kept == {
        "offpeak-master-key": "sk-master-goldfinch",
        "offpeak-provider-KEY_HERE": "sk-first-goldfinch",
        "offpeak-provider-OPENAI_API_KEY": "sk-openai-goldfinch",
    }
    folder = tmp_path / "deploy" / "my-project-offpeak"
    written = [path for path in folder.rglob("*") if path.is_file() and ".terraform" not in path.parts]
    assert all(b"goldfinch" not in path.read_bytes() for path in written), "no state, plan or variable knows a key"
    assert "goldfinch" not in capfd.readouterr().out
    assert all("goldfinch" not in " ".join(each["words"]) for each in gcloud.asked())
    variables = json.loads((folder / "terraform.tfvars.json").read_text())
    assert variables["provider_secrets"] == {"KEY_HERE": "1", "OPENAI_API_KEY": "1"}
    assert "api_base: https://here.example.com/v1" in (folder / "offpeak.yaml").read_text()


def test_a_new_key_is_a_new_version_and_one_that_is_not_at_hand_stays(
    keyed: Callable[..., int], gcloud: Gcloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = tmp_path / "deploy" / "my-project-offpeak" / "terraform.tfvars.json"
    assert keyed() == 0
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-one")
    monkeypatch.delenv("KEY_HERE")
    monkeypatch.setenv("MY_MASTER_KEY", "sk-nobody-is-locked-out")

    assert keyed() == 0
    assert json.loads(variables.read_text())["provider_secrets"] == {"KEY_HERE": "1", "OPENAI_API_KEY": "2"}
    assert [
        each["given"] for each in gcloud.asked("secrets", "versions", "add", "offpeak-provider-OPENAI_API_KEY")
    ] == [
        "sk-openai-goldfinch",
        "sk-another-one",
    ]
    assert len(gcloud.asked("secrets", "versions", "add", "offpeak-master-key")) == 1

    (tmp_path / "mine.yaml").write_text(CONFIG)
    assert keyed() == 0
    assert json.loads(variables.read_text())["provider_secrets"] == {}
    state = json.loads((variables.parent / "terraform.tfstate").read_text())
    left = [each["index_key"] for resource in state["resources"] if resource["type"] == "google_secret_manager_secret"
            for each in resource["instances"]]  # fmt: skip
    assert left == ["key_pepper", "master_key"], "a key that nobody uses is not kept"


def test_a_key_that_is_nowhere_is_missed_before_anything_is_made(
    keyed: Callable[..., int], gcloud: Gcloud, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KEY_HERE")

    assert keyed() == 1
    assert "mine.yaml:7: the variable KEY_HERE is not set" in capfd.readouterr().err
    assert [each["words"][:3] for each in gcloud.asked()] == [["secrets", "versions", "access"]]


@pytest.mark.parametrize(
    "mistake",
    [
        ("model_list: []\n", "has no model_list"),
        (CONFIG.replace("vertex_ai/", "vertex/"), "mine.yaml:4: provider 'vertex' is not offered"),
        ("a: [", "mine.yaml:1: not valid YAML"),
        (KEYED.replace("os.environ/KEY_HERE", "in-the-file"), "small: api_key stands in the file"),
        (CONFIG.replace("my-project,", "my-project, vertex_credentials: key.json,"), "leave vertex_credentials out"),
    ],
)
def test_a_wrong_configuration_is_found_before_anything_is_made(
    keyed: Callable[..., int], gcloud: Gcloud, tmp_path: Path, capfd: pytest.CaptureFixture[str],
    mistake: tuple[str, str],
) -> None:  # fmt: skip
    text, words = mistake
    (tmp_path / "mine.yaml").write_text(text)

    assert keyed() == 1
    assert words in capfd.readouterr().err
    assert gcloud.asked() == []


def test_what_fails_is_said_in_a_sentence(
    deployed: Callable[..., int], gcloud: Gcloud, capfd: pytest.CaptureFixture[str]
) -> None:
    assert deployed("--region", "nowhere") == 1
    assert "terraform apply failed" in capfd.readouterr().err
    assert gcloud.asked("secrets", "versions", "add") == []


def test_what_is_not_seen_yet_is_waited_for(
    deployed: Callable[..., int], gcloud: Gcloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A grant or a metric of a new project, for some minutes."""
    really, tries = deploy.Deployment._terraform, []

    def failing(self: deploy.Deployment, *words: str) -> None:
        if words[0] == "apply" and not any(word.startswith("-target") for word in words):
            tries.append(words)
            if len(tries) == 1:
                raise deploy.NotDeployed("no such metric")
        really(self, *words)

    monkeypatch.setattr(deploy, "_PAUSE", 0.0)
    monkeypatch.setattr(deploy.Deployment, "_terraform", failing)

    assert deployed() == 0
    assert len(tries) == 3


def test_the_state_lies_in_a_bucket_of_the_project(
    deployed: Callable[..., int], gcloud: Gcloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terraform is not run here: it would ask Cloud Storage."""
    monkeypatch.setattr(deploy.Deployment, "_terraform", lambda *_: None)
    monkeypatch.setattr(deploy.Deployment, "_outputs", lambda _: {"predictions_uri": {"value": "https://p"}})
    monkeypatch.setattr(deploy.Deployment, "tell", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["deploy", "my-project", "--config", str(tmp_path / "mine.yaml")])

    assert deploy.main() == 0
    (made,) = gcloud.asked("storage", "buckets", "create")
    assert made["words"][3] == "gs://my-project-offpeak-terraform"
    assert {"--uniform-bucket-level-access", "--public-access-prevention"} <= set(made["words"])
    backend = (tmp_path / "deploy" / "my-project-offpeak" / "backend_override.tf").read_text()
    assert 'bucket = "my-project-offpeak-terraform"' in backend
    kept = [each["words"][3] for each in gcloud.asked("storage", "cp")]
    assert kept == ["gs://my-project-offpeak-terraform/chosen.json"], "what was chosen outlives this machine"
