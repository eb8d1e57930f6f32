"""What a job is expected to cost whose rows its caller wrote, however they are laid out."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from shared.app import App
from shared.domain.errors import BadRequest
from shared.domain.prefixes import Place
from shared.steps.sample import Sampled, expected
from shared.storage.ports import Stat
from tests.steps.world import World

MIB = 2**20


def row(output: int, size: int = 0) -> bytes:
    """A row that allows so many tokens, of about so many bytes."""
    config = {"maxOutputTokens": output}
    text = "x" * max(0, size - 120)
    request = {"contents": [{"role": "user", "parts": [{"text": text}]}], "generationConfig": config}
    return json.dumps({"request": request}).encode() + b"\n"


@dataclass
class Spied:
    """Objects that count what is asked of them."""

    plain: Any
    opened: int = 0
    listed: int = 0
    read: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)

    def open(self, name: str, *, offset: int = 0) -> Any:
        self.opened += 1
        return self.plain.open(name, offset=offset)

    def list(self, prefix: str) -> Iterator[Stat]:
        for stat in self.plain.list(prefix):
            self.listed += 1
            yield stat


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def put(world: World, name: str, *chunks: bytes) -> Place:
    world.objects.write(f"gs://jobs/{name}", chunks)
    return Place(("jobs", *name.split("/")))


def look(world: World, *places: Place, app: App | None = None) -> Sampled:
    app = app or world.app
    return expected(app, app.provider("flash#0"), places)


def worth(world: World, *counts: tuple[int, bytes]) -> int:
    """Nano-dollars of so many rows of each kind, counted one by one."""
    return sum(count * look(world, put(world, "one", line)).nano for count, line in counts)


def test_cheap_rows_before_dear_ones_do_not_make_these_cheap(world: World) -> None:
    cheap, dear = row(1, 6_000), row(65_535)
    true = worth(world, (130, cheap), (2_000, dear))
    found = look(world, put(world, "in.jsonl", cheap * 130, dear * 2_000))

    assert found.nano == pytest.approx(true, rel=0.001)


@pytest.mark.parametrize(
    "laid",
    [
        lambda cheap, dear: [cheap * 1_000, dear * 50_000],
        lambda cheap, dear: [dear * 50_000, cheap * 1_000],
        lambda cheap, dear: [(cheap * 10 + dear * 500)] * 100,
        lambda cheap, dear: [(cheap + dear * 50)] * 1_000,
    ],
)
def test_of_a_large_input_pieces_tell_within_a_factor_of_two_wherever_the_dear_rows_lie(
    world: World, laid: Callable[[bytes, bytes], list[bytes]]
) -> None:
    cheap, dear = row(1, 10_000), row(65_535)
    true = worth(world, (1_000, cheap), (50_000, dear))
    place = put(world, "in.jsonl", *laid(cheap, dear))
    assert world.objects.stat(place.name).size > 15 * MIB
    spied = Spied(world.objects)
    found = look(world, place, app=replace(world.app, objects=cast("Any", spied)))

    assert true / 2 < found.nano < true * 2
    assert spied.opened < 70


def test_pieces_are_of_all_objects_by_their_size(world: World) -> None:
    cheap, dear = row(1, 10_000), row(65_535)
    places = [put(world, f"cheap-{n}.jsonl", cheap) for n in range(5)]
    places += [put(world, f"dear-{n}.jsonl", dear * 20_000) for n in range(5)]
    true = worth(world, (5, cheap), (100_000, dear))

    assert true / 2 < look(world, *places).nano < true * 2


def test_rows_that_are_longer_than_a_piece_count_as_often_as_others(world: World) -> None:
    """Dear rows cannot hide by being long, nor behind those that are."""
    cheap, dear = row(1, 20_000), row(65_535, 300_000)
    true = worth(world, (1_000, cheap), (60, dear))
    place = put(world, "in.jsonl", *[cheap * 50 + dear * 3] * 20)

    assert true / 2 < look(world, place).nano < true * 2


def test_one_row_that_has_no_end_is_never_free(world: World) -> None:
    assert look(world, put(world, "in.jsonl", *[b"x" * MIB] * 30)).nano > 0


def test_many_small_objects_are_not_all_opened(world: World) -> None:
    for number in range(400):
        put(world, f"many/{number:03}.jsonl", row(1_000))
    spied = Spied(world.objects)
    found = look(world, Place(("jobs", "many", "*.jsonl")), app=replace(world.app, objects=cast("Any", spied)))

    assert found.nano == pytest.approx(worth(world, (400, row(1_000))), rel=0.01)
    assert spied.opened <= 130


# ---- wildcards


def test_stars_and_question_marks_match_within_their_folder_alone(world: World) -> None:
    for name in ("f/a1.jsonl", "f/a2.jsonl", "f/b1.jsonl", "f/a1.jsonl.bak", "f/deep/a3.jsonl"):
        put(world, name, row(100))
    one = look(world, Place(("jobs", "f", "b1.jsonl"))).nano

    for pattern, objects in [("a?.jsonl", 2), ("*.jsonl", 3), ("*", 4), ("?1.jsonl", 2), ("c*", 0)]:
        assert look(world, Place(("jobs", "f", pattern))).nano == objects * one


class Folder:
    """Objects of which there are very many."""

    def __init__(self, plain: Any, names: Iterator[str]) -> None:
        self.plain, self.names, self.listed = plain, names, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)

    def list(self, prefix: str) -> Iterator[Stat]:
        for name in self.names:
            if name.startswith(prefix):
                self.listed += 1
                yield Stat(name=name, size=1, generation=1, updated_at=0)


@pytest.mark.parametrize("name", ["gs://jobs/f/{}.jsonl", "gs://jobs/f/{}.txt"])
def test_a_wildcard_that_stands_for_too_much_is_refused_with_the_number(world: World, name: str) -> None:
    """It is not followed to its end, whether anything in the folder fits or nothing."""
    folder = Folder(world.objects, (name.format(number) for number in range(1_000_000)))
    app = replace(world.app, objects=cast("Any", folder))
    one, wild = put(world, "in.jsonl", row(1)), Place(("jobs", "f", "*.jsonl"))
    with pytest.raises(BadRequest, match=r"uris\[1\].*(1,000|10,000) objects") as refused:
        look(world, one, wild, app=app)

    assert refused.value.code == "INVALID_ARGUMENT"
    assert folder.listed <= 10_001


def test_a_folder_is_listed_only_as_far_as_a_name_can_fit(world: World) -> None:
    names = (f"gs://jobs/f/{kind}-{number}.jsonl" for kind in "ab" for number in range(20_000 if kind == "a" else 3))
    folder = Folder(world.objects, names)

    found = look(world, Place(("jobs", "f", "b*")), app=replace(world.app, objects=cast("Any", folder)))
    assert (folder.listed, found.tokens) == (3, 1)
