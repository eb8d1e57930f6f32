"""The four functions: what they are told, how they are reached, how much they may use."""

import ast
from typing import Any

import pytest

from functions.start import EVENT_TARGETS
from shared.model_list import read_config
from shared.settings import Settings, calls_providers, read_settings
from tests.infra.gcp.plans import KMS_KEY, ROOT, VARIANTS, account, plan

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("terraform")]

SETTINGS = {field.alias for field in Settings.model_fields.values()}
PLATFORM = {"LOG_EXECUTION_ID", "THREADS"}  # functions-framework's own
SECRET = {"OFFPEAK_MASTER_KEY", "OFFPEAK_KEY_PEPPER"}
CALLERS = {"dead_letter", "work"}  # of providers

each_variant = pytest.mark.parametrize("variant", VARIANTS)


def functions(variant: str) -> dict[str, dict[str, Any]]:
    """By target."""
    found = plan(variant).of("google_cloudfunctions2_function").values()
    return {each["build_config"][0]["entry_point"]: each for each in found}


def service(function: dict[str, Any]) -> dict[str, Any]:
    return dict(function["service_config"][0])


@each_variant
def test_every_target_is_one_of_main(variant: str) -> None:
    tree = ast.parse((ROOT / "functions" / "main.py").read_text(encoding="utf-8"))
    offered = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert set(functions(variant)) == {"api", *EVENT_TARGETS}
    assert set(functions(variant)) <= offered


@each_variant
def test_they_are_told_exactly_what_the_settings_know(variant: str) -> None:
    for target, function in functions(variant).items():
        plain = set(service(function)["environment_variables"])
        secret = {each["key"] for each in service(function).get("secret_environment_variables", [])}
        assert plain == SETTINGS - SECRET | PLATFORM
        keys = set(VARIANTS[variant].get("provider_secrets", {})) if target in CALLERS else set()
        assert secret == (SECRET if target == "api" else keys)


def test_who_has_the_keys_of_providers_is_who_wants_them() -> None:
    """What the code of each target asks for is what it is given."""
    assert {target for target in functions("keys") if calls_providers({"FUNCTION_TARGET": target})} == CALLERS


def test_every_function_starts_with_the_keys_that_it_is_given() -> None:
    """`api` too, which has none and offers the models all the same; and all of them see the same deployments."""
    found = plan("keys").of("google_storage_bucket_object")["google_storage_bucket_object.config"]
    seen = []
    for target, function in functions("keys").items():
        given = {each["key"]: "sk-made-up" for each in service(function).get("secret_environment_variables", [])}
        wanted = calls_providers({"FUNCTION_TARGET": target})
        config = read_config(found["content"], name=target, environment=given, keys=wanted)
        assert {each.api_key for each in config.deployments} == ({"sk-made-up"} if wanted else {None})
        assert config.groups() == ["small", "other-account"]
        seen.append([each.id for each in config.deployments])
    assert seen[0] == seen[1] == seen[2] == seen[3]


@each_variant
def test_they_start_with_what_they_are_told(variant: str) -> None:
    """The values are of a kind that the settings accept."""
    for target, function in functions(variant).items():
        variables = dict(service(function)["environment_variables"])
        secrets = {
            each["key"]: "sk-made-up-for-this-test"
            for each in service(function).get("secret_environment_variables", [])
        }
        settings = read_settings({**variables, **secrets}, clients=target == "api")
        assert settings.objects == "gcs"
        assert settings.project == "offpeak-test"


@each_variant
def test_secrets_are_references_to_one_version(variant: str) -> None:
    for function in functions(variant).values():
        for each in service(function).get("secret_environment_variables", []):
            assert each["version"].isdigit()
            assert each["project_id"] == "offpeak-test"
    assert plan(variant).of("google_secret_manager_secret_version") == {}  # whatever Terraform makes, its state knows


def test_another_version_is_chosen_by_its_number() -> None:
    chosen = {
        each["secret"]: each["version"]
        for each in service(functions("everything")["api"])["secret_environment_variables"]
    }
    assert chosen == {"off-peak-master-key": "3", "off-peak-key-pepper": "1"}
    keys = {
        each["key"]: (each["secret"], each["version"])
        for each in service(functions("keys")["work"])["secret_environment_variables"]
    }
    assert keys == {
        "AZURE_API_KEY": ("offpeak-provider-AZURE_API_KEY", "1"),
        "OPENAI_API_KEY": ("offpeak-provider-OPENAI_API_KEY", "4"),
    }


@each_variant
def test_event_functions_are_inside_and_know_who_comes(variant: str) -> None:
    found = plan(variant)
    prefix = VARIANTS[variant].get("prefix", "offpeak")
    bindings = {each["name"]: each["members"] for each in found.of("google_cloud_run_v2_service_iam_binding").values()}
    for target, function in functions(variant).items():
        if target in EVENT_TARGETS:
            sender = "eventarc" if target == "predictions" else "push"
            assert service(function)["ingress_settings"] == "ALLOW_INTERNAL_ONLY"
            assert bindings[function["name"]] == [account(sender, prefix)]
        assert not function.get("event_trigger")  # it would bring a hidden subscription without dead letters


@pytest.mark.parametrize(
    ("variant", "ingress", "invokers"),
    [
        ("minimal", "ALLOW_ALL", None),
        ("named", "ALLOW_ALL", ["group:batchers@example.com"]),
        ("public", "ALLOW_ALL", ["allUsers"]),
        ("balancer", "ALLOW_INTERNAL_AND_GCLB", ["allUsers"]),
    ],
)
def test_api_is_as_open_as_was_asked(variant: str, ingress: str, invokers: list[str] | None) -> None:
    bindings = {
        each["name"]: each["members"] for each in plan(variant).of("google_cloud_run_v2_service_iam_binding").values()
    }
    assert service(functions(variant)["api"])["ingress_settings"] == ingress
    assert bindings.get("offpeak-api") == invokers


@each_variant
def test_no_function_outlives_its_message(variant: str) -> None:
    """Pub/Sub waits for 600 s and delivers again; two at the same message are one too many."""
    for target, function in functions(variant).items():
        limit = 540 if target in EVENT_TARGETS else 3600
        assert 60 <= service(function)["timeout_seconds"] <= limit


@each_variant
def test_threads_are_as_many_as_requests(variant: str) -> None:
    for function in functions(variant).values():
        size = service(function)
        assert size["environment_variables"]["THREADS"] == str(size["max_instance_request_concurrency"])
        assert size["environment_variables"]["LOG_EXECUTION_ID"] == "true"
        assert size["max_instance_count"] >= 1
        assert size["max_instance_request_concurrency"] == 1 or float(size["available_cpu"]) >= 1


@each_variant
def test_nothing_runs_while_nothing_happens(variant: str) -> None:
    assert {service(function)["min_instance_count"] for function in functions(variant).values()} == {0}


def test_sizes_can_be_changed_one_by_one() -> None:
    work = service(functions("everything")["work"])
    assert (work["available_memory"], work["max_instance_count"], work["max_instance_request_concurrency"]) == (
        "2Gi",
        100,
        1,
    )


@each_variant
def test_all_run_the_same_zip_whose_name_is_its_content(variant: str) -> None:
    sources = {str(function["build_config"][0]["source"]) for function in functions(variant).values()}
    assert len(sources) == 1
    uploaded = plan(variant).of("google_storage_bucket_object")["google_storage_bucket_object.source"]
    assert f"'{uploaded['name']}'" in sources.pop()
    assert len(uploaded["name"]) == len("source/") + 64 + len(".zip")


def test_with_a_key_everything_is_stored_under_it() -> None:
    found = plan("own_key")
    assert {each["kms_key_name"] for each in found.of("google_cloudfunctions2_function").values()} == {KMS_KEY}
    assert {each["kms_key_name"] for each in found.of("google_pubsub_topic").values()} == {KMS_KEY}
    assert {each["kms_key_name"] for each in found.of("google_artifact_registry_repository").values()} == {KMS_KEY}
    assert {each["encryption"][0]["default_kms_key_name"] for each in found.of("google_storage_bucket").values()} == {
        KMS_KEY
    }
