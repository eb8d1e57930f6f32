"""What a configuration may say, and what is said of one that is wrong: always with file and line."""

from decimal import Decimal

import pytest

from shared.app import configuration, open_provider
from shared.config import Config
from shared.domain.errors import ConfigError
from shared.domain.ids import derived
from shared.pricing.book import Book
from shared.providers.base import Media

FLASH = """
model_list:
  - model_name: flash
    litellm_params:
      model: vertex_ai/gemini-2.5-flash
      vertex_project: p
      vertex_location: us-central1
"""

MINI = """
model_list:
  - model_name: mini
    litellm_params:
      model: openai/gpt-4o-mini
      api_key: os.environ/OPENAI_KEY
"""


@pytest.fixture(autouse=True)
def openai_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_KEY", "sk-from-the-environment")


def read(text: str) -> Config:
    return configuration(text, name="c.yaml")


def test_a_group_is_named_with_or_without_a_provider_s_prefix() -> None:
    config = read(FLASH)
    assert config.groups() == ["flash"]
    for model in ("flash", "vertex_ai/flash", "google/flash", "publishers/google/models/flash"):
        assert config.group_of(model) == "flash"
    assert config.group_of("gemini-2.5-flash") is None


def test_a_deployment_keeps_its_id_when_the_file_around_it_changes() -> None:
    """Shards remember it: jobs run while somebody edits the file."""
    before = read(FLASH).deployments[0].id
    other = FLASH.replace("flash", "pro").removeprefix("\nmodel_list:\n")
    after = read(f"model_list:\n{other}{FLASH.removeprefix(chr(10) + 'model_list:' + chr(10))}")
    assert [each.group for each in after.deployments] == ["pro", "flash"]
    assert after.deployments[1].id == before
    assert after.deployments[0].id != before
    assert read(FLASH + "      api_base: http://127.0.0.1:1\n").deployments[0].id == before


def test_what_is_not_ours_is_left_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Users bring files with many other sections; a variable that only those name need not be set."""
    config = read(FLASH + "      num_retries: 5\nlitellm_settings: {cache: os.environ/NOT_SET}\n")
    assert config.groups() == ["flash"]
    said = capsys.readouterr().out
    assert "litellm_settings" in said
    assert "num_retries" in said


def test_the_design_s_own_settings_are_accepted() -> None:
    config = read(FLASH + "offpeak: {visibility: own, passthrough_buckets: [b], media_buckets: [m]}\n")
    assert config.media_buckets == ("m",)


def test_variables_are_put_in_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJECT", "from-the-environment")
    config = read(FLASH.replace("vertex_project: p", "vertex_project: os.environ/PROJECT"))
    assert config.deployments[0].project == "from-the-environment"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("model_list: [", 1, "not valid YAML"),
        ("- a", 1, "expected a mapping"),
        ("\nmodel_list: 5", 2, "is a list"),
        (FLASH.replace("vertex_ai/", ""), 5, "needs its provider"),
        (FLASH.replace("vertex_ai/", "vertexai/"), 5, "'vertexai' is not offered"),
        (MINI.replace("      api_key: os.environ/OPENAI_KEY\n", ""), 5, "needs api_key"),
        (MINI.replace("os.environ/OPENAI_KEY", '"sk a"'), 5, "no header can carry"),
        (MINI.replace("os.environ/OPENAI_KEY", "os.environ/NOT_SET"), 6, "NOT_SET is not set"),
        (MINI.replace("openai/gpt-4o-mini", "openai/"), 5, "needs a name"),
        (MINI + "      input_cost_per_token_batches: much\n", 3, "dollars per token"),
        (FLASH.replace("gemini-2.5-flash", "imagen-4"), 5, "imagen-4"),
        (FLASH.replace("us-central1", "global").replace("gemini-2.5-flash", "claude-sonnet-4-5@20250929"), 5, "global"),
        (FLASH.replace("      vertex_location: us-central1\n", ""), 5, "vertex_location"),
        (FLASH.replace("vertex_project: p", "vertex_project: os.environ/NOT_SET"), 6, "NOT_SET is not set"),
        (FLASH + "offpeak:\n  limits: {lines_per_batch: 0}\n", 9, "greater than or equal to 1"),
        (FLASH + "offpeak:\n  limit: {}\n", 9, "not permitted"),
        (FLASH + "offpeak:\n  prices:\n    - model: m\n      usd_per_million: {input: much}\n", 11, "valid decimal"),
    ],
)
def test_a_mistake_is_reported_with_file_and_line(text: str, line: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        read(text)
    assert str(caught.value).startswith(f"c.yaml:{line}: ")


def test_a_price_with_an_unquoted_day_is_read() -> None:
    config = read(FLASH + "offpeak:\n  prices:\n    - {model: m, since: 2026-11-01, usd_per_million: {input: 0.15}}\n")
    assert (config.prices[0].since, str(config.prices[0].usd_per_million["input"])) == ("2026-11-01", "0.15")


def test_a_rate_that_does_not_exist_is_a_mistake_at_start() -> None:
    prices = "offpeak:\n  prices:\n    - {model: m, usd_per_million: {inputt: 1}}\n"
    with pytest.raises(ConfigError, match=r"^c\.yaml:10: offpeak\.prices\[0\] \(m\): .*inputt"):
        read(FLASH + prices)


def test_a_price_is_numbered_as_in_its_own_list() -> None:
    """Prices of entries come before it, and are none of `offpeak.prices`."""
    listed = MINI + "      input_cost_per_token: 1.0e-06\n"
    prices = """offpeak:
  prices:
    - {model: m, usd_per_million: {input: 1}}
    - {model: n, since: 2026-12-01, until: 2026-11-01, usd_per_million: {input: 1}}
"""
    with pytest.raises(ConfigError, match=r"^c\.yaml:11: offpeak\.prices\[1\] \(n\): since 2026-12-01 is after"):
        read(listed + prices)


def test_a_price_of_an_entry_is_reported_where_the_entry_stands() -> None:
    with pytest.raises(ConfigError, match=r"^c\.yaml:3: .*input: -0\.\d+ is not a price") as caught:
        read(MINI + "      input_cost_per_token: -1.0e-07\n")
    assert "offpeak.prices" not in str(caught.value)


SENDERS = """
offpeak:
  events:
    work: {account: push@p.iam.gserviceaccount.com, audience: https://work}
    predictions: {account: trigger@p.iam.gserviceaccount.com, audience: [https://one, https://two]}
    dead_letter: {account: push@p.iam.gserviceaccount.com, audience: https://dead}
"""


def test_who_delivers_events_stands_in_the_configuration() -> None:
    events = read(FLASH + SENDERS).events

    assert events is not None
    assert (events.work.account, events.work.audience) == ("push@p.iam.gserviceaccount.com", ("https://work",))
    assert events.predictions.audience == ("https://one", "https://two")
    assert events.issuer == "https://accounts.google.com"
    assert read(FLASH).events is None


@pytest.mark.parametrize(
    ("was", "becomes", "words"),
    [
        ("account: trigger@p.iam.gserviceaccount.com", "account: ''", "at least 1 character"),
        ("audience: [https://one, https://two]", "audience: []", "at least 1 item"),
        ("audience: [https://one, https://two]", "audience: ''", "at least 1 character"),
        ("audience: https://work", "audiences: https://work", "Field required"),
        ("    dead_letter: {account: push@p.iam.gserviceaccount.com, audience: https://dead}\n", "", "Field required"),
    ],
)
def test_a_lock_that_would_stay_open_is_refused(was: str, becomes: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read(FLASH + SENDERS.replace(was, becomes))


def test_an_openai_model_needs_its_key_alone() -> None:
    config = read(MINI)
    (mini,) = config.deployments
    assert (mini.provider, mini.model, mini.api_key) == ("openai", "gpt-4o-mini", "sk-from-the-environment")
    assert "from-the-environment" not in repr(config)
    assert config.group_of("openai/mini") == "mini"
    assert open_provider(mini, Media()).price_model == "openai/gpt-4o-mini"


def test_ids_of_vertex_deployments_are_what_they_were() -> None:
    """Shards that are on their way remember them."""
    assert read(FLASH).deployments[0].id == derived("flash", "vertex_ai", "gemini-2.5-flash", "p", "us-central1")[:16]


def test_another_account_or_another_place_is_another_deployment() -> None:
    texts = (MINI, MINI + "      organization: org-1\n", MINI + "      api_base: https://other.example/v1\n")
    ids = [read(text).deployments[0].id for text in texts]
    assert len(set(ids)) == 3
    assert read(MINI.replace("os.environ/OPENAI_KEY", "sk-new")).deployments[0].id == ids[0]


@pytest.mark.parametrize(
    "base",
    [
        "https://eu.api.openai.com/v1",
        "http://127.0.0.1:8000/v1",
        "http://localhost:8000",
        "http://[::1]:8000/v1",
        "http://vllm.internal:8000/v1",
        "https://10.0.0.7/v1",
    ],
)
def test_a_key_goes_where_it_is_safe_or_where_the_configuration_says_by_name(base: str) -> None:
    named = "offpeak: {private_hosts: [vllm.internal, 10.0.0.7]}\n"
    assert read(f"{MINI}      api_base: '{base}'\n{named}").deployments[0].api_base == base


@pytest.mark.parametrize(
    "base",
    [
        "http://api.openai.com/v1",
        "http://vllm.internal:8000/v1",
        "http://10.0.0.7/v1",
        "https://10.0.0.7/v1",
        "https://169.254.169.254/v1",
        "https://0x7f.1/v1",
        "https://2130706433/v1",
        "https://[fd00::1]/v1",
        "https://user:secret@api.openai.com/v1",
        "https://api.openai.com/v1?key=x",
        "ftp://api.openai.com/v1",
        "https:///v1",
        "api.openai.com/v1",
        "http://localhost.example/v1",
        "http://127.0.0.1.example/v1",
    ],
)
def test_a_key_goes_nowhere_else(base: str) -> None:
    with pytest.raises(ConfigError, match=r"^c\.yaml:7: api_base ") as caught:
        read(f"{MINI}      api_base: '{base}'\n")
    assert "secret" not in str(caught.value)


def test_litellm_s_own_prices_of_a_batch_are_taken_and_ours_win() -> None:
    listed = MINI + "    model_info: {input_cost_per_token_batches: 7.5e-08, output_cost_per_token_batches: '3e-7'}\n"
    config = read(listed)
    (price,) = config.prices
    assert price.model == config.deployments[0].price_name
    assert price.usd_per_million == {"input": Decimal("0.075"), "cached": Decimal("0.075"), "output": Decimal("0.3")}
    ours = "offpeak: {prices: [{model: openai/gpt-4o-mini, usd_per_million: {input: '1'}}]}\n"
    rate = Book.load(read(listed + ours).prices).rate(
        config.deployments[0].price_name, location="global", day="2026-11-21", prompt_tokens=1
    )
    assert rate is not None
    assert rate.text == 1
    assert read(MINI).prices == ()
