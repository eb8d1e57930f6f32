"""What is asked for is what every report is of: whatever the filter, and wherever the span begins and ends."""

from decimal import Decimal
from typing import Any

import pytest

from shared.domain.clock import HOUR
from tests.functions.conftest import Api
from tests.functions.office import ok
from tests.functions.spending import SPAN, TODAY, charge


def test_reports_of_one_span_agree_whatever_its_borders(api: Api) -> None:
    """At 08:00 and at 10:00 something was charged: until nine there is the first, in every report."""
    charge(api, "batch_a", 5, tags=("t",), user="ann")
    api.clock.pass_by(2 * HOUR)
    charge(api, "batch_b", 70, tags=("t",), user="ann")
    for hours, due in (("07", 5), ("09", 0), ("10", 70)):
        until = {"07": "09:00", "09": "09:30", "10": "23:59:59"}[hours]
        both = f"start_date={TODAY}T{hours}:00&end_date={TODAY} {until}"
        exact = f"{Decimal(due).scaleb(-9):.9f}"

        def get(path: str, both: str = both) -> Any:
            return ok(api.get(f"{path}{both}"))

        def added(found: list[Any], name: str) -> str:
            return f"{sum((Decimal(each[name]) for each in found), Decimal(0)):.9f}"

        assert added(get("/spend/logs?summarize=false&"), "spend_exact") == exact
        assert added([each for each in get("/spend/logs?") if each["spend"]], "spend_exact") == exact
        assert added(get("/spend/logs/v2?")["data"], "spend_exact") == exact
        assert added(get("/spend/tags?"), "total_spend_exact") == exact
        assert added(get("/global/spend/tags?")["spend_per_tag"], "spend_exact") == exact
        for group in ("api_key", "model", "tag"):
            assert added(get(f"/global/spend/report?group_by={group}&"), "total_cost_exact") == exact
        for who in ("user", "team", "tag"):
            assert get(f"/{who}/daily/activity?")["metadata"]["total_spend_exact"] == exact


@pytest.mark.parametrize("name", ["model_id=nope", "request_id=nope", "request_id=batch_b"])
def test_a_filter_is_heard_by_every_report(api: Api, name: str) -> None:
    charge(api, "batch_a", 5, tags=("t",))
    for path in (
        *(f"/spend/logs?{SPAN}&", f"/spend/logs/v2?{SPAN}&", f"/spend/logs?{SPAN}&summarize=false&"),
        *("/spend/tags?", f"/spend/tags?{SPAN}&", f"/global/spend/tags?{SPAN}&"),
        *(f"/global/spend/report?{SPAN}&group_by={group}&" for group in ("team", "api_key", "model", "tag")),
        *(f"/global/spend{each}?" for each in ("", "/logs", "/keys", "/models", "/teams")),
        *(f"/{who}/daily/activity?{SPAN}&" for who in ("user", "team", "tag")),
    ):
        with_it, without = api.get(f"{path}{name}"), api.get(path)
        assert (with_it.status_code, without.status_code) == (200, 200)
        assert "0.000000005" in without.text, path
        assert "0.000000005" not in with_it.text, path


def test_with_a_customer_there_is_nothing_in_any_report(api: Api) -> None:
    charge(api, "batch_a", 5, tags=("t",))
    for group in ("team", "customer", "api_key", "model", "tag"):
        path = f"/global/spend/report?{SPAN}&group_by={group}"
        assert ok(api.get(path))
        assert ok(api.get(f"{path}&customer_id=x")) == []


@pytest.mark.parametrize("who", ["customer", "organization"])
def test_there_are_no_customers_and_no_organizations(api: Api, who: str) -> None:
    charge(api, "batch_a", 5)
    page = ok(api.get(f"/{who}/daily/activity?{SPAN}&page_size=10"))
    assert page["results"] == []
    assert (page["metadata"]["total_spend"], page["metadata"]["total_pages"]) == (0.0, 0)
    assert api.get(f"/{who}/daily/activity").status_code == 400
    assert len(api.get(f"/{who}/daily/activity?{SPAN}&format=csv").text.splitlines()) == 1
