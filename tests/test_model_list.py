"""LiteLLM's own examples and variables are a configuration as they are."""

import json
import os
from decimal import Decimal
from typing import Any

import pytest

from shared.app import configuration
from shared.config import Config, Deployment
from shared.domain.errors import ConfigError
from shared.domain.ids import derived
from shared.environment import config_of_environment
from shared.model_list import read_config
from shared.pricing.book import Book
from shared.pricing.price import Rate

DOCUMENTED = """
model_list:
  - model_name: gpt-4o-batch
    litellm_params:
      model: azure/gpt-4o-mini-general-deployment
      api_base: os.environ/AZURE_API_BASE
      api_key: os.environ/AZURE_API_KEY
      api_version: "2024-10-21"
    model_info:
      mode: batch
  - model_name: gemini-2.5-flash
    litellm_params:
      model: vertex_ai/gemini-2.5-flash
      vertex_project: my-project
      vertex_location: us-central1
      vertex_credentials: path/to/service-account.json
      gcs_bucket_name: my-batch-bucket
      use_in_pass_through: true
  - model_name: my-vllm-model
    litellm_params: {model: hosted_vllm/meta-llama/Llama-2-7b-chat-hf, api_base: http://vllm:8000}
general_settings: {master_key: os.environ/LITELLM_MASTER_KEY, max_batch_file_size_mb: 200}
litellm_settings: {require_managed_files: true}
"""


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_API_BASE", "https://my-resource.openai.azure.com")
    monkeypatch.setenv("AZURE_API_KEY", "key-of-azure")
    monkeypatch.setenv("LITELLM_MASTER_KEY", "sk-1234567")


def read(text: str) -> Config:
    return configuration(text, name="c.yaml")


def test_the_documented_example_works_as_it_is() -> None:
    config = read(DOCUMENTED)
    assert config.groups() == ["gpt-4o-batch", "gemini-2.5-flash", "my-vllm-model"]
    azure, vertex, vllm = config.deployments
    assert (azure.provider, azure.model, azure.api_version) == ("azure", "gpt-4o-mini-general-deployment", "2024-10-21")
    assert azure.info == {"mode": "batch"}
    assert vertex.credentials == "path/to/service-account.json"
    assert (vllm.model, vllm.api_base) == ("meta-llama/Llama-2-7b-chat-hf", "http://vllm:8000")
    assert config.master_key == "sk-1234567"
    assert config.limits.file_bytes == 200 * 2**20


def entry(model: str, **params: Any) -> str:
    listed = "".join(f"      {name}: {value}\n" for name, value in params.items())
    return f"model_list:\n  - model_name: m\n    litellm_params:\n      model: {model}\n{listed}"


def test_what_an_entry_does_not_say_its_variable_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTED_VLLM_API_BASE", "http://gpu:8000/v1")
    monkeypatch.setenv("VERTEXAI_PROJECT", "p")
    (vllm,) = read(entry("hosted_vllm/llama")).deployments
    (vertex,) = read(entry("vertex_ai/gemini-2.5-flash")).deployments
    (azure,) = read(entry("azure/mine")).deployments
    assert vllm.api_base == "http://gpu:8000/v1"
    assert (vertex.project, vertex.location) == ("p", "us-central1")
    assert (azure.api_base, azure.api_key) == ("https://my-resource.openai.azure.com", "key-of-azure")


def test_what_an_entry_says_its_variable_does_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_AD_TOKEN", "token")
    (azure,) = read(entry("azure/mine", api_key="other")).deployments
    assert (azure.api_key, azure.azure_ad_token) == ("other", None)


def test_variables_alone_run_any_model_of_the_providers_they_name(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {
        "VERTEXAI_PROJECT": "p",
        "VERTEXAI_LOCATION": "europe-west4",
        "OPENAI_API_KEY": "sk-openai",
        "HOSTED_VLLM_API_BASE": "http://gpu:8000",
    }
    config = config_of_environment(said)
    assert config.groups() == ["vertex_ai/*", "openai/*", "hosted_vllm/*"]
    (gemini,) = config.deployments_of("gemini-2.5-flash")
    assert (gemini.provider, gemini.model, gemini.location) == ("vertex_ai", "gemini-2.5-flash", "europe-west4")
    assert config.deployments_of("gpt-4o-mini")[0].provider == "openai"
    assert config.group_of("hosted_vllm/llama") == "llama"
    assert config.deployments_of("llama", model="hosted_vllm/llama")[0].model == "llama"
    assert config.group_of("llama") is None  # nobody says whose it is
    assert config_of_environment({}).deployments == ()


def test_a_deployment_of_a_pattern_is_found_again_by_its_id() -> None:
    config = config_of_environment({"VERTEXAI_PROJECT": "p"})
    (found,) = config.deployments_of("gemini-2.5-pro")
    assert config.deployment(found.id) == found
    assert config.deployment(found.id.partition(":")[0]) is None
    assert config.deployment("unknown:gemini-2.5-pro") is None


def test_patterns_of_a_file_fill_in_the_model() -> None:
    config = read(entry("openai/gpt-*", api_key="sk-x").replace("model_name: m", 'model_name: "team-*"'))
    (found,) = config.deployments_of("team-4o-mini")
    assert (found.group, found.model) == ("team-4o-mini", "gpt-4o-mini")
    assert config.group_of("team-") is None
    assert config.group_of("*") is None


@pytest.mark.parametrize(("name", "model"), [("m", '"openai/*"'), ('"a-*"', "openai/gpt-4o"), ('"*-*"', '"openai/*"')])
def test_a_pattern_has_one_star_on_both_sides(name: str, model: str) -> None:
    with pytest.raises(ConfigError, match=r"^c\.yaml:4: a pattern has one \*"):
        read(entry(model, api_key="sk-x").replace("model_name: m", f"model_name: {name}"))


def test_accounts_at_one_place_are_different_deployments() -> None:
    one = entry("openai/gpt-4o", api_key="sk-a")
    both = one + one.replace("sk-a", "sk-b").removeprefix("model_list:\n")
    first, second = read(both).deployments
    assert first.id == read(one).deployments[0].id
    assert second.id != first.id


def test_weights_limits_and_modes_of_a_deployment_are_read() -> None:
    text = entry("hosted_vllm/llama", api_base="http://gpu:8000", rpm=30, max_parallel_requests=64, timeout=90) + (
        "    model_info:\n      batches: auto\n      media_hosts: [cdn.example.com]\n"
        "      batch_limits: {lines: 100, bytes: 4096, enqueued_tokens: 5000}\n"
    )
    (found,) = read(text).deployments
    assert (found.weight, found.parallel, found.timeout, found.batches) == (30, 64, 90, "auto")
    assert (found.most_lines, found.most_bytes, found.most_tokens) == (100, 4096, 5000)
    assert found.media_hosts == ("cdn.example.com",)
    assert read(text.replace("rpm: 30", "weight: 2")).deployments[0].weight == 2


@pytest.mark.parametrize(
    ("more", "line", "words"),
    [
        ("      weight: -1\n", 6, "greater than or equal to 0"),
        ("    model_info: {input_cost_per_token: -0.1}\n", 2, "input: .* is not a price"),
        ("    model_info: {cache_read_input_token_cost_batches: much}\n", 2, "dollars per token"),
        ("      max_parallel_requests: many\n", 6, "integer"),
        ("    model_info: {batches: never}\n", 6, "server"),
        ("    model_info:\n      batch_limits: {line: 5}\n", 7, "not permitted"),
        ("general_settings: {max_batch_file_size_mb: much}\n", 6, "number above 0"),
    ],
)
def test_mistakes_are_reported_with_file_and_line(more: str, line: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        read(entry("openai/gpt-4o", api_key="sk-x") + more)
    assert str(caught.value).startswith(f"c.yaml:{line}: ")


def test_prices_of_a_token_are_a_batch_s_or_half_and_all_of_them_at_a_server_of_one_s_own() -> None:
    priced = "    model_info: {input_cost_per_token: 0.000002, output_cost_per_token: 8.0e-06}\n"
    (openai,) = read(entry("openai/gpt-4o", api_key="sk-x") + priced).prices
    (vllm,) = read(entry("hosted_vllm/llama", api_base="http://gpu:8000") + priced).prices
    assert {name: float(usd) for name, usd in openai.usd_per_million.items()} == {"input": 1, "cached": 1, "output": 4}
    assert {name: float(usd) for name, usd in vllm.usd_per_million.items()} == {"input": 2, "cached": 2, "output": 8}


def test_two_servers_of_one_model_may_have_two_prices() -> None:
    priced = entry("hosted_vllm/llama", api_base="http://a:1") + "    model_info: {input_cost_per_token: 1.0e-06}\n"
    other = priced.replace("http://a:1", "http://b:1").replace("1.0e-06", "3.0e-06").removeprefix("model_list:\n")
    config = read(priced + other)
    assert {price.model for price in config.prices} == {each.price_name for each in config.deployments}
    assert len({price.model for price in config.prices}) == 2


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("https://api.openai.com/v1", "openai/gpt-4o"),
        ("https://eu.api.openai.com/v1", "openai/gpt-4o"),
        ("https://gateway.example.com/v1", "gateway.example.com/gpt-4o"),
        ("https://notapi.openai.com.example.com/v1", "notapi.openai.com.example.com/gpt-4o"),
    ],
)
def test_openai_s_prices_are_those_of_openai_s_hosts(base: str, name: str) -> None:
    assert read(entry("openai/gpt-4o", api_base=base, api_key="sk-x")).deployments[0].price_name == name


def test_a_private_server_is_reached_without_a_word_and_other_keys_are_not_sent_there() -> None:
    assert read(entry("hosted_vllm/llama", api_base="http://10.0.0.7:8000", api_key="k")).deployments
    with pytest.raises(ConfigError, match="private_hosts"):
        read(entry("openai/llama", api_base="http://10.0.0.7:8000", api_key="k"))


def test_no_variable_is_read_that_is_not_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"AZURE_API_KEY": "k", "AZURE_API_BASE": "https://x.openai.azure.com"})
    (azure,) = read_config(entry("azure/mine"), name="c.yaml").deployments
    assert (azure.api_key, azure.tenant_id) == ("k", None)


def test_models_that_no_batch_of_ours_can_run_are_left_out_with_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    """A gateway's file serves more than batches; one that names a provider nobody knows is a mistake."""
    image = "    model_info: {mode: image_generation}\n"
    text = entry("anthropic/claude-sonnet-5") + entry("vertex_ai/imagen-4").removeprefix("model_list:\n") + image
    assert read(text).deployments == ()
    assert capsys.readouterr().out.count("config_model_ignored") == 2


def more(*entries: str) -> str:
    """Several entries in one list."""
    return "model_list:\n" + "".join(each.removeprefix("model_list:\n") for each in entries)


def warned(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def rate(config: Config, deployment: Deployment) -> Rate | None:
    book = Book.load(config.prices)
    return book.rate(deployment.price_name, location="global", day="2026-11-21", prompt_tokens=1)


# Prices


def test_a_pattern_s_own_price_is_that_of_each_of_its_models() -> None:
    text = entry("'openai/*'", api_key="sk-x", input_cost_per_token_batches="7.0e-06")
    config = read(text.replace("model_name: m", 'model_name: "*"'))
    for model in ("gpt-4o", "gpt-4o-mini"):
        (found,) = config.deployments_of(model)
        priced = rate(config, found)
        assert priced is not None
        assert priced.text == 7
        assert found.model == model


def test_a_pattern_without_a_price_has_those_of_its_models() -> None:
    config = read(entry("'openai/*'", api_key="sk-x").replace("model_name: m", 'model_name: "*"'))
    assert config.deployments_of("gpt-4o")[0].price_name == "openai/gpt-4o"


@pytest.mark.parametrize(
    ("said", "cached", "written"),
    [
        ({"cache_read_input_token_cost": "1.0e-06", "cache_creation_input_token_cost": "4.0e-06"}, "0.5", "2"),
        ({"cache_read_input_token_cost_batches": "1.0e-06", "cache_creation_input_token_cost": "4.0e-06"}, "1", "2"),
        ({"cache_creation_input_token_cost_batches": "4.0e-06"}, "1", "4"),
    ],
)
def test_what_a_cache_costs_is_read_as_litellm_calls_it(
    said: dict[str, str], cached: str, written: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = read(entry("openai/gpt-4o", api_key="sk-x", input_cost_per_token="2.0e-06", **said))
    priced = rate(config, config.deployments[0])
    assert priced is not None
    assert priced.cached_text == Decimal(cached)
    assert priced.text == 1
    assert priced.cache_write == Decimal(written)
    assert warned(capsys) == []


def test_a_cache_s_price_alone_leaves_the_book_s_in_place(capsys: pytest.CaptureFixture[str]) -> None:
    """Else the model would have no price for all the rest of its tokens."""
    config = read(entry("openai/gpt-4o", api_key="sk-x", cache_read_input_token_cost="1.0e-06"))
    assert (config.prices, config.deployments[0].price_name) == ((), "openai/gpt-4o")
    (warning,) = warned(capsys)
    assert (warning["message"], warning["keys"]) == ("config_keys_ignored", ["cache_read_input_token_cost"])


def test_at_vertex_a_batch_s_price_counts_and_others_are_left_with_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    """The book knows Vertex's batches better than half of a price does."""
    place = {"vertex_project": "p", "vertex_location": "global"}
    plain = read(entry("vertex_ai/gemini-2.5-flash", **place, input_cost_per_token="9.0e-06"))
    assert plain.prices == ()
    (warning,) = warned(capsys)
    assert (warning["message"], warning["keys"]) == ("config_keys_ignored", ["input_cost_per_token"])
    assert warning["file"] == "c.yaml:2"
    config = read(entry("vertex_ai/gemini-2.5-flash", **place, input_cost_per_token_batches="9.0e-06"))
    priced = rate(config, config.deployments[0])
    assert priced is not None
    assert priced.text == 9
    assert warned(capsys) == []


# What LiteLLM's users write as a model


def test_openai_s_models_need_no_prefix() -> None:
    (found,) = read(entry("gpt-4o", api_key="sk-x")).deployments
    assert (found.provider, found.model, found.price_name) == ("openai", "gpt-4o", "openai/gpt-4o")
    assert found.id == read(entry("openai/gpt-4o", api_key="sk-x")).deployments[0].id


@pytest.mark.parametrize(
    "model",
    ["claude-sonnet-4-5", "command-r", "text-completion-openai/davinci-002", "anthropic_text/claude-2", "poe/x"],
)
def test_what_only_others_run_is_left_out_with_a_word(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert read(entry(model, api_key="os.environ/NOT_SET")).deployments == ()
    (warning,) = warned(capsys)
    assert (warning["message"], warning["file"]) == ("config_model_ignored", "c.yaml:2")


ANY = entry('"*"').replace("model_name: m", 'model_name: "*"')


def test_any_model_is_what_variables_alone_give(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"VERTEXAI_PROJECT": "p", "OPENAI_API_KEY": "sk-openai", "HOSTED_VLLM_API_BASE": "http://gpu:8000"}
    monkeypatch.setattr(os, "environ", said)
    config = read(ANY)
    assert config.deployments == config_of_environment(said).deployments
    assert [each.provider for each in config.deployments_of("gpt-4o")] == ["openai"]
    named = read(ANY + "    model_info: {mode: chat}\n")
    assert [each.info for each in named.deployments] == [{"mode": "chat"}] * 3


def test_any_model_of_nobody_is_left_out_with_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "environ", {})
    assert read(ANY).deployments == ()
    assert [each["message"] for each in warned(capsys)] == ["config_model_ignored"]


def test_a_key_is_not_given_to_every_provider() -> None:
    with pytest.raises(ConfigError, match=r"^c\.yaml:5: .*api_key.* such as openai/\*"):
        read(ANY + "      api_key: sk-x\n")


# Who is who


def test_an_entry_s_own_id_outlives_its_neighbours() -> None:
    """Two accounts at one place: which is removed or comes first must not make one the other."""
    one = entry("openai/gpt-4o", api_key="sk-a") + "    model_info: {id: account-a}\n"
    two = entry("openai/gpt-4o", api_key="sk-b") + "    model_info: {id: 17}\n"
    keys = {each.id: each.api_key for each in read(more(one, two)).deployments}
    assert keys == {derived("account-a")[:16]: "sk-a", derived("17")[:16]: "sk-b"}
    assert {each.id: each.api_key for each in read(more(two, one)).deployments} == keys
    (left,) = read(more(two)).deployments
    assert keys[left.id] == "sk-b"


def test_two_entries_cannot_have_one_id() -> None:
    one = entry("openai/gpt-4o", api_key="sk-a") + "    model_info: {id: a}\n"
    with pytest.raises(ConfigError, match=r"^c\.yaml:11: model_info.id 'a' is also that of c\.yaml:2"):
        read(more(one, one))


def test_accounts_that_cannot_be_told_apart_are_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    one = entry("openai/gpt-4o", api_key="sk-a")
    read(more(one, one.replace("sk-a", "sk-b"), one.replace("sk-a", "sk-c")))
    (warning,) = warned(capsys)
    assert (warning["message"], warning["model"]) == ("config_accounts_alike", "m")
    assert warning["files"] == ["c.yaml:2", "c.yaml:6", "c.yaml:10"]


# Shares


@pytest.mark.parametrize(
    ("members", "weights", "warnings"),
    [
        ([{"rpm": 10}, {"rpm": 30}], [10, 30], 0),
        ([{"tpm": 1000}, {"tpm": 3000, "rpm": 5}], [1000, 3000], 0),
        ([{"rpm": 10, "tpm": 9}, {"rpm": 30, "tpm": 9}], [10, 30], 0),
        ([{"weight": 3}, {"rpm": 30}, {}], [3, 1, 1], 0),
        ([{"weight": 3}, {"weight": 0}], [3, 0], 0),
        ([{"weight": 0}, {"weight": 0}], [1, 1], 0),
        ([{"rpm": 10}, {"tpm": 100_000}], [1, 1], 1),
        ([{"rpm": 10}, {}], [1, 1], 1),
        ([{}, {}], [1, 1], 0),
    ],
)
def test_a_group_is_weighed_by_what_all_its_members_have(
    members: list[dict[str, int]], weights: list[float], warnings: int, capsys: pytest.CaptureFixture[str]
) -> None:
    servers = [
        entry("hosted_vllm/llama", api_base=f"http://gpu-{number}:8000", **params)
        for number, params in enumerate(members)
    ]
    assert [each.weight for each in read(more(*servers)).deployments] == weights
    assert [each["message"] for each in warned(capsys)] == ["config_weights_unlike"] * warnings


def test_groups_are_weighed_by_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    one = entry("openai/gpt-4o", api_key="sk-a", rpm=5)
    config = read(more(one, entry("openai/gpt-4o", api_key="sk-a", tpm=7).replace("model_name: m", "model_name: n")))
    assert [each.weight for each in config.deployments] == [5, 7]
    assert warned(capsys) == []


# Whose key goes where


@pytest.mark.parametrize("base", ["https://gateway.example.com/v1", "https://api.openai.com.example.com/v1"])
def test_openai_s_key_goes_nowhere_else(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    with pytest.raises(ConfigError, match=r"^c\.yaml:4: .*needs api_key.*OPENAI_API_KEY goes to OpenAI alone"):
        read(entry("openai/foo", api_base=base))


def test_a_server_that_needs_no_key_is_not_given_openai_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    text = entry("openai/foo", api_base="https://gpu.example.com/v1") + "    model_info: {batches: execute}\n"
    assert read(text).deployments[0].api_key is None


@pytest.mark.parametrize("said", ["https://eu.api.openai.com/v1", "os.environ/OPENAI_BASE_URL", None])
def test_openai_s_key_goes_to_openai_and_where_its_variables_point(
    said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gateway.example.com/v1/")
    (found,) = read(entry("openai/foo", **({} if said is None else {"api_base": said}))).deployments
    assert found.api_key == "sk-openai"


def test_a_line_has_to_end_within_one_message_whatever_the_file_allows() -> None:
    """LiteLLM's files often say 600."""
    assert read(entry("hosted_vllm/llama", api_base="http://gpu:8000", timeout=600)).deployments[0].timeout == 400


def test_a_deployment_is_found_again_though_its_name_fits_patterns_of_several_providers() -> None:
    config = config_of_environment({"OPENAI_API_KEY": "sk-x", "HOSTED_VLLM_API_BASE": "http://gpu:8000"})
    (found,) = config.deployments_of("llama", model="hosted_vllm/llama")
    assert config.deployment(found.id) == found
