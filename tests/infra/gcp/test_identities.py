"""Who may do what, read as somebody who wants in."""

from collections import defaultdict
from itertools import product

import pytest

from tests.infra.gcp.plans import NUMBER, PROJECT, VARIANTS, Plan, account, plan

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("terraform")]

TARGETS = ("api", "dead-letter", "predictions", "work")
OURS = (*TARGETS, "build", "eventarc", "push")
DATA, SOURCE, WORK = (f"{PROJECT}-offpeak-{kind}" for kind in ("data", "source", "work"))

each_variant = pytest.mark.parametrize("variant", VARIANTS)


def rights(found: Plan, member: str) -> set[tuple[str, str, str]]:
    """What somebody may do: role, on what, and the condition."""
    all_of_it = set()
    for _, grant in found.grants():
        if member in grant["members"]:
            on = next(
                str(grant[name])
                for name in (
                    "bucket",
                    "topic",
                    "subscription",
                    "secret_id",
                    "service_account_id",
                    "repository",
                    "name",
                    "project",
                )
                if grant.get(name)
            )
            condition = grant["condition"][0]["expression"] if grant.get("condition") else ""
            all_of_it.add((grant["role"].removeprefix("roles/"), on, condition))
    return all_of_it


def under(bucket: str, *prefixes: str) -> str:
    return " || ".join(f'resource.name.startsWith("projects/_/buckets/{bucket}/objects/{each}")' for each in prefixes)


EVERYBODY = {
    ("datastore.user", PROJECT, f'resource.name == "projects/{PROJECT}/databases/offpeak"'),
    ("pubsub.publisher", "offpeak-steps", ""),
    ("storage.objectViewer", SOURCE, under(SOURCE, "config/")),
}
RUNNERS = EVERYBODY | {
    ("aiplatform.user", PROJECT, ""),
    ("storage.objectUser", DATA, ""),
    ("storage.objectUser", WORK, ""),
}


def test_each_account_has_what_it_needs_and_no_more() -> None:
    """The whole list: a new right has to be written down here, with the reason beside the grant."""
    found = plan("minimal")
    itself = f"projects/{PROJECT}/serviceAccounts/offpeak-api@{PROJECT}.iam.gserviceaccount.com"
    assert rights(found, account("api")) == EVERYBODY | {
        ("iam.serviceAccountTokenCreator", itself, ""),
        ("secretmanager.secretAccessor", "offpeak-key-pepper", ""),
        ("secretmanager.secretAccessor", "offpeak-master-key", ""),
        ("storage.legacyBucketReader", DATA, ""),
        ("storage.legacyBucketReader", WORK, ""),
        ("storage.objectUser", DATA, under(DATA, "files/", "parts/", "tmp/")),
        ("storage.objectViewer", WORK, under(WORK, "out/")),
    }
    assert rights(found, account("predictions")) == EVERYBODY | {
        (f"projects/{PROJECT}/roles/offpeak_job_reader", PROJECT, ""),
        ("storage.legacyBucketReader", WORK, ""),
    }
    assert rights(found, account("work")) == RUNNERS
    assert rights(found, account("dead-letter")) == RUNNERS
    assert rights(found, account("push")) == {
        ("run.invoker", "offpeak-work", ""),
        ("run.invoker", "offpeak-dead-letter", ""),
    }
    assert rights(found, account("eventarc")) == {
        ("eventarc.eventReceiver", PROJECT, ""),
        ("run.invoker", "offpeak-predictions", ""),
    }
    copies = f'resource.name.startsWith("projects/_/buckets/gcf-v2-sources-{NUMBER}-europe-west4")'
    assert rights(found, account("build")) == {
        ("artifactregistry.writer", "offpeak", ""),
        ("logging.logWriter", PROJECT, ""),
        (f"projects/{PROJECT}/roles/offpeak_source_reader", PROJECT, copies),
        ("storage.objectViewer", SOURCE, under(SOURCE, "source/")),
    }


def test_keys_of_providers_are_read_by_those_who_call_them() -> None:
    """Whoever breaks into `api`, which everybody reaches, finds no key there that anybody charges for."""
    found, before = plan("keys"), plan("minimal")
    keys = {
        ("secretmanager.secretAccessor", f"offpeak-provider-{name}", "") for name in ("AZURE_API_KEY", "OPENAI_API_KEY")
    }
    for name in OURS:
        more = keys if name in {"dead-letter", "work"} else set()
        assert rights(found, account(name)) == rights(before, account(name)) | more


def test_jobs_are_passed_through_by_api_where_there_are_buckets_for_them() -> None:
    found, before = plan("passthrough"), plan("minimal")
    reads = {("storage.objectViewer", "offpeak-jobs", "")}
    for name in OURS:
        more = {"api": reads | {("aiplatform.user", PROJECT, "")}, "work": reads, "dead-letter": reads}.get(name, set())
        assert rights(found, account(name)) == rights(before, account(name)) | more
    agent = f"serviceAccount:service-{NUMBER}@gcp-sa-aiplatform.iam.gserviceaccount.com"
    assert rights(found, agent) - rights(before, agent) == {
        ("storage.objectUser", "offpeak-jobs", ""),
        ("storage.legacyBucketReader", "offpeak-jobs", ""),
    }


def test_googles_own_accounts_get_little() -> None:
    found = plan("minimal")
    agents = {member for _, grant in found.grants() for member in grant["members"]} - {account(name) for name in OURS}
    delivering = [
        f"projects/{PROJECT}/serviceAccounts/offpeak-{name}@{PROJECT}.iam.gserviceaccount.com"
        for name in ("eventarc", "push")
    ]
    assert {member: rights(found, member) for member in agents} == {
        f"serviceAccount:service-{NUMBER}@gcp-sa-aiplatform.iam.gserviceaccount.com": {
            ("storage.objectUser", WORK, ""),
            ("storage.legacyBucketReader", WORK, ""),
        },
        f"serviceAccount:service-{NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com": {
            ("pubsub.publisher", "offpeak-dead", ""),
            ("pubsub.subscriber", "offpeak-work", ""),
            *(("iam.serviceAccountOpenIdTokenCreator", name, "") for name in delivering),
        },
        f"serviceAccount:service-{NUMBER}@gs-project-accounts.iam.gserviceaccount.com": {
            ("pubsub.publisher", PROJECT, "")
        },
    }


@each_variant
def test_nobody_gets_a_basic_role_or_all_buckets(variant: str) -> None:
    for address, grant in plan(variant).grants():
        role = grant["role"]
        assert role not in {"roles/owner", "roles/editor", "roles/viewer"}, address
        assert not role.endswith(("admin", "Admin", ".owner")), address
        if grant["kind"] == "google_project_iam_member":
            assert not role.startswith("roles/storage."), address
            assert role != "roles/secretmanager.secretAccessor", address
            assert role != "roles/iam.serviceAccountTokenCreator", address
            assert role != "roles/run.invoker", address


@each_variant
def test_default_accounts_are_not_used(variant: str) -> None:
    found = plan(variant)
    members = {member for _, grant in found.grants() for member in grant["members"]}
    accounts = {
        each["service_config"][0]["service_account_email"]
        for each in found.of("google_cloudfunctions2_function").values()
    }
    builders = {
        each["build_config"][0]["service_account"] for each in found.of("google_cloudfunctions2_function").values()
    }
    for name in members | accounts | builders:
        assert not name.endswith(
            (
                "-compute@developer.gserviceaccount.com",
                "@appspot.gserviceaccount.com",
                "@cloudbuild.gserviceaccount.com",
            )
        )
    assert None not in builders | accounts


@each_variant
def test_every_function_runs_as_somebody_else(variant: str) -> None:
    functions = plan(variant).of("google_cloudfunctions2_function").values()
    accounts = [each["service_config"][0]["service_account_email"] for each in functions]
    assert len(set(accounts)) == len(accounts) == 4


@each_variant
def test_everybody_means_api_alone(variant: str) -> None:
    """And api only where that was asked for."""
    public = [
        address
        for address, grant in plan(variant).grants()
        if {"allUsers", "allAuthenticatedUsers"} & set(grant["members"])
    ]
    asked = VARIANTS[variant].get("access", "private") != "private"
    assert public == (['module.function["api"].google_cloud_run_v2_service_iam_binding.invokers[0]'] if asked else [])


@each_variant
def test_invokers_are_the_whole_list(variant: str) -> None:
    """A binding takes away what was given by hand; a member would leave it."""
    kinds = {grant["kind"] for _, grant in plan(variant).grants() if grant["role"] == "roles/run.invoker"}
    assert kinds == {"google_cloud_run_v2_service_iam_binding"}


def test_other_projects_are_let_into_the_work_bucket_only() -> None:
    found = plan("everything")
    there = "serviceAccount:service-210987654321@gcp-sa-aiplatform.iam.gserviceaccount.com"
    buckets = {on for _, on, _ in rights(found, there)}
    assert buckets == {f"{PROJECT}-off-peak-work", "offpeak-media"}
    granted: dict[str, set[str]] = defaultdict(set)
    for _, grant in found.grants():
        if grant["role"] == "roles/aiplatform.user":
            granted[grant["project"]] |= set(grant["members"])
    callers = {account(name, "off-peak") for name in ("dead-letter", "work")}
    assert granted == {PROJECT: callers, "models-prod": callers}


def test_whoever_uses_a_key_may_use_it() -> None:
    """Eight services store something for us; a grant that is missing stops the deployment half-way."""
    found = plan("own_key")
    granted = found.of("google_kms_crypto_key_iam_member").values()
    assert {each["role"] for each in granted} == {"roles/cloudkms.cryptoKeyEncrypterDecrypter"}
    assert {each["member"].split("@")[1].split(".")[0] for each in granted} == {
        "gcf-admin-robot", "gcp-sa-artifactregistry", "gcp-sa-eventarc", "gcp-sa-firestore", "gcp-sa-pubsub",
        "gcp-sa-secretmanager", "gs-project-accounts", "serverless-robot-prod",
    }  # fmt: skip


def test_names_leave_room_for_two_deployments() -> None:
    """Nothing of one deployment is called like anything of another one with another prefix."""
    one, other = (
        {name for kind in NAMED for name in _names(plan(variant), kind)} for variant in ("balancer", "everything")
    )
    assert not one & other
    assert len(one) > 20


NAMED = {
    "google_cloudfunctions2_function": "name",
    "google_storage_bucket": "name",
    "google_pubsub_topic": "name",
    "google_pubsub_subscription": "name",
    "google_firestore_database": "name",
    "google_secret_manager_secret": "secret_id",
    "google_service_account": "account_id",
    "google_artifact_registry_repository": "repository_id",
    "google_cloud_scheduler_job": "name",
    "google_eventarc_trigger": "name",
    "google_logging_metric": "name",
    "google_project_iam_custom_role": "role_id",
    "google_compute_security_policy": "name",
}


def _names(found: Plan, kind: str) -> list[str]:
    return [f"{kind} {each[NAMED[kind]]}" for each in found.of(kind).values()]


def test_every_pair_of_a_function_and_a_secret_is_decided() -> None:
    """Only what answers clients has something to compare a key with."""
    found = plan("keys")
    for target, secret in product(TARGETS, ("offpeak-key-pepper", "offpeak-master-key")):
        allowed = ("secretmanager.secretAccessor", secret, "") in rights(found, account(target))
        assert allowed == (target == "api")
