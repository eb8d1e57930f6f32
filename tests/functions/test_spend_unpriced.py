"""What has no known price is not free: where LiteLLM has a number there is one, and beside it that nothing is known."""

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.cost import Cost
from tests.functions.conftest import Api
from tests.functions.office import ok
from tests.functions.spending import SPAN, charge

LISTS = (
    f"/spend/logs?{SPAN}",
    "/spend/tags",
    *(f"/global/spend/report?{SPAN}&group_by={group}" for group in ("team", "customer", "api_key", "model", "tag")),
    *("/global/spend/logs", "/global/spend/keys", "/global/spend/models"),
)
OBJECTS = ("/global/spend", "/global/spend/teams", f"/global/spend/tags?{SPAN}")
ACTIVITY = tuple(f"/{who}/daily/activity?{SPAN}" for who in ("user", "team", "tag"))


def amounts(value: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Every amount in an answer that has an exact one: number, exact amount, and requests without a known price."""
    for each in value if isinstance(value, list) else ():
        yield from amounts(each)
    if isinstance(value, dict):
        for name, number in value.items():
            yield from amounts(number)
            if f"{name}_exact" in value:
                unpriced = "total_unpriced_requests" if "total_api_requests" in value else "unpriced_requests"
                yield number, value[f"{name}_exact"], value[unpriced]


@pytest.mark.parametrize("path", [*LISTS, *OBJECTS, *ACTIVITY])
def test_an_unknown_amount_is_null_and_counted(api: Api, path: str) -> None:
    charge(api, "batch_u", 0, cost=Cost(unpriced_lines=3), tags=("t",))
    found = list(amounts(ok(api.get(path))))
    assert found
    assert set(found) == {(0.0, None, 3)}

    charge(api, "batch_p", 5, tags=("t",))
    assert set(amounts(ok(api.get(path)))) == {(5e-9, "0.000000005", 3)}


@pytest.mark.parametrize("path", LISTS)
def test_an_unknown_amount_is_an_empty_cell(api: Api, path: str) -> None:
    charge(api, "batch_u", 0, cost=Cost(unpriced_lines=3), tags=("t",))

    def lines() -> list[dict[str, str]]:
        answer = api.get(path + ("&" if "?" in path else "?") + "format=csv")
        assert (answer.status_code, answer.mimetype) == (200, "text/csv")
        return list(csv.DictReader(io.StringIO(answer.text, newline="")))

    [line] = lines()
    spent = [name for name in line if "spend" in name or "cost" in name]
    assert spent
    assert {line[name] for name in spent} == {""}
    assert line["unpriced_requests"] == "3"
    charge(api, "batch_p", 5, tags=("t",))
    assert sum(Decimal(each[name] or 0) for each in lines() for name in spent) == Decimal("0.000000005") * len(spent)


@pytest.mark.parametrize("path", OBJECTS)
def test_of_one_object_there_is_no_table(api: Api, path: str) -> None:
    answer = api.get(path + ("&" if "?" in path else "?") + "format=csv")
    assert (answer.status_code, answer.json["error"]["param"]) == (400, "format")
