"""What a configuration may say, and what is said of one that is wrong: always with file and line."""

import pytest

from shared.app import configuration
from shared.config import Config
from shared.domain.errors import ConfigError

FLASH = """
model_list:
  - model_name: flash
    litellm_params:
      model: vertex_ai/gemini-2.5-flash
      vertex_project: p
      vertex_location: us-central1
"""


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
    config = read(FLASH + "      rpm: 5\ngeneral_settings: {master_key: os.environ/NOT_SET}\n")
    assert config.groups() == ["flash"]
    said = capsys.readouterr().out
    assert "general_settings" in said
    assert "rpm" in said


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
        (FLASH.replace("vertex_ai/", "azure/"), 5, "'azure' is not offered"),
        (FLASH.replace("gemini-2.5-flash", "text-embedding-005"), 5, "not offered yet"),
        (FLASH.replace("gemini-2.5-flash", "claude-sonnet-5"), 5, "not offered yet"),
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
    with pytest.raises(ConfigError, match=r"^c\.yaml: offpeak\.prices\[0\].*inputt"):
        read(FLASH + prices)


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
