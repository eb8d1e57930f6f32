"""What a date may look like, as the description says it and as it is read."""

import re

import pytest

from functions.openapi.spend import SPEND
from tests.functions.conftest import Api

[PATTERN] = {
    str(each["schema"]["pattern"])
    for operation in SPEND.values()
    for each in operation.asks
    if each["name"] in {"start_date", "end_date"}
}


@pytest.mark.parametrize(
    ("text", "status"),
    [
        *((text, 200) for text in ("2027-01-29", "2027-01-31", "1970-01-01", "9999-12-31", "2028-02-29")),
        *(
            (f"2027-01-15{text}", 200)
            for text in (" 18:30", "T18:30", "T18:30:15", " 18:30:15.250", "T18:30:15.123456Z")
        ),
        *((f"2027-01-15T18:30{text}", 200) for text in ("Z", "+02:00", "-08:00", " 05:30", "+23:59")),
        *(
            (text, 400)
            for text in ("1969-12-31", "2027-13-01", "2027-1-5", "2027-01-32", "20270115", "x", "", "٢٠٢٧-01-15")
        ),
        *(
            (f"2027-01-15{text}", 400)
            for text in (" ", "T", "T18", "T24:00", "T18:60", "T18:30:60", "T18:30:15.1234567")
        ),
        *((f"2027-01-15T18:30{text}", 400) for text in ("+99:99", "+24:00", "+14:60", "+0200", "z", "\n")),
        *((text, 400) for text in (" 2027-01-15", "2027-01-15Z", "2027-01-15 ")),
    ],
)
def test_the_description_has_the_dates_that_are_read(api: Api, text: str, status: int) -> None:
    assert bool(re.search(PATTERN.replace("$", r"\Z"), text)) == (status == 200)
    answer = api.get("/spend/logs", query_string={"start_date": text, "end_date": text})
    assert answer.status_code == status


def test_a_day_that_no_month_has_is_refused(api: Api) -> None:
    """No pattern says how long a month is."""
    assert re.search(PATTERN, "2027-02-30")
    answer = api.get("/spend/logs?start_date=2027-02-30&end_date=2027-03-01")
    assert (answer.status_code, answer.json["error"]["param"]) == (400, "start_date")
