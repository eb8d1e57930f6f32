"""Names that teams and users may have, and that reports have for something else."""

from typing import Any

import pytest

from tests.functions.conftest import Api
from tests.functions.office import ok
from tests.functions.spending import SPAN, TODAY, charge


@pytest.mark.parametrize("by", ["user", "team"])
def test_who_is_called_as_nobody_is_hides_nobody(api: Api, by: str) -> None:
    charge(api, "batch_a", 5)
    called: dict[str, Any] = {by: "Unassigned"}
    charge(api, "batch_b", 70, **called)
    [day] = ok(api.get(f"/{by}/daily/activity?{SPAN}"))["results"]
    entities: dict[str, Any] = day["breakdown"]["entities"]

    assert {name: each["metrics"]["spend_exact"] for name, each in entities.items()} == {"Unassigned": "0.000000075"}
    assert day["metrics"]["spend_exact"] == "0.000000075"


@pytest.mark.parametrize(
    ("id", "alias", "shown"), [("t", "date", "t"), ("date", "date", "team date"), ("date", "x", "x")]
)
def test_a_team_called_date_hides_no_date(api: Api, id: str, alias: str, shown: str) -> None:
    ok(api.post("/team/new", json={"team_id": id, "team_alias": alias}))
    charge(api, "batch_a", 5, team=id)
    charge(api, "batch_b", 70)
    found = ok(api.get("/global/spend/teams"))

    assert found["daily_spend"] == [{"date": TODAY, shown: 5e-9, "Unassigned": 7e-8}]
    assert found["teams"] == [shown, "Unassigned"] or found["teams"] == ["Unassigned", shown]
