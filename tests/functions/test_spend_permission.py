"""A key that an admin lets read what everybody has spent, and does not let do more."""

from typing import Any

import pytest

from tests.functions.conftest import Api
from tests.functions.office import as_key, key_of, ok, told

DAYS = "?start_date=2026-11-01&end_date=2026-11-02"


def test_the_permission_opens_the_reports_about_all_and_nothing_else(api: Api) -> None:
    reader = as_key(key_of(api, user_id="u", permissions={"get_spend_routes": True})["key"])
    for path in ("", "/report", "/logs", "/keys", "/models", "/teams", "/tags"):
        assert api.get(f"/global/spend{path}{DAYS}", headers=reader).status_code == 200, path
    assert api.get("/user/list", headers=reader).status_code == 403
    assert api.get("/team/info?team_id=foreign", headers=reader).status_code == 404
    assert api.post("/key/generate", json={}, headers=reader).status_code == 403
    assert ok(api.get("/key/list", headers=reader))["total_count"] == 1


@pytest.mark.parametrize("permissions", [{}, None, {"get_spend_routes": False}, {"other": True}])
def test_without_it_they_stay_closed(api: Api, permissions: Any) -> None:
    other = as_key(key_of(api, permissions=permissions)["key"])
    assert api.get(f"/global/spend/report{DAYS}", headers=other).status_code == 403


def test_it_is_taken_away_at_once(api: Api) -> None:
    made = key_of(api, permissions={"get_spend_routes": True})
    ok(api.post("/key/update", json={"key": made["key"], "permissions": {}}))
    assert api.get(f"/global/spend/report{DAYS}", headers=as_key(made["key"])).status_code == 403


def test_a_teams_admin_gives_no_permissions(api: Api) -> None:
    ok(api.post("/team/new", json={"team_id": "t", "members_with_roles": [{"role": "admin", "user_id": "lead"}]}))
    lead = as_key(key_of(api, user_id="lead", team_id="t")["key"])
    wanted = {"permissions": {"get_spend_routes": True}}
    assert told(api.post("/key/generate", json={"team_id": "t", **wanted}, headers=lead))[:2] == (403, "permissions")
    made = ok(api.post("/key/generate", json={"team_id": "t", "permissions": {}}, headers=lead))
    for path in ("/key/update", "/key/regenerate"):
        refused = told(api.post(path, json={"key": made["token"], **wanted}, headers=lead))
        assert refused[:2] == (403, "permissions")
