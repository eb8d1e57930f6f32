"""Pages that show spend send all of their filters, and empty ones where nothing is meant."""

import pytest

from tests.functions.conftest import Api
from tests.functions.office import ok, told

ALL = "/spend/logs/v2?start_date=2027-01-01&end_date=2027-01-31"
FILTERS = ("session_id", "error_code", "error_message", "cache_hit_filter", "used_client_oauth_token", "search")


@pytest.mark.parametrize("name", [*FILTERS, "end_user", "status_filter"])
def test_an_empty_filter_is_none(api: Api, name: str) -> None:
    assert ok(api.get(f"{ALL}&{name}="))["data"] == ok(api.get(ALL))["data"]


@pytest.mark.parametrize("name", FILTERS)
def test_one_that_nothing_here_can_answer_is_refused(api: Api, name: str) -> None:
    assert told(api.get(f"{ALL}&{name}=x"))[:2] == (400, name)
