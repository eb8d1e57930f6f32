"""All workers together never have more lines in flight than a deployment may."""

from pathlib import Path

import pytest

from shared.domain.lease import LEASE
from shared.steps.slots import Seat, take_seat
from tests.steps.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize(("parallel", "seats"), [(1, [1]), (32, [32]), (48, [24, 24]), (100, [25, 25, 25, 25])])
def test_seats_share_what_a_deployment_may_have_in_flight(world: World, parallel: int, seats: list[int]) -> None:
    taken = []
    while isinstance(seat := take_seat(world.app, "d", parallel), Seat):
        taken.append(seat.lines)
    assert taken == seats
    assert seat is None


def test_a_seat_that_was_left_is_free_and_remembers_its_window(world: World) -> None:
    seat = take_seat(world.app, "d", 8)
    assert isinstance(seat, Seat)
    seat.leave(5.5)
    again = take_seat(world.app, "d", 8)
    assert isinstance(again, Seat)
    assert again.slot.window == 5.5


def test_the_seat_of_a_worker_that_died_is_free_after_its_lease(world: World) -> None:
    dead = take_seat(world.app, "d", 8)
    assert isinstance(dead, Seat)
    world.clock += LEASE + 1
    assert isinstance(take_seat(world.app, "d", 8), Seat)
    assert not dead.renew()
    dead.leave(1.0)
    assert take_seat(world.app, "d", 8) is None


def test_a_seat_that_is_renewed_stays_taken(world: World) -> None:
    seat = take_seat(world.app, "d", 8)
    assert isinstance(seat, Seat)
    for _ in range(5):
        world.clock += LEASE // 2
        assert seat.renew()
    assert take_seat(world.app, "d", 8) is None


def test_a_closed_circuit_keeps_everybody_away_a_little_longer_each_time(world: World) -> None:
    pauses = []
    for _ in range(8):
        seat = take_seat(world.app, "d", 8)
        assert isinstance(seat, Seat)
        until = seat.close(1.0)
        assert take_seat(world.app, "d", 8) == until
        pauses.append((until - world.clock) // 1_000)
        world.clock = until
    assert pauses == [2, 4, 8, 16, 30, 60, 60, 60]


def test_deployments_have_seats_of_their_own(world: World) -> None:
    assert isinstance(take_seat(world.app, "d", 8), Seat)
    assert isinstance(take_seat(world.app, "e", 8), Seat)
