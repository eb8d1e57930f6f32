"""What is sent with a key, team or user is given back, but never as what only the server can know."""

from typing import Any

import pytest

from functions.admin.rows import key_row, team_row, user_row
from shared.admin.asked import kept
from shared.domain.keys import Key, Team, User
from tests.functions.conftest import Api
from tests.functions.office import as_key, key_of, ok

FACTS: dict[str, Any] = {
    "updated_by": "admin",
    "org_id": "o",
    "litellm_budget_table": {"max_budget": 0},
    "litellm_organization_table": {"spend": 0},
    "hash": "f" * 64,
    "spend_exact": "0",
    "total_spend": 0,
    "reserved": 0,
    "owner": "admin",
    "model_spend": {"m": 0},
    "last_active": "1970",
    "rotation_count": 9,
    "team_max_budget": 9,
    "team_memberships": [],
    "members_count": 0,
}
KEPT = {"soft_budget": 1, "tpm_limit": 5, "aliases": {"a": "b"}, "organization_id": "o", "of_our_own": "x"}


def test_a_team_admin_gives_a_key_no_facts(api: Api) -> None:
    ok(api.post("/team/new", json={"team_id": "t", "members_with_roles": [{"user_id": "u", "role": "admin"}]}))
    made, admin = key_of(api, team_id="t"), key_of(api, user_id="u")
    plain = ok(api.get(f"/key/info?key={made['token']}"))["info"]
    ok(api.post("/key/update", json={"key": made["token"], **FACTS, **KEPT}, headers=as_key(admin["key"])))

    found = ok(api.get(f"/key/info?key={made['token']}"))["info"]
    assert {**found, "updated_at": ""} == {**plain, **KEPT, "updated_at": ""}
    [listed] = ok(api.get("/key/list?return_full_object=true&team_id=t"))["keys"]
    assert {name: listed[name] for name in FACTS if name in listed} == {
        name: plain[name] for name in FACTS if name in listed
    }


@pytest.mark.parametrize("path", ["/key/generate", "/team/new", "/user/new"])
def test_whoever_makes_something_gives_it_no_facts(api: Api, path: str) -> None:
    body = {"team_alias": "t"} if path.startswith("/team") else {"auto_create_key": False}
    body = {} if path.startswith("/key") else body
    plain = ok(api.post(path, json=body))
    made = ok(api.post(path, json={**body, **FACTS, **KEPT}))

    assert {name: made.get(name) for name in FACTS} == {name: plain.get(name) for name in FACTS}
    assert {name: made[name] for name in KEPT} == KEPT


def test_what_answers_say_beside_the_records_own_is_no_name_to_keep() -> None:
    """Each name in a row is one of a request, or one that is not kept."""
    at: dict[str, Any] = {"created_at": 0, "updated_at": 0}
    rows = [
        key_row(Key(id="i", key_id="k", key_name="n", created_by="b", **at, fields=kept("{}", FACTS))),
        team_row(Team(id="i", team_id="t", **at, fields=kept("{}", FACTS))),
        user_row(User(id="i", user_id="u", **at, fields=kept("{}", FACTS))),
    ]
    for row in rows:
        assert not [name for name, value in FACTS.items() if row.get(name) == value]
