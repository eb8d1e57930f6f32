"""What admins do is on record: what was changed, however much else is sent, and of memberships whose."""

from collections.abc import Callable
from itertools import takewhile
from typing import Any

import pytest

from functions.admin.key_bodies import BODIES
from functions.admin.people_bodies import TEAM_BODIES, USER_BODIES
from shared.admin.asked import audit
from shared.domain.access import ADMIN
from tests.functions.conftest import Api
from tests.functions.office import key_of, ok

Facts = Callable[[], list[dict[str, Any]]]
MANY = {f"A{at:02}": at for at in range(60)}
NOTHING = ("kept; has no effect", "has no effect", "not supported")  # how descriptions begin of what does not act


@pytest.fixture
def acts(facts: Facts) -> Callable[[], list[dict[str, Any]]]:
    return lambda: [each for each in facts() if each["message"] == "admin_act"]


def test_fields_that_do_nothing_hide_none_that_acts(api: Api, acts: Facts) -> None:
    made = key_of(api, metadata={})
    ok(api.post("/key/update", json={"key": made["key"], **MANY, "max_budget": 9, "duration": "9d", "models": ["*"]}))

    _, act = acts()
    assert act["fields"][:3] == ["duration", "max_budget", "models"]
    assert act["fields"][3:] == sorted(MANY)[:47]
    assert act["more_fields"] == 13


def test_all_that_is_sent_is_told_where_it_is_little(api: Api, acts: Facts) -> None:
    key_of(api, key_alias="a", max_budget=1, soft_budget=2, aliases={})
    [act] = acts()
    assert act["fields"] == ["key_alias", "max_budget", "aliases", "soft_budget"]
    assert "more_fields" not in act


def test_every_field_that_a_body_says_it_acts_on_comes_first(acts: Facts) -> None:
    for model in (*BODIES.values(), *TEAM_BODIES.values(), *USER_BODIES.values()):
        told = {name: (field.description or "").lower() for name, field in model.model_fields.items()}
        acting = {name for name, says in told.items() if not says.startswith(NOTHING)}
        audit(ADMIN, "act", "target", {**dict.fromkeys(told), **MANY})
        [act] = acts()
        assert acting <= set(takewhile(lambda name: name not in MANY, act["fields"])), model


def test_who_comes_into_a_team_changes_there_and_leaves_it_is_on_record(api: Api, acts: Facts) -> None:
    first = {"user_id": "first", "role": "admin"}
    ok(api.post("/team/new", json={"team_id": "t", "members_with_roles": [first]}))
    ok(api.post("/user/new", json={"user_id": "known", "user_email": "k@example.com", "auto_create_key": False}))
    members = [{"user_id": "u", "role": "user"}, {"user_email": "k@example.com", "role": "admin"}]
    ok(api.post("/team/member_add", json={"team_id": "t", "member": members}))
    ok(api.post("/team/member_update", json={"team_id": "t", "user_id": "u", "role": "admin"}))
    ok(api.post("/team/member_delete", json={"team_id": "t", "user_email": "k@example.com"}))

    found = acts()
    assert [(each["act"], each["target"], each["members"]) for each in found if "members" in each] == [
        ("team/new", "t", [first]),
        ("team/member_add", "t", [{"user_id": "u", "role": "user"}, {"user_id": "known", "role": "admin"}]),
        ("team/member_update", "t", [{"user_id": "u", "role": "admin"}]),
        ("team/member_delete", "t", [{"user_id": "known", "role": "admin"}]),
    ]
    assert "example.com" not in str(found)
