"""How many lines fly at once, and what a call that brought nothing costs its line."""

import pytest

from shared.providers.base import Fault
from shared.steps.pace import MOST_ATTEMPTS, GiveUp, Pace, Wait, after


@pytest.mark.parametrize(
    ("fault", "attempt", "retry_after", "verdict"),
    [
        (Fault.REPLY, 1, None, Wait(1.0, spends_attempt=True)),
        (Fault.REPLY, 4, None, Wait(8.0, spends_attempt=True)),
        (Fault.REPLY, MOST_ATTEMPTS, None, GiveUp()),
        (Fault.REPLY, 1, 20.0, Wait(20.0, spends_attempt=True)),
        (Fault.ENDPOINT, 1, None, Wait(2.0, spends_attempt=False)),
        (Fault.ENDPOINT, 99, None, Wait(2.0, spends_attempt=False)),
        (Fault.ENDPOINT, 1, 30.0, Wait(30.0, spends_attempt=False)),
        (Fault.ENDPOINT, 1, 10.0**9, Wait(60.0, spends_attempt=False)),
        (Fault.ENDPOINT, 1, -5.0, Wait(2.0, spends_attempt=False)),
    ],
)
def test_what_a_fault_costs(fault: Fault, attempt: int, retry_after: float | None, verdict: Wait | GiveUp) -> None:
    assert after(fault, attempt, 1.0, retry_after) == verdict


def test_tries_of_many_lines_are_spread_over_time() -> None:
    waits = [after(Fault.REPLY, 3, jitter / 10) for jitter in range(10)]
    assert len(set(waits)) == 10


def test_the_window_grows_by_one_for_eight_answers_up_to_what_is_allowed() -> None:
    pace = Pace(10, start=4)
    for _ in range(16):
        pace.answered()
    assert pace.room == 6
    for _ in range(200):
        pace.answered()
    assert pace.room == 10


def test_a_busy_server_shrinks_the_window_and_a_single_refusal_does_not() -> None:
    pace = Pace(100, start=64)
    for _ in range(31):
        pace.answered()
    pace.busy(0.0)
    grown = pace.window
    assert grown >= 64
    for at in range(4):
        pace.busy(0.1 * at)
        pace.answered()
    assert pace.window == pytest.approx(grown * 0.7, abs=1)


def test_the_window_is_never_less_than_one() -> None:
    pace = Pace(4, start=1)
    for second in range(100):
        pace.busy(float(second))
    assert pace.room == 1


def test_five_refusals_in_a_row_open_the_circuit_and_any_answer_keeps_it_closed() -> None:
    pace = Pace(8)
    for _ in range(4):
        pace.busy(0.0)
    assert not pace.open
    pace.answered()
    for _ in range(5):
        pace.busy(0.0)
    assert pace.open
    pace.close()
    assert not pace.open


def test_a_call_that_broke_off_opens_nothing() -> None:
    pace = Pace(8)
    for _ in range(100):
        pace.broke()
    assert not pace.open
