"""An account by itself: caps, windows of the clock, budgets that begin anew."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.account import Account, Caps, Window, at, counted, left, spend
from shared.domain.clock import DAY, HOUR, MINUTE
from shared.domain.durations import next_reset

NOW = 1_795_000_000_000
SIZES = {"minute": MINUTE, "hour": HOUR, "day": DAY}

amounts = st.integers(0, 10**15)
caps = st.builds(Caps, **{each.name: st.none() | st.integers(0, 10**9) for each in fields(Caps)})
accounts = st.builds(
    Account,
    id=st.just("key-1"),
    max_budget=st.none() | amounts,
    budget_duration=st.sampled_from([None, "1h", "24h", "7d", "1mo", "30s", "90m"]),
    budget_reset_at=st.none() | st.integers(NOW - 60 * DAY, NOW + 60 * DAY),
    spent=amounts,
    reserved=amounts,
)


# ---- caps


@given(caps, caps, caps)
def test_of_two_caps_the_smaller_holds_in_whatever_order(one: Caps, two: Caps, three: Caps) -> None:
    for each in fields(Caps):
        both = [cap for cap in (getattr(one, each.name), getattr(two, each.name)) if cap is not None]
        assert getattr(one.under(two), each.name) == min(both, default=None)
    assert one.under(two) == two.under(one)
    assert one.under(two).under(three) == one.under(two.under(three))
    assert one.under(Caps()) == one.under(one) == one


def test_no_cap_is_not_a_cap_of_nothing() -> None:
    assert Caps(open_batches=0).under(Caps(open_batches=5)).open_batches == 0
    assert Caps().under(Caps(open_batches=0)).open_batches == 0
    assert Caps().under(Caps()).open_batches is None


# ---- windows


@given(st.sampled_from(sorted(SIZES)), st.integers(NOW, NOW + 3 * DAY), st.lists(st.integers(0, 2 * HOUR), max_size=30))
def test_a_window_counts_what_is_in_it(length: str, start: int, steps: list[int]) -> None:
    window, now, seen = Window(), start, []
    for step in steps:
        now += step
        seen.append(now)
        window, wait = counted(window, length, now)
        size = SIZES[length]
        assert window.used == sum(moment // size == now // size for moment in seen)
        assert 0 < wait <= size
        assert (now + wait) % size == 0


@given(st.sampled_from(sorted(SIZES)), st.lists(st.booleans(), min_size=1, max_size=40))
def test_two_clocks_a_little_apart_count_into_one_window(length: str, who: list[bool]) -> None:
    """At the turn of an hour one machine is in the next already: who follows it forgets nothing."""
    turn = NOW - NOW % DAY + DAY
    window, ahead = Window(), 0
    for is_ahead in who:
        window, _ = counted(window, length, turn + 2_000 if is_ahead else turn - 2_000)
        ahead += is_ahead or ahead > 0
    assert window.used == (ahead or len(who))


def test_a_clock_that_was_far_ahead_locks_nobody_out() -> None:
    window, _ = counted(Window(since=NOW - NOW % HOUR + 400 * DAY, used=99), "hour", NOW)
    assert window == Window(since=NOW - NOW % HOUR, used=1)


# ---- budgets


@given(accounts, st.integers(NOW - 100 * DAY, NOW + 100 * DAY))
def test_a_budget_begins_anew_once_and_for_the_future(account: Account, now: int) -> None:
    found = at(account, now)
    assert at(found, now) == found
    assert (found.spent, found.reserved) == (account.spent, account.reserved)
    if account.budget_duration is None or account.budget_reset_at is None or now < account.budget_reset_at:
        assert found == account
    else:
        assert spend(found) == 0
        assert found.budget_reset_at == next_reset(account.budget_duration, now) > now


@given(accounts, amounts)
def test_what_is_left_is_neither_spent_nor_held(account: Account, more: int) -> None:
    room = left(account)
    if account.max_budget is None:
        assert room is None
        return
    assert room is not None
    assert room + spend(account) + account.reserved == account.max_budget
    assert left(replace(account, reserved=account.reserved + more)) == room - more
    assert left(replace(account, spent=account.spent + more)) == room - more
    assert left(replace(account, spent=account.spent + more, before=account.before + more)) == room


@pytest.mark.parametrize("duration", ["30s", "10m", "1h", "24h", "7d", "30d", "1mo"])
def test_after_a_long_sleep_a_budget_begins_anew_once(duration: str) -> None:
    """Nobody came for a year: the time that is over counts nothing, however many budgets would have fitted."""
    account = Account(id="a", max_budget=5, budget_duration=duration, budget_reset_at=NOW, spent=5)
    found = at(account, NOW + 365 * DAY)
    assert (spend(found), left(found)) == (0, 5)
    assert NOW + 365 * DAY < (found.budget_reset_at or 0) <= NOW + 365 * DAY + 31 * DAY
