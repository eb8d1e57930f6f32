"""What is particular to objects in a folder: other programs, processes, death, a full disk, and the finalize event."""

import errno
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from shared.domain.errors import StorageFull
from shared.storage.directory import DirectoryObjects, Finalized
from shared.storage.ports import ABSENT, ObjectExists, ObjectMissing
from tests.storage.conftest import Worker, small_disk
from tests.storage.workers import content

Start = Callable[..., Worker]
NAME = "gs://data/files/file-a"
YEAR_2100 = 4_102_444_800 * 10**9


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def objects(root: Path) -> DirectoryObjects:
    return DirectoryObjects(root)


def temporary(root: Path) -> list[Path]:
    return [path for path in (root / ".tmp").iterdir() if path.is_file()]


def visible(root: Path) -> list[str]:
    """All files but the adapter's own."""
    return sorted(
        str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and ".tmp" not in path.parts
    )


def read(objects: DirectoryObjects, name: str) -> bytes:
    with objects.open(name) as stream:
        return stream.read()


# ---- files that any program may use


def test_an_object_is_a_plain_file_and_nothing_beside_it(root: Path, objects: DirectoryObjects) -> None:
    objects.write(NAME, [b"abc"])
    objects.compose("gs://work/in/a", [])

    assert visible(root) == ["data/files/file-a", "work/in/a"]
    assert (root / "data/files/file-a").read_bytes() == b"abc"
    assert temporary(root) == []


def test_a_file_that_another_program_wrote_is_an_object(root: Path, objects: DirectoryObjects) -> None:
    path = root / "work/out/a/predictions.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"one\ntwo\n")
    name = "gs://work/out/a/predictions.jsonl"

    found = objects.stat(name)

    assert (found.size, found.generation) == (8, path.stat().st_mtime_ns)
    assert found.updated_at == path.stat().st_mtime_ns // 10**6
    assert list(objects.list("gs://work/out/")) == [found]
    assert read(objects, name) == b"one\ntwo\n"
    with pytest.raises(ObjectExists):
        objects.write(name, [b"x"], if_generation=ABSENT)
    objects.write(name, [b"x"], if_generation=found.generation)
    objects.delete(name)
    assert visible(root) == []


def test_a_file_that_another_program_changed_is_another_generation(root: Path, objects: DirectoryObjects) -> None:
    written = objects.write(NAME, [b"abc"])
    time.sleep(0.02)  # the system's own clock for files ticks every few milliseconds
    (root / "data/files/file-a").write_bytes(b"abcd")

    with pytest.raises(ObjectExists):
        objects.delete(NAME, if_generation=written.generation)

    assert objects.stat(NAME).generation > written.generation
    assert objects.stat(NAME).size == 4


def test_a_generation_is_above_the_one_it_replaces_even_if_that_is_of_the_future(
    root: Path, objects: DirectoryObjects
) -> None:
    """Clocks are set back, and programs may date their files as they like."""
    objects.write(NAME, [b"abc"])
    os.utime(root / "data/files/file-a", ns=(YEAR_2100, YEAR_2100))

    generations = [objects.write(NAME, [b"abc"]).generation for _ in range(3)]

    assert generations == [YEAR_2100 + 1, YEAR_2100 + 2, YEAR_2100 + 3]


def test_a_generation_grows_where_the_file_system_keeps_time_coarsely(
    objects: DirectoryObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some keep microseconds, some seconds, and FAT two of them."""
    exact = os.utime

    def coarse(path: int, *, ns: tuple[int, int]) -> None:
        rounded = ns[1] // (2 * 10**9) * 2 * 10**9
        exact(path, ns=(rounded, rounded))

    monkeypatch.setattr(os, "utime", coarse)

    generations = [objects.write(NAME, [b"abc"]).generation for _ in range(3)]

    assert generations == sorted(set(generations))
    assert objects.stat(NAME).generation == generations[-1]


def test_what_is_no_plain_file_is_no_object(root: Path, objects: DirectoryObjects) -> None:
    objects.write(NAME, [b"abc"])
    os.mkfifo(root / "data/files/pipe")
    (root / "data/files/loop").symlink_to(root / "data/files", target_is_directory=True)
    (root / "data/files/nowhere").symlink_to(root / "data/files/gone")

    assert [found.name for found in objects.list("gs://data/")] == [NAME]
    for name in ("pipe", "loop", "nowhere"):
        with pytest.raises(ObjectMissing):
            objects.stat(f"gs://data/files/{name}")
        with pytest.raises(ObjectMissing):
            objects.open(f"gs://data/files/{name}")


def test_a_file_whose_name_cannot_be_said_is_not_listed(root: Path, objects: DirectoryObjects) -> None:
    objects.write(NAME, [b"abc"])
    (root / "data/a\nb").write_bytes(b"x")
    (root / os.fsdecode(b"data/\xff")).write_bytes(b"x")

    assert [found.name for found in objects.list("gs://data/")] == [NAME]


@pytest.mark.parametrize("condition", [None, ABSENT])
@pytest.mark.parametrize("other", ["gs://data/files", NAME + "/below", NAME + "/far/below"])
def test_an_object_is_not_another_one_s_folder(objects: DirectoryObjects, other: str, condition: int | None) -> None:
    """Cloud Storage would allow it. No name of ours is made that way."""
    objects.write(NAME, [b"abc"])

    with pytest.raises(ValueError, match="folder"):
        objects.write(other, [b"x"], if_generation=condition)

    assert read(objects, NAME) == b"abc"


def test_deleting_the_last_object_of_a_folder_removes_it_but_not_the_bucket(
    root: Path, objects: DirectoryObjects
) -> None:
    objects.write("gs://data/a/b/c/d", [b"x"])
    objects.write("gs://data/a/e", [b"x"])

    objects.delete("gs://data/a/b/c/d")
    assert sorted(str(path.relative_to(root / "data")) for path in (root / "data").rglob("*")) == ["a", "a/e"]
    objects.delete("gs://data/a/e")
    assert list((root / "data").iterdir()) == []


def test_a_path_too_long_for_the_file_system_is_refused(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["x" * 250] * 14)

    with pytest.raises(ValueError, match="too long"):
        DirectoryObjects(deep).write("gs://data/" + "/".join(["y" * 200] * 5), [b"x"])


# ---- finalize


def test_each_write_and_compose_is_announced_once_it_can_be_read(root: Path) -> None:
    heard: list[tuple[Finalized, bytes]] = []
    reader = DirectoryObjects(root)
    objects = DirectoryObjects(root, lambda event: heard.append((event, read(reader, f"gs://work/{event.name}"))))

    written = objects.write("gs://work/out/a", [b"abc"])
    joined = objects.compose("gs://work/out/b", ["gs://work/out/a"] * 2)
    objects.delete("gs://work/out/a")

    assert heard == [
        (Finalized(bucket="work", name="out/a", generation=written.generation, size=3), b"abc"),
        (Finalized(bucket="work", name="out/b", generation=joined.generation, size=6), b"abcabc"),
    ]


def test_what_was_not_written_is_not_announced(root: Path) -> None:
    heard: list[Finalized] = []
    objects = DirectoryObjects(root, heard.append)
    objects.write(NAME, [b"abc"])

    with pytest.raises(ObjectExists):
        objects.write(NAME, [b"x"], if_generation=ABSENT)
    with pytest.raises(ObjectMissing):
        objects.compose("gs://data/b", ["gs://data/none"])

    assert len(heard) == 1


# ---- processes


def test_of_several_processes_one_writes_each_absent_name(root: Path, objects: DirectoryObjects, start: Start) -> None:
    workers = {who: start("race", root, who) for who in ("ann", "bob", "cleo")}
    for worker in workers.values():
        assert worker.say() == "ready"
    for worker in workers.values():
        worker.go()
    won = {who: worker.done() for who, worker in workers.items()}

    assert sorted(number for numbers in won.values() for number in numbers) == list(range(50))
    for who, numbers in won.items():
        for number in numbers:
            assert read(objects, f"gs://data/a/{number}/b") == who.encode() * 100


def test_writers_and_deleters_of_the_same_folders_do_not_trip_each_other(root: Path, start: Start) -> None:
    workers = [start("come_and_go", root, who) for who in ("ann", "bob", "cleo")]
    for worker in workers:
        assert worker.say() == "ready"
    for worker in workers:
        worker.go()
    for worker in workers:
        assert worker.done() == []

    assert list((root / "data").iterdir()) == []


def test_a_killed_writer_leaves_only_whole_objects_and_its_rubbish_is_swept(root: Path, start: Start) -> None:
    dice, next_number = random.Random(1), 0
    for _ in range(10):
        worker = start("write_objects", root, next_number)
        first = worker.say()
        assert first == next_number
        time.sleep(dice.random() * 0.05)
        worker.kill()
        acknowledged = (first, *worker.rest())[-1]

        objects, current = DirectoryObjects(root), {}
        for number in range(acknowledged + 1):
            current[f"gs://data/a/{number // 8}/{number % 8 // 2}"] = number
        for name, number in current.items():
            found = read(objects, name)
            # The one that was being written when the worker died may be there, whole, over what it replaces.
            assert found in (
                {content(number), content(acknowledged + 1)} if number == acknowledged else {content(number)}
            )
        next_number = acknowledged + 1

    worker = start("write_half", root)  # those above may have died between two writes, this one does not
    assert worker.say() == "half"
    worker.kill()
    assert temporary(root) != []
    DirectoryObjects(root).write(NAME, [b"x"])
    assert temporary(root) == []
    assert "data/half" not in visible(root)


def test_what_another_writer_is_still_writing_is_not_swept(root: Path) -> None:
    one, other = DirectoryObjects(root), DirectoryObjects(root)

    def slow() -> Iterator[bytes]:
        yield b"a" * 2_000_000
        other.write("gs://data/b", [b"x"])
        assert len(temporary(root)) == 1
        yield b"b"

    assert one.write("gs://data/a", slow()).size == 2_000_001


# ---- full disks


def test_a_full_disk_keeps_no_part_and_goes_on_when_there_is_room(
    root: Path, objects: DirectoryObjects, start: Start
) -> None:
    said = start("fill_objects", root, 2**20).done()

    assert said == [*range(1, 11), "full", "still full", "room again"]
    assert visible(root) == ["data/a"]
    assert objects.stat("gs://data/a").size == 0  # what was written when there was room
    assert temporary(root) == []


def test_a_disk_without_a_free_block_is_storage_full(tmp_path: Path, start: Start) -> None:
    said = start("fill_objects", tmp_path, 0, within=small_disk(tmp_path)).done()

    assert said[-2:] == ["full", "still full"]
    assert len(said) > 5


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("call", ["write", "fsync", "copy_file_range", "link"])
def test_a_disk_that_is_full_at_any_moment_is_storage_full(
    root: Path, objects: DirectoryObjects, monkeypatch: pytest.MonkeyPatch, code: int, call: str
) -> None:
    objects.write("gs://data/a", [b"abc"])

    def full(*_: object, **__: object) -> int:
        raise OSError(code, os.strerror(code))

    def act() -> None:
        if call == "copy_file_range":
            objects.compose(NAME, ["gs://data/a"], if_generation=ABSENT)
        else:
            objects.write(NAME, [b"abc"], if_generation=ABSENT)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(StorageFull):
            act()

    assert visible(root) == ["data/a"]
    assert temporary(root) == []


def test_a_source_s_own_trouble_is_not_taken_for_a_full_disk(objects: DirectoryObjects) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise OSError(errno.ENOSPC, "somebody else's disk")

    with pytest.raises(OSError, match="somebody else's"):
        objects.write(NAME, broken())


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EXDEV, errno.EOPNOTSUPP, None])
def test_objects_are_joined_where_the_system_does_not_copy(
    objects: DirectoryObjects, monkeypatch: pytest.MonkeyPatch, code: int | None
) -> None:
    objects.write("gs://data/a", [b"x" * 3_000_000])
    objects.write("gs://data/b", [b"y"])

    def refuse(*_: object) -> int:
        raise OSError(code, "not here")

    if code is None:
        monkeypatch.delattr(os, "copy_file_range")
    else:
        monkeypatch.setattr(os, "copy_file_range", refuse)

    objects.compose(NAME, ["gs://data/a", "gs://data/b"])

    assert read(objects, NAME) == b"x" * 3_000_000 + b"y"


# ---- streams


def test_200_mb_pass_through_a_few_mb_of_memory(root: Path, start: Start) -> None:
    """Written as 50,000 lines, read as lines, joined."""
    try:
        [grown] = start("stream", root).done()
    finally:
        shutil.rmtree(root)

    assert grown < 16


def open_below(root: Path) -> list[str]:
    """What this process has open there: other tests' threads may open and close what they like meanwhile."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.append(str(descriptor.readlink()))
    return [name for name in found if name.startswith(str(root))]


def test_no_descriptor_stays_open(root: Path, objects: DirectoryObjects) -> None:
    objects.write(NAME, [b"x"])

    for _ in range(5):
        objects.write(NAME, [b"x"])
        objects.compose("gs://data/b", [NAME, NAME])
        objects.delete("gs://data/b")
        list(objects.list("gs://data/"))
        with pytest.raises(ObjectExists):
            objects.write(NAME, [b"x"], if_generation=ABSENT)

    assert open_below(root) == []
