"""Buckets and the database."""

from typing import Any

import pytest

from shared.domain.clock import DAY
from shared.domain.files import BATCH_LIFE
from shared.storage.firestore import layout
from tests.infra.gcp.plans import KMS_KEY, VARIANTS, plan

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("terraform")]

each_variant = pytest.mark.parametrize("variant", VARIANTS)
LONGEST_BATCH = 4  # days: completion_window 96h


def ages(bucket: dict[str, Any]) -> dict[str, int]:
    """After how many days what is deleted, by prefix."""
    found: dict[str, int] = {}
    for rule in bucket["lifecycle_rule"]:
        if rule["action"][0]["type"] == "Delete":
            condition = rule["condition"][0]
            assert condition["matches_prefix"], "a rule for the whole bucket"
            found |= dict.fromkeys(condition["matches_prefix"], condition["age"])
    return found


@each_variant
def test_buckets_are_closed_and_stay(variant: str) -> None:
    for bucket in plan(variant).of("google_storage_bucket").values():
        assert bucket["public_access_prevention"] == "enforced"
        assert bucket["uniform_bucket_level_access"] is True
        assert bucket["force_destroy"] is False
        assert bucket["versioning"] == [{"enabled": False}]
        assert not bucket["cors"]
        assert not bucket["website"]


def test_nothing_is_deleted_while_a_document_may_need_it() -> None:
    """`sweep` deletes; the rules are for what it does not know, and come later than the longest life."""
    data, work = (ages(plan("minimal").one("google_storage_bucket", kind)) for kind in ("data", "work"))
    assert set(data) == {
        "parts/",
        "rows/",
        "tmp/",
    }  # not files/: one without an expiry lives as long as its owner likes
    assert set(work) == {"in/", "out/", "tmp/"}
    assert min(*data.values(), work["in/"]) > LONGEST_BATCH + 1
    assert work["out/"] > BATCH_LIFE // DAY + LONGEST_BATCH
    assert ages(plan("minimal").one("google_storage_bucket", "source")) == {}


@each_variant
def test_pieces_of_broken_uploads_go_after_a_day(variant: str) -> None:
    for bucket in plan(variant).of("google_storage_bucket").values():
        aborts = [
            rule for rule in bucket["lifecycle_rule"] if rule["action"][0]["type"] == "AbortIncompleteMultipartUpload"
        ]
        assert [rule["condition"][0]["age"] for rule in aborts] == [1]


def test_deleted_files_can_be_restored_for_a_week_and_waste_cannot() -> None:
    kept = {
        kind: plan("minimal").one("google_storage_bucket", kind)["soft_delete_policy"][0]["retention_duration_seconds"]
        for kind in ("data", "work")
    }
    assert kept == {"data": 7 * 86400, "work": 0}


@each_variant
def test_the_database_is_not_lost_by_mistake(variant: str) -> None:
    database = plan(variant).one("google_firestore_database")
    assert database["name"] == VARIANTS[variant].get("prefix", "offpeak")
    assert database["type"] == "FIRESTORE_NATIVE"
    assert database["delete_protection_state"] == "DELETE_PROTECTION_ENABLED"
    assert database["deletion_policy"] == "ABANDON"
    assert [each["kms_key_name"] for each in database["cmek_config"]] == (
        [KMS_KEY] if "kms_key" in VARIANTS[variant] else []
    )


def test_every_query_has_its_index_and_every_index_its_query() -> None:
    """The emulator needs no index, so that a missing one would first be noticed in production."""
    needed = [(index.collection, index.fields) for index in layout.composite_indexes()]
    made = [
        (each["collection"], tuple((field["field_path"], field["order"]) for field in each["fields"]))
        for each in plan("minimal").of("google_firestore_index").values()
    ]
    assert sorted(made) == sorted(needed)
    assert len(set(needed)) == len(needed)


def test_what_nobody_searches_has_no_index() -> None:
    fields = plan("minimal").of("google_firestore_field").values()
    switched_off = [(each["collection"], each["field"]) for each in fields if each["index_config"] == [{"indexes": []}]]
    assert sorted(switched_off) == sorted(layout.unindexed_fields())
    assert len(switched_off) == len(fields)


def test_what_may_be_forgotten_is() -> None:
    fields = plan("minimal").of("google_firestore_field").values()
    assert {(each["collection"], each["field"]) for each in fields if each["ttl_config"]} == set(layout.ttl_fields())


def test_indexes_and_fields_are_of_our_database() -> None:
    found = plan("everything")
    of = {
        each["database"]
        for kind in ("google_firestore_index", "google_firestore_field")
        for each in found.of(kind).values()
    }
    assert of == {"off-peak"}
