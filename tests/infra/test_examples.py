"""infra/examples: each file serves a real account, the cloud, and somebody who has neither."""

import json
import re
from pathlib import Path
from typing import Any

import openai
import pytest

from infra.local.cast import playing
from infra.portable import named_keys, portable
from shared.app import configuration
from shared.litellm import VARIABLES
from tests.infra.stack import ROOT, Stack, ended

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack"), pytest.mark.timeout(240)]

EXAMPLES = sorted((ROOT / "infra" / "examples").glob("*.yaml"))
ACCOUNT = {
    "AZURE_API_BASE": "https://my-resource.openai.azure.com",
    "AZURE_API_KEY": "azure-goldfinch",
    "OPENAI_API_KEY": "sk-goldfinch",
    "HOSTED_VLLM_API_BASE": "https://vllm.example.com",
    "VERTEXAI_PROJECT": "my-project",
    "VERTEXAI_LOCATION": "us-central1",
}

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)


def test_there_is_one_for_each_provider_and_one_for_all() -> None:
    assert [path.stem for path in EXAMPLES] == ["azure", "mixed", "openai", "vertex", "vllm"]


@each_example
def test_the_variables_that_it_says_are_the_ones_that_it_needs(example: Path) -> None:
    """What stands behind `export` in its first lines is enough, and none of it is too much."""
    text = example.read_text()
    told = set(re.findall(r"\b([A-Z_]+)=\S", text)) - {"OFFPEAK_OBJECTS", "OFFPEAK_DATA_BUCKET", "OFFPEAK_WORK_BUCKET"}
    assert told == set(re.findall(r"os\.environ/(\w+)", text))
    config = configuration(text, name=example.name, environment={name: ACCOUNT[name] for name in told})
    assert config.deployments
    assert f"./infra/dev up --config infra/examples/{example.name}\n" in text
    assert f"./infra/dev up --config infra/examples/{example.name} --standins\n" in text


@each_example
def test_in_the_cloud_it_is_the_same_without_its_keys(example: Path) -> None:
    text = example.read_text()
    written = portable(text, name=example.name, environment=ACCOUNT)
    keys = {name: ACCOUNT[name] for name in named_keys(text, ACCOUNT)}
    assert "goldfinch" not in written
    assert configuration(written, name="there", environment=keys) == configuration(
        text, name="here", environment=ACCOUNT
    )
    without = configuration(written, name="there", environment={}, keys=False)
    assert [each.id for each in without.deployments] == [
        each.id for each in configuration(text, name="here", environment=ACCOUNT).deployments
    ]


@each_example
def test_stand_ins_win_over_whatever_is_set(example: Path) -> None:
    """Nobody who tries something out sends a line, or a key, to his account."""
    cast, environment = playing(str(example), {**ACCOUNT, "AZURE_CLIENT_SECRET": "s", "VERTEXAI_CREDENTIALS": "k.json"})
    config = configuration(example.read_text(), name=example.name, environment=environment)
    assert {each.provider for each in config.deployments} == {member.provider for member in cast.members}
    for each in config.deployments:
        assert each.api_base is not None
        assert each.api_base.startswith("http://127.0.0.1:")
        assert "goldfinch" not in repr(each.api_key)
        assert (each.client_secret, each.credentials) == (None, None)
    assert "AZURE_CLIENT_SECRET" in cast.told[1]
    assert "my-resource" not in "".join(cast.told)


@each_example
def test_a_batch_runs_through_every_group(example: Path, tmp_path: Path) -> None:
    with Stack(tmp_path / "data", "--config", str(example), "--standins", OPENAI_API_KEY="sk-not-to-be-used") as stack:
        assert stack.said[0].startswith("stand-ins answer for ")
        assert "OPENAI_API_KEY" in stack.said[1]
        with stack.client() as client:
            groups = [model.id for model in client.models.list() if "embedding" not in model.id]
            batches = [(group, _start(client, group)) for group in groups]
            for group, batch in batches:
                over = ended(client, batch, within=90)
                assert over.status == "completed", (group, over.errors, _errors(client, over))
                rows = _rows(client, over.output_file_id)
                assert sorted(row["custom_id"] for row in rows) == [f"line-{number}" for number in range(6)]
                assert {row["response"]["body"]["object"] for row in rows} == {"chat.completion"}


def _start(client: openai.OpenAI, group: str) -> str:
    lines = [
        {
            "custom_id": f"line-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": group, "messages": [{"role": "user", "content": f"Question {number}"}]},
        }
        for number in range(6)
    ]
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    file = client.files.create(file=("lines.jsonl", content), purpose="batch")
    return client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h").id


def _rows(client: openai.OpenAI, file: str | None) -> list[dict[str, Any]]:
    return [] if file is None else [json.loads(row) for row in client.files.content(file).text.splitlines()]


def _errors(client: openai.OpenAI, batch: Any) -> list[dict[str, Any]]:
    return _rows(client, batch.error_file_id)


def test_every_variable_that_stand_ins_set_is_one_of_litellms() -> None:
    known = {name for of in VARIABLES.values() for names in of.values() for name in names}
    for example in EXAMPLES:
        _, environment = playing(str(example), {})
        assert set(environment) <= known
