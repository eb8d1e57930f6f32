from datetime import UTC, datetime

import pytest

from shared.domain.clock import DAY, HOUR, MINUTE, SECOND
from shared.domain.durations import LONGEST, after, duration, next_reset


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


# What litellm 1.106.2 says: `get_next_standardized_reset_time(duration, moment)`. 2026-11-21 is a Saturday.
RESETS = [
    ("1s", "2026-11-21T22:54:50.250", "2026-11-21T22:54:51"),
    ("30s", "2026-11-21T22:54:50.250", "2026-11-21T22:55:00"),
    ("30s", "2026-11-21T22:54:30", "2026-11-21T22:55:00"),
    ("45s", "2026-11-21T22:54:50", "2026-11-21T22:55:30"),
    ("90s", "2026-11-21T22:54:50", "2026-11-21T22:55:30"),
    ("10m", "2026-11-21T22:54:50", "2026-11-21T23:00:00"),
    ("10m", "2026-11-21T22:50:00", "2026-11-21T23:00:00"),
    ("7m", "2026-11-21T22:54:50", "2026-11-21T22:56:00"),
    ("90m", "2026-11-21T22:54:50", "2026-11-21T23:30:00"),
    ("1h", "2026-11-21T22:54:50", "2026-11-21T23:00:00"),
    ("1h", "2026-11-21T22:00:00", "2026-11-21T23:00:00"),
    ("hourly", "2026-11-21T22:54:50", "2026-11-21T23:00:00"),
    ("5h", "2026-11-21T22:54:50", "2026-11-22T01:00:00"),
    ("6h", "2026-11-21T05:00:00", "2026-11-21T06:00:00"),
    ("12h", "2026-11-21T12:00:00", "2026-11-22T00:00:00"),
    ("24h", "2026-11-21T22:54:50", "2026-11-22T00:00:00"),
    ("daily", "2026-11-21T22:54:50", "2026-11-22T00:00:00"),
    ("36h", "2026-11-21T22:54:50", "2026-11-22T12:00:00"),
    ("1d", "2026-11-21T00:00:00", "2026-11-22T00:00:00"),
    ("2d", "2026-11-21T22:54:50", "2026-11-23T00:00:00"),
    ("7d", "2026-11-21T22:54:50", "2026-11-23T00:00:00"),
    ("7d", "2026-11-23T00:00:00", "2026-11-30T00:00:00"),
    ("1w", "2026-11-22T23:59:59.999", "2026-11-23T00:00:00"),
    ("weekly", "2026-11-24T10:00:00", "2026-11-30T00:00:00"),
    ("14d", "2026-11-21T22:54:50", "2026-12-05T00:00:00"),
    ("2w", "2026-11-21T22:54:50", "2026-12-05T00:00:00"),
    ("28d", "2026-11-21T22:54:50", "2026-12-19T00:00:00"),
    ("30d", "2026-11-21T22:54:50", "2026-12-01T00:00:00"),
    ("30d", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
    ("monthly", "2026-12-31T23:59:59", "2027-01-01T00:00:00"),
    ("1mo", "2026-02-28T22:54:50", "2026-03-01T00:00:00"),
    ("31d", "2026-11-21T22:54:50", "2026-12-22T00:00:00"),
    ("90d", "2026-11-21T22:54:50", "2027-02-19T00:00:00"),
]


@pytest.mark.parametrize(("text", "now", "then"), RESETS)
def test_a_budget_begins_anew_when_it_does_at_litellm(text: str, now: str, then: str) -> None:
    assert next_reset(text, at(now)) == at(then)


@pytest.mark.parametrize(
    ("text", "now", "then"),
    [
        ("48h", "2026-11-21T22:54:50", "2026-11-23T00:00:00"),
        ("72h", "2026-11-21T22:54:50", "2026-11-24T00:00:00"),
        ("2mo", "2026-11-21T22:54:50", "2027-01-01T00:00:00"),
        ("12mo", "2026-11-21T22:54:50", "2027-11-01T00:00:00"),
    ],
)
def test_long_ones_last_as_long_as_they_say(text: str, now: str, then: str) -> None:
    assert next_reset(text, at(now)) == at(then)


@pytest.mark.parametrize("text", [text for text, _, _ in RESETS])
def test_the_next_time_is_later_and_near_enough(text: str) -> None:
    moment = at("2026-01-01T00:00:00")
    for step in (0, 1, SECOND - 1, MINUTE, HOUR - 1, 5 * HOUR + 7, DAY, 30 * DAY + 12_345, 59 * DAY):
        now = moment + step
        then = next_reset(text, now)
        length = duration(text)
        assert length is not None
        assert now < then <= now + length + 31 * DAY * ("mo" in text or length == 30 * DAY)


@pytest.mark.parametrize(
    ("text", "length"),
    [("30s", 30 * SECOND), ("10m", 10 * MINUTE), ("24h", DAY), ("30d", 30 * DAY), ("1w", 7 * DAY), ("1mo", 30 * DAY)],
)
def test_a_duration_has_a_length(text: str, length: int) -> None:
    assert duration(text) == length


@pytest.mark.parametrize(
    ("text", "same"),
    [("30min", "30m"), ("7days", "7d"), ("1hour", "1h"), ("2months", "2mo"), ("1month", "1mo"), ("20seconds", "20s"),
     ("1Week", None), ("1week", "1w"), ("90dAYS", "90d")],
)  # fmt: skip
def test_of_a_unit_what_says_which_it_is_counts(text: str, same: str | None) -> None:
    """As litellm 1.106.2 reads them: `duration_in_seconds`."""
    now = at("2026-11-21T22:54:50")
    assert duration(text) == (None if same is None else duration(same))
    if same is not None:
        assert after(text, now) == after(same, now)
        assert next_reset(text, now) == next_reset(same, now)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0s",
        "5",
        "d",
        "-1d",
        "1.5h",
        "1 d",
        "30 days",
        "7d.",
        "7d2",
        "90",
        "1D",
        "1y",
        "1d1h",
        "²d",
        "9" * 9 + "mo",
        "1" * 30 + "s",
        "1d\n",
    ],
)
def test_what_is_no_duration(text: str) -> None:
    assert duration(text) is None
    assert after(text, 0) is None
    with pytest.raises(ValueError, match="not a duration"):
        next_reset(text, 0)


def test_a_month_later_is_the_same_day_or_the_last_one() -> None:
    assert after("1mo", at("2026-11-21T22:54:50.250")) == at("2026-12-21T22:54:50.250")
    assert after("1mo", at("2026-01-31T10:00:00")) == at("2026-02-28T10:00:00")
    assert after("13mo", at("2026-12-31T10:00:00")) == at("2028-01-31T10:00:00")
    assert after("90m", 5) == 5 + 90 * MINUTE
    longest = after(f"{LONGEST // DAY}d", at("2026-11-21T00:00:00"))
    assert longest is not None
