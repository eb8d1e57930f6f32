"""How long a server asks to be left alone."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.providers.retry_after import retry_after

NOW = 1_795_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9),
        ({"retry-after": formatdate(NOW + 30, usegmt=True)}, 30),
        ({"retry-after": formatdate(NOW - 30, usegmt=True)}, 0),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "1e9"}, 1800),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Fri, 99 Foo 2026"}, None),
    ],
)
def test_a_number_a_date_or_milliseconds(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@given(st.text(max_size=40))
def test_whatever_a_server_writes_is_between_now_and_half_an_hour(said: str) -> None:
    for name in ("retry-after", "retry-after-ms"):
        seconds = retry_after({name: said}, NOW)
        assert seconds is None or 0 <= seconds <= 1800
