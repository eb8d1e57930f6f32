import pytest

from shared.domain.errors import ConfigError
from shared.settings import read_settings

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
