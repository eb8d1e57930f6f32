"""What a configuration of Azure may say, and where that leads."""

from typing import Any

import pytest

from shared.providers.azure.dialect import azure_dialect
from shared.providers.azure.profile import base_url, deployment_name, endpoints_of, query_of, refuse
from tests.providers.azure.deployments import deployment

CHAT, RESPONSES, COMPLETIONS = "/v1/chat/completions", "/v1/responses", "/v1/completions"
ROOT = "https://res.openai.azure.com"


@pytest.mark.parametrize("behind", ["", "/", "/openai", "/openai/", "/openai/v1", "/openai/v1/"])
@pytest.mark.parametrize(
    ("version", "path", "query"),
    [
        (None, "/openai/v1", {}),
        ("", "/openai/v1", {}),
        ("v1", "/openai/v1", {}),
        ("latest", "/openai/v1", {}),
        ("preview", "/openai/v1", {"api-version": "preview"}),
        ("2024-10-21", "/openai", {"api-version": "2024-10-21"}),
        ("2025-04-01-preview", "/openai", {"api-version": "2025-04-01-preview"}),
    ],
)
def test_the_version_decides_the_path_however_much_of_it_is_named(
    behind: str, version: str | None, path: str, query: dict[str, str]
) -> None:
    said = deployment(f"{ROOT}{behind}", api_version=version)
    assert refuse(said) is None
    assert (base_url(said), query_of(said)) == (f"{ROOT}{path}", query)


def test_a_line_s_url_is_the_api_s_own() -> None:
    assert endpoints_of(deployment()) == {CHAT: CHAT, RESPONSES: RESPONSES, COMPLETIONS: CHAT}
    dated = endpoints_of(deployment(api_version="2024-10-21"))
    assert dated == dict.fromkeys((CHAT, RESPONSES, COMPLETIONS), "/chat/completions")


@pytest.mark.parametrize("model", ["my-batch", "o_series/my-batch", "gpt5_series/my-batch", "responses/my-batch"])
def test_the_model_of_a_line_is_the_deployment_alone(model: str) -> None:
    said = deployment(model=model)
    assert refuse(said) is None
    assert deployment_name(said) == "my-batch"


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"base": None}, "api_base"),
        ({"base": "https://res.cognitiveservices.azure.com"}, ".openai.azure.com"),
        ({"base": "https://res.services.ai.azure.com/openai/v1"}, ".openai.azure.com"),
        ({"base": "https://api.openai.com/v1"}, ".openai.azure.com"),
        ({"base": "https://openai.azure.com.example.com"}, ".openai.azure.com"),
        ({"base": f"{ROOT}/openai/deployments/my-batch"}, "/deployments"),
        ({"base": "http://127.0.0.1:9/openai/deployments/my-batch"}, "/deployments"),
        ({"base": f"{ROOT}/elsewhere"}, "nothing behind it"),
        ({"api_version": "2024-10"}, "api_version"),
        ({"api_version": "v2"}, "api_version"),
        ({"api_version": "2024-10-21&x=y"}, "api_version"),
        ({"model": ""}, "deployment"),
        ({"model": "a/b"}, "deployment"),
        ({"model": "a*"}, "deployment"),
        ({"api_key": None}, "api_key"),
        ({"api_key": None, "tenant_id": "t", "client_id": "c"}, "client_secret"),
        ({"api_key": None, "tenant_id": "../x", "client_id": "c", "client_secret": "s"}, "tenant_id"),
        ({"api_key": None, "azure_ad_token": "oidc/google"}, "azure_ad_token"),
        ({"api_key": "two words"}, "api_key"),
        ({"api_key": "line\r\nbreak"}, "api_key"),
    ],
)
def test_what_cannot_run_is_refused_with_what_to_write_instead(said: dict[str, Any], word: str) -> None:
    why = refuse(deployment(said.pop("base", ROOT), **said))
    assert why is not None
    assert word in why


@pytest.mark.parametrize(
    "said",
    [
        {"base": "http://127.0.0.1:8080"},
        {"base": "http://localhost:8080/openai"},
        {"base": "https://apim.corp.example/azure/openai", "private_hosts": ("apim.corp.example",)},
        {"api_key": None, "azure_ad_token": "eyJ0"},
        {"api_key": None, "tenant_id": "t.example", "client_id": "c", "client_secret": "s"},
        {"model": "*", "group": "azure/*"},
    ],
)
def test_what_can_run_is_not_refused(said: dict[str, Any]) -> None:
    assert refuse(deployment(said.pop("base", ROOT), **said)) is None


def test_a_gateway_s_own_path_stays() -> None:
    assert base_url(deployment("https://apim.corp.example/azure/openai")) == (
        "https://apim.corp.example/azure/openai/v1"
    )


@pytest.mark.parametrize(
    ("version", "life"), [("2024-10-21", None), ("2025-04-01-preview", 1_209_600), (None, 1_209_600)]
)
def test_files_live_a_fortnight_which_is_the_least(version: str | None, life: int | None) -> None:
    dialect = azure_dialect(deployment(api_version=version))
    assert (dialect.input_life, dialect.output_life) == (1_209_600, life)


def test_only_azure_itself_is_looked_at_once_a_minute() -> None:
    assert azure_dialect(deployment()).pause == 60
    assert azure_dialect(deployment("http://127.0.0.1:9")).pause == 0


def test_no_secret_is_in_a_text_of_the_dialect() -> None:
    for said in ({"api_key": "canary"}, {"api_key": None, "azure_ad_token": "canary"}):
        assert "canary" not in repr(azure_dialect(deployment(**said)))
