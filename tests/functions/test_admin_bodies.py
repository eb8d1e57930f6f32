import pytest

from functions.admin import keys, teams, users
from functions.admin.schemas import BODIES

ROUTES = (*keys.ROUTES, *teams.ROUTES, *users.ROUTES)


def test_every_route_that_is_sent_something_has_a_body() -> None:
    assert set(BODIES) == {f"POST {each.path}" for each in ROUTES if each.method == "POST"}


@pytest.mark.parametrize("route", BODIES)
def test_a_body_is_described_field_by_field_and_takes_more(route: str) -> None:
    schema = BODIES[route].model_json_schema()
    assert schema["additionalProperties"] is True
    assert schema["description"]
    assert all(each.get("description") for each in schema["properties"].values())
