"""A provider is a folder and a line in the registry: here is one that Offpeak has never heard of."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import functions_framework
import pytest

from shared.app import REGISTRY, App, compose, configuration, open_provider
from shared.config import PROVIDERS, Config, Deployment
from shared.domain.batch import Status
from shared.domain.errors import ConfigError
from shared.pricing.book import Book
from shared.providers.base import Media, Provider
from shared.settings import read_settings
from shared.steps.cancel import request_cancel
from tests.providers.toy.server import Parrots, parrots
from tests.steps.checker import check_every_line, check_nothing_left
from tests.steps.world import World, chat

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "toy"
CONFIG = """
model_list:
  - model_name: polly
    litellm_params: {model: toy/parrot, api_base: "%s", api_key: canary-feather}
offpeak:
  prices:
    - {model: toy/parrot, usd_per_million: {input: "1", output: "2"}}
"""


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTRY, "toy", "tests.providers.toy")


@pytest.fixture
def server() -> Iterator[Parrots]:
    with parrots() as server:
        yield server


class ToyWorld(World):
    """A world that has read a configuration."""

    config = Config()

    def new_app(self) -> App:
        return replace(super().new_app(), config=self.config, book=Book.load(self.config.prices))

    def open_provider(self, deployment: Deployment, media: Media) -> Provider:
        return open_provider(deployment, media)


@pytest.fixture
def world(tmp_path: Path, server: Parrots) -> ToyWorld:
    world = ToyWorld(tmp_path)
    world.config = configuration(CONFIG % server.base, name="toy.yaml", environment={})
    world.app = world.new_app()
    return world


def lines_of(count: int) -> list[dict[str, Any]]:
    return [chat(f"line-{n}", f"nonce {n}", model="polly") for n in range(count)]


def turn(world: World, seconds: int) -> None:
    for _ in range(seconds):
        world.pump()
        world.clock += 1_000
        world.sweep()


def test_a_batch_runs_there_as_anywhere(world: ToyWorld, server: Parrots) -> None:
    lines = [
        *lines_of(5),
        chat("mute", "please fail", model="polly"),
        chat("bold", "x", model="polly", temperature=2),
    ]
    batch = world.start(lines)
    world.settle(batch.id)
    done = world.batch(batch.id)
    assert done.status is Status.COMPLETED
    output, errors = check_every_line(world, batch.id, lines)
    said = {row["custom_id"]: row["response"]["body"]["choices"][0]["message"]["content"] for row in output}
    assert said == {f"line-{n}": f"Awk! nonce {n}" for n in range(5)}
    assert {row["response"]["body"]["model"] for row in output} == {"polly"}
    problems = {row["custom_id"]: row["response"]["body"]["error"] for row in errors}
    assert problems["mute"]["message"] == "The parrot will not say so."
    assert problems["bold"]["param"] == "temperature"
    assert done.cost.nano == 5 * (2 * 1_000 + 3 * 2_000)
    assert (len(server.made), server.jobs) == (1, {})
    check_nothing_left(world, batch.id)
    shown = json.dumps([output, errors])
    assert "canary" not in shown


def test_what_the_steps_promise_they_promise_for_it_too(world: ToyWorld, server: Parrots) -> None:
    """An answer that is lost, a key that is wrong for a while, no room; and a cancel that keeps what was said."""
    batch = world.start(lines_of(4))
    for trouble in ({"tired": True}, {"tired": False, "key": "another"}, {"key": server.key, "lose": 1, "holds": 3}):
        for name, value in trouble.items():
            setattr(server, name, value)
        turn(world, 8 if "holds" not in trouble else 60)
        assert len(server.made) == ("holds" in trouble)
    assert world.batch(batch.id).counts.completed == 3
    request_cancel(world.app, batch.id)
    world.settle(batch.id)
    assert world.batch(batch.id).status is Status.CANCELLED
    output, errors = check_every_line(world, batch.id, lines_of(4))
    assert (len(output), [row["error"]["code"] for row in errors]) == (3, ["batch_cancelled"])


def test_its_own_profile_refuses_what_it_cannot_run() -> None:
    with pytest.raises(ConfigError, match=r"toy.yaml:4: there is no toy called 'lion'"):
        configuration(CONFIG.replace("parrot", "lion") % "http://127.0.0.1:9", name="toy.yaml", environment={})


@pytest.fixture
def client(tmp_path: Path, server: Parrots, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """GET of the API, configured by a file as everywhere."""
    (tmp_path / "offpeak.yaml").write_text(CONFIG % server.base)
    settings = {
        "OFFPEAK_DOCUMENTS": "sqlite://",
        "OFFPEAK_OBJECTS": f"file://{tmp_path}/objects",
        "OFFPEAK_DATA_BUCKET": "data",
        "OFFPEAK_WORK_BUCKET": "work",
        "OFFPEAK_BUS": "sqlite://",
        "OFFPEAK_CONFIG": str(tmp_path / "offpeak.yaml"),
        "OFFPEAK_MASTER_KEY": "sk-toy-toy",
        "FUNCTION_TARGET": "api",
        "FUNCTION_SIGNATURE_TYPE": "http",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    app: Any = compose(read_settings())
    monkeypatch.setattr("functions.http.app", lambda: app)
    source = str(ROOT / "functions" / "main.py")
    client = functions_framework.create_app("api", source).test_client()  # type: ignore[no-untyped-call]
    yield lambda path: client.get(path, headers={"authorization": "Bearer sk-toy-toy"}).json
    app.documents.close()
    app.bus.close()


def test_clients_find_it_among_the_models(client: Callable[[str], Any]) -> None:
    assert [model["id"] for model in client("/v1/models")["data"]] == ["polly"]
    (group,) = client("/model_group/info")["data"]
    assert (group["model_group"], group["providers"]) == ("polly", ["toy"])


def test_a_folder_is_all_there_is_to_it() -> None:
    sources = [FOLDER / f"{name}.py" for name in ("profile", "codec", "provider")]
    written = [line for source in sources for line in source.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(written) < 150


def test_requests_name_it_in_front_of_paths_and_models_and_in_hints(client: Callable[[str], Any]) -> None:
    assert client("/toy/v1/files")["data"] == []
    assert client("/v1/files?custom_llm_provider=toy")["data"] == []
    assert client("/v1/models/toy/polly")["id"] == "polly"
    assert client("/lion/v1/files")["error"]["message"].startswith("Invalid URL")
    assert "'toy'" in client("/v1/files?custom_llm_provider=lion")["error"]["message"]


def test_the_registry_names_the_providers_that_a_model_may_have_in_front() -> None:
    assert "toy" in PROVIDERS
    assert list(REGISTRY) == list(PROVIDERS)
