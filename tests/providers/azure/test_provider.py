"""What an Azure deployment offers, and a line's way there and back."""

import json
from typing import Any

import pytest

from shared.app import REGISTRY, open_provider, refuse_deployment
from shared.domain.errors import ConfigError
from shared.lines.errors import LineError
from shared.providers.base import Codec, Entry, Media, Provider, RequestLine
from tests.providers.azure.deployments import deployment

CHAT, RESPONSES, COMPLETIONS = "/v1/chat/completions", "/v1/responses", "/v1/completions"
HELLO = [{"role": "user", "content": "Hi"}]
DATED = "2024-10-21"


def provider(**rest: Any) -> Provider:
    return open_provider(deployment(**rest), Media())


def codec(endpoint: str, **rest: Any) -> Codec:
    found = provider(**rest).codec(endpoint)
    assert found is not None
    return found


def sent(endpoint: str, body: dict[str, Any], **rest: Any) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(codec(endpoint, **rest).encode(RequestLine("mine", endpoint, body), 12).rows)
    return row


def test_it_is_in_the_registry() -> None:
    assert REGISTRY["azure"] == "shared.providers.azure"
    assert refuse_deployment(deployment()) is None


def test_what_cannot_run_is_not_opened() -> None:
    with pytest.raises(ConfigError, match="api_key"):
        provider(api_key=None)


@pytest.mark.parametrize("version", [None, DATED])
def test_a_line_goes_out_under_the_deployment_s_name_and_the_api_s_url(version: str | None) -> None:
    row = sent(CHAT, {"model": "mini", "messages": HELLO, "temperature": 0.5}, api_version=version)
    assert row == {
        "custom_id": "r-000012",
        "method": "POST",
        "url": "/chat/completions" if version else CHAT,
        "body": {"model": "my-mini-batch", "messages": HELLO, "temperature": 0.5},
    }


@pytest.mark.parametrize("version", [None, DATED])
def test_a_completion_is_said_as_a_chat(version: str | None) -> None:
    row = sent(COMPLETIONS, {"model": "mini", "prompt": "Hi"}, api_version=version)
    assert row["url"] == ("/chat/completions" if version else CHAT)
    assert row["body"]["messages"][0]["content"] == "Hi"


def test_a_response_is_one_or_where_there_is_none_a_chat() -> None:
    assert sent(RESPONSES, {"model": "mini", "input": "Hi"})["url"] == RESPONSES
    row = sent(RESPONSES, {"model": "mini", "input": "Hi"}, api_version=DATED)
    assert (row["url"], "messages" in row["body"]) == ("/chat/completions", True)


@pytest.mark.parametrize("endpoint", ["/v1/embeddings", "/v1/moderations", "/v1/images/generations"])
def test_there_are_no_batches_of_anything_else(endpoint: str) -> None:
    assert provider().codec(endpoint) is None


def test_embedding_models_have_no_batches() -> None:
    assert provider(base_model="azure/text-embedding-3-small").codec("/v1/embeddings") is None
    assert provider(base_model="text-embedding-3-small").codec(CHAT) is None
    assert provider(model="text-embedding-3-small").codec("/v1/embeddings") is None


@pytest.mark.parametrize("version", [None, DATED])
@pytest.mark.parametrize("endpoint", [CHAT, RESPONSES, COMPLETIONS])
def test_a_shard_finds_its_codec_again(endpoint: str, version: str | None) -> None:
    opened = provider(api_version=version)
    found = opened.codec(endpoint)
    assert found is not None
    assert opened.codec_named(found.name).name == found.name
    with pytest.raises(LookupError):
        opened.codec_named("gemini-chat")


@pytest.mark.parametrize("model", ["gpt-4o-2024-05-13", "my-mini-batch", None])
def test_the_answer_has_the_model_that_the_caller_wrote(model: str | None) -> None:
    body: dict[str, Any] = {
        "model": model,
        "choices": [],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
    row = {"custom_id": "r-000012", "response": {"status_code": 200, "request_id": "r", "body": body}, "error": None}
    chat = codec(CHAT)
    read = chat.read(json.dumps(row).encode())
    assert read is not None
    assert chat.answer([read], Entry(12, "mine", "mini")).body["model"] == "mini"


def test_an_error_of_a_line_does_not_name_the_deployment() -> None:
    problem = {"code": "DeploymentNotFound", "message": "The deployment my-mini-batch at res does not exist."}
    row = {"custom_id": "r-000012", "response": {"status_code": 404, "body": {"error": problem}}}
    chat = codec(CHAT)
    read = chat.read(json.dumps(row).encode())
    assert read is not None
    answer = chat.answer([read], Entry(12, "mine", "mini"))
    assert (answer.status, answer.body["error"]["code"]) == (404, "DeploymentNotFound")
    assert answer.body["error"]["message"] == "The deployment (a name) at (a name) does not exist."


def test_a_url_inside_a_network_is_not_shown_to_it() -> None:
    content = [{"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest"}}]
    with pytest.raises(LineError) as caught:
        sent(CHAT, {"model": "mini", "messages": [{"role": "user", "content": content}]})
    assert caught.value.param == "messages[0].content[0].image_url.url"


def test_the_configuration_may_make_jobs_smaller_and_never_larger() -> None:
    small = provider(most_lines=100, most_bytes=10_000).limits
    assert (small.rows, small.bytes) == (100, 10_000)
    assert provider(most_lines=10**7, most_bytes=10**12).limits == provider().limits


def test_the_price_is_that_of_what_is_deployed() -> None:
    assert provider().price_model == "azure/my-mini-batch"
    assert provider(base_model="gpt-4o-mini").price_model == "azure/gpt-4o-mini"
    assert provider(price_name="azure/gpt-4o-mini@d").price_model == "azure/gpt-4o-mini@d"
