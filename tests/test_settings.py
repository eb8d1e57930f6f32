import pytest

from shared.domain.errors import ConfigError
from shared.settings import EVENT_TARGETS, answers_clients, calls_providers, chosen_key, read_settings

CLOUD = {
    "OFFPEAK_DOCUMENTS": "firestore://my-project/offpeak",
    "OFFPEAK_OBJECTS": "gcs",
    "OFFPEAK_DATA_BUCKET": "data",
    "OFFPEAK_WORK_BUCKET": "work",
    "OFFPEAK_BUS": "pubsub://my-project/steps",
}
HERE = {**CLOUD, "OFFPEAK_DOCUMENTS": "sqlite:///d", "OFFPEAK_OBJECTS": "file:///o", "OFFPEAK_BUS": "sqlite:///b"}
KEY = {"OFFPEAK_MASTER_KEY": "sk-1234"}


def test_who_answers_clients_needs_the_master_key() -> None:
    with pytest.raises(ConfigError, match="OFFPEAK_MASTER_KEY: Field required"):
        read_settings(CLOUD)
    assert read_settings(CLOUD | KEY).master_key == "sk-1234"


def test_who_is_reached_by_events_alone_is_given_no_key() -> None:
    assert read_settings(CLOUD, clients=False).master_key == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OFFPEAK_MASTER_KEY", "sk-123"),
        ("OFFPEAK_MASTER_KEY", "   sk-1   "),
        ("OFFPEAK_KEY_PEPPER", "fifteen letters"),
    ],
)
@pytest.mark.parametrize("clients", [True, False])
def test_a_short_secret_is_a_mistake_wherever_it_stands(name: str, value: str, clients: bool) -> None:
    with pytest.raises(ConfigError, match=f"{name}: .*at least") as caught:
        read_settings(CLOUD | KEY | {name: value}, clients=clients)
    assert value not in str(caught.value)


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings({"OFFPEAK_OBJECTS": "s3://x"})

    for name in (*CLOUD, *KEY):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "project"),
    [(CLOUD, "my-project"), (HERE, None), (HERE | {"OFFPEAK_DOCUMENTS": "firestore://other"}, "other")],
)
def test_the_project_is_that_of_the_parts_in_the_cloud(changes: dict[str, str], project: str | None) -> None:
    assert read_settings(changes, clients=False).project == project


def test_secrets_are_not_shown() -> None:
    settings = read_settings(CLOUD | {"OFFPEAK_MASTER_KEY": "sk-canary", "OFFPEAK_KEY_PEPPER": "canary" * 5})

    assert "canary" not in repr(settings)


def without(name: str) -> dict[str, str]:
    return {each: value for each, value in {**CLOUD, **KEY}.items() if each != name}


def test_litellm_s_variables_count_where_ours_are_not_set() -> None:
    theirs = {"LITELLM_MASTER_KEY": "sk-of-litellm", "GCS_BUCKET_NAME": "theirs"}
    assert read_settings(without("OFFPEAK_MASTER_KEY") | theirs).master_key == "sk-of-litellm"
    assert read_settings({**CLOUD, **KEY, "OFFPEAK_MASTER_KEY": "", **theirs}).master_key == "sk-of-litellm"
    assert read_settings(without("OFFPEAK_WORK_BUCKET") | theirs).work_bucket == "theirs"
    ours = read_settings({**CLOUD, **KEY, **theirs})
    assert (ours.master_key, ours.work_bucket) == ("sk-1234", "work")


@pytest.mark.parametrize("value", ["bucket", "bucket/a/folder", "gs://bucket/folder"])
def test_a_folder_behind_litellm_s_bucket_is_left_off(value: str) -> None:
    both = {"GCS_BATCH_BUCKET_NAME": value, "GCS_BUCKET_NAME": "for-logs"}
    assert read_settings(without("OFFPEAK_WORK_BUCKET") | both).work_bucket == "bucket"


def test_a_mistake_is_that_of_the_variable_in_which_it_stands() -> None:
    with pytest.raises(ConfigError, match=r"LITELLM_MASTER_KEY: .*at least 7") as caught:
        read_settings(CLOUD | {"LITELLM_MASTER_KEY": "sk-12"})
    assert "OFFPEAK_MASTER_KEY" not in str(caught.value)
    assert "sk-12" not in str(caught.value)


def test_a_configuration_may_say_the_master_key_and_a_variable_wins() -> None:
    assert read_settings(CLOUD | {"OFFPEAK_CONFIG": "gs://b/c.yaml"}).master_key == ""
    assert chosen_key("sk-of-the-settings", "sk-of-the-file") == "sk-of-the-settings"
    assert chosen_key("", " sk-of-the-file ") == "sk-of-the-file"
    assert chosen_key("", None, clients=False) == ""


@pytest.mark.parametrize(("said", "reason"), [(None, "Field required"), ("", "at least 7"), ("sk-123  ", "at least 7")])
def test_clients_are_not_answered_without_a_key_worth_the_name(said: str | None, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        chosen_key("", said)


def test_each_target_is_told_what_it_needs() -> None:
    """What is no target of ours, such as a script, gets all of it."""
    targets: list[str | None] = ["api", "files", "batches", "work", "predictions", "dead_letter", None]
    environments = {target: {"FUNCTION_TARGET": target} if target else {} for target in targets}
    assert {each for each in targets if calls_providers(environments[each])} == {"work", "dead_letter", None}
    assert {each for each in targets if not answers_clients(environments[each])} == EVENT_TARGETS
