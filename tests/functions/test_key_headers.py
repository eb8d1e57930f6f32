"""Where a key may stand: in the headers that LiteLLM takes it from, and in the one that the configuration names."""

from dataclasses import replace

import pytest

from functions.auth import KEY_HEADERS
from functions.openapi.document import document
from shared.app import configuration
from shared.domain.errors import ConfigError
from tests.functions.conftest import Api
from tests.functions.office import as_key, key_of
from tests.functions.wire import KEY

NAMED = "X-Litellm-Key"


@pytest.fixture
def named(api: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    config = configuration(f"general_settings: {{litellm_key_header_name: {NAMED}}}\n", name="x.yaml")
    assert config.key_header == NAMED
    seen = replace(api.app, config=api.app.config.model_copy(update={"key_header": config.key_header}))
    monkeypatch.setattr("functions.http.app", lambda: seen)
    return api


@pytest.mark.parametrize("value", [KEY, f"Bearer {KEY}", f"bearer {KEY}"])
def test_a_header_that_the_configuration_names_has_the_key(named: Api, value: str) -> None:
    assert named.client.get("/v1/files", headers={NAMED: value}).status_code == 200


def test_it_comes_before_all_others_and_without_it_they_count(named: Api) -> None:
    """Whatever a proxy in front puts into Authorization."""
    mine = key_of(named)["key"]
    for headers, status in (
        ({NAMED: KEY, "authorization": "Bearer of-somebody-in-front"}, 200),
        ({NAMED: "sk-nobody-has-this-one", **as_key(KEY)}, 401),
        ({NAMED: mine, "x-litellm-api-key": "sk-nobody-has-this-one"}, 200),
        (as_key(KEY), 200),
    ):
        assert named.client.get("/v1/files", headers=headers).status_code == status, headers


def test_without_it_such_a_header_is_none(api: Api) -> None:
    assert api.client.get("/v1/files", headers={NAMED: KEY}).status_code == 401


@pytest.mark.parametrize("name", ["5", "[a]", "'a b'", "'a:'", "true"])
def test_what_cannot_be_a_header_is_refused_with_its_line(name: str) -> None:
    text = f"model_list: []\ngeneral_settings:\n  litellm_key_header_name: {name}\n"
    with pytest.raises(ConfigError, match=r"x.yaml:3: .*litellm_key_header_name is the name of a header"):
        configuration(text, name="x.yaml")


def test_a_variable_may_name_it() -> None:
    text = "general_settings: {litellm_key_header_name: os.environ/KEY_HEADER}\n"
    assert configuration(text, name="x", environment={"KEY_HEADER": NAMED}).key_header == NAMED
    assert configuration(text, name="x", environment={}).key_header is None


def test_each_of_the_headers_is_described() -> None:
    schemes = document()["components"]["securitySchemes"].values()
    described = {each["name"] for each in schemes if each["type"] == "apiKey"}
    assert described == {*KEY_HEADERS} - {"authorization"}
    assert [each["scheme"] for each in schemes if each["type"] == "http"] == ["bearer"]
