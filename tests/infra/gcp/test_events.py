"""What sets functions going, and what happens when they do not go."""

import base64
import json
from typing import Any

import pytest

from shared.config import Config
from shared.model_list import read_config
from tests.infra.gcp.plans import NUMBER, PROJECT, VARIANTS, account, plan

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("terraform")]

each_variant = pytest.mark.parametrize("variant", VARIANTS)


def prefix_of(variant: str) -> str:
    return str(VARIANTS[variant].get("prefix", "offpeak"))


def uploaded(variant: str) -> Config:
    """The configuration as the functions will read it."""
    found = plan(variant).of("google_storage_bucket_object")["google_storage_bucket_object.config"]
    return read_config(found["content"], name=found["name"], keys=False)


def subscriptions(variant: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in plan(variant).of("google_pubsub_subscription").values()}


@each_variant
def test_a_push_is_tried_again_for_long_and_not_for_ever(variant: str) -> None:
    for each in subscriptions(variant).values():
        assert each["ack_deadline_seconds"] == 600
        assert each["expiration_policy"] == [{"ttl": ""}]
        if each.get("push_config"):
            assert each["retry_policy"] == [{"minimum_backoff": "10s", "maximum_backoff": "600s"}]
            assert each["message_retention_duration"] == "604800s"


@each_variant
def test_a_message_that_always_fails_goes_to_a_topic_that_keeps_it(variant: str) -> None:
    """A topic without a subscription forgets; and Pub/Sub needs leave for both ends of the way."""
    prefix = prefix_of(variant)
    found = plan(variant)
    topics = [each["topic"] for each in subscriptions(variant).values()]
    agent = f"serviceAccount:service-{NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com"
    grants = {
        (grant["role"], grant.get("topic") or grant.get("subscription"))
        for _, grant in found.grants()
        if agent in grant["members"]
    }
    dying = [each for each in subscriptions(variant).values() if each.get("dead_letter_policy")]
    assert [each["name"] for each in dying] == [f"{prefix}-work"]
    for each in dying:
        policy = each["dead_letter_policy"][0]
        assert policy["max_delivery_attempts"] == 20
        assert policy["dead_letter_topic"] in topics
        assert ("roles/pubsub.publisher", policy["dead_letter_topic"].rpartition("/")[2]) in grants
        assert ("roles/pubsub.subscriber", each["name"]) in grants


@each_variant
def test_dead_letters_are_dealt_with_and_kept(variant: str) -> None:
    prefix = prefix_of(variant)
    behind = {
        name: each
        for name, each in subscriptions(variant).items()
        if each["topic"] == f"projects/{PROJECT}/topics/{prefix}-dead"
    }
    assert set(behind) == {f"{prefix}-dead-letter", f"{prefix}-dead-kept"}
    assert behind[f"{prefix}-dead-kept"]["push_config"] == []
    assert behind[f"{prefix}-dead-kept"]["message_retention_duration"] == f"{31 * 86400}s"


@each_variant
def test_who_delivers_is_whom_the_configuration_believes(variant: str) -> None:
    """Account and audience of every subscription are those that the functions will check."""
    prefix, events = prefix_of(variant), uploaded(variant).events
    assert events is not None
    assert events.issuer == "https://accounts.google.com"
    assert events.behind_iam, "Cloud Run takes the signature off what it has checked"
    for target, sender in (("work", events.work), ("dead_letter", events.dead_letter)):
        token = subscriptions(variant)[f"{prefix}-{target.replace('_', '-')}"]["push_config"][0]["oidc_token"][0]
        assert token["service_account_email"] == sender.account
        assert (token["audience"],) == sender.audience
    trigger = plan(variant).one("google_eventarc_trigger")
    assert trigger["service_account"] == events.predictions.account
    name = f"{prefix}-predictions"
    assert events.predictions.audience == (
        f"https://europe-west4-{PROJECT}.cloudfunctions.net/{name}",
        f"https://{name}-{NUMBER}.europe-west4.run.app",
    )


@each_variant
def test_no_two_functions_share_an_audience(variant: str) -> None:
    """A token for one is worth nothing at another."""
    events = uploaded(variant).events
    assert events is not None
    audiences = [*events.work.audience, *events.dead_letter.audience, *events.predictions.audience]
    assert len(set(audiences)) == len(audiences)


def test_the_operators_configuration_arrives() -> None:
    config = uploaded("minimal")
    assert config.groups() == ["gemini-2.5-flash", "gemini-2.5-pro"]
    assert config.limits.lines_per_batch == 200_000
    (price,) = config.prices
    assert (price.since, str(price.usd_per_million["cached"])) == ("2026-11-01", "0.03")


@each_variant
def test_finished_jobs_are_heard_of(variant: str) -> None:
    prefix = prefix_of(variant)
    trigger = plan(variant).one("google_eventarc_trigger")
    criteria = {each["attribute"]: each["value"] for each in trigger["matching_criteria"]}
    assert criteria == {"type": "google.cloud.storage.object.v1.finalized", "bucket": f"{PROJECT}-{prefix}-work"}
    assert trigger["location"] == plan(variant).one("google_storage_bucket", "work")["location"]
    assert trigger["destination"][0]["cloud_run_service"][0]["service"] == f"{prefix}-predictions"
    assert trigger["service_account"] == account("eventarc", prefix).removeprefix("serviceAccount:")


@each_variant
def test_the_sweep_comes_every_minute(variant: str) -> None:
    job = plan(variant).one("google_cloud_scheduler_job")
    assert job["schedule"] == "* * * * *"
    assert job["retry_config"][0]["retry_count"] == 3
    target = job["pubsub_target"][0]
    assert target["topic_name"] == f"projects/{PROJECT}/topics/{prefix_of(variant)}-steps"
    assert json.loads(base64.b64decode(target["data"])) == {"step": "sweep"}
