"""What every objects adapter promises."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from shared.storage.ports import ABSENT, ObjectExists, ObjectMissing, Objects

NAME = "gs://data/files/file-a"


def read(objects: Objects, name: str, *, offset: int = 0) -> bytes:
    with objects.open(name, offset=offset) as stream:
        return stream.read()


def names(objects: Objects, prefix: str) -> list[str]:
    return [found.name for found in objects.list(prefix)]


# ---- write, read, stat


@pytest.mark.parametrize(
    "chunks",
    [[], [b""], [b"one"], [b"one", b"", b"two"], [b"x" * 20_000_000, b"y"], [b"z" * 20_000] * 1_000],
    ids=["none", "empty", "one", "some", "large", "many"],
)
def test_what_was_written_is_read(objects: Objects, chunks: list[bytes]) -> None:
    written = objects.write(NAME, iter(chunks))

    assert read(objects, NAME) == b"".join(chunks)
    assert objects.stat(NAME) == written
    assert (written.name, written.size) == (NAME, len(b"".join(chunks)))


def test_a_stream_gives_lines(objects: Objects) -> None:
    objects.write(NAME, [b'{"a"', b":1}\n\n", b'{"b":2}'])

    with objects.open(NAME) as stream:
        assert list(stream) == [b'{"a":1}\n', b"\n", b'{"b":2}']


@pytest.mark.parametrize(("offset", "rest"), [(0, b"abc"), (2, b"c"), (3, b""), (99, b"")])
def test_reading_begins_at_an_offset(objects: Objects, offset: int, rest: bytes) -> None:
    objects.write(NAME, [b"abc"])

    assert read(objects, NAME, offset=offset) == rest


def test_a_negative_offset_is_refused(objects: Objects) -> None:
    objects.write(NAME, [b"abc"])

    with pytest.raises(ValueError, match="offset"):
        objects.open(NAME, offset=-1)


@pytest.mark.parametrize("missing", ["gs://data/files/file-b", "gs://data/files", "gs://other/a", NAME + "/below"])
def test_what_is_not_there_is_missing(objects: Objects, missing: str) -> None:
    objects.write(NAME, [b"abc"])

    with pytest.raises(ObjectMissing):
        objects.stat(missing)
    with pytest.raises(ObjectMissing):
        objects.open(missing)


@pytest.mark.parametrize("change", ["replaced", "deleted"])
def test_a_long_stream_is_of_one_generation_or_ends_in_missing(objects: Objects, change: str) -> None:
    """Where the object is read over a network, it may be gone when a broken connection is made again."""
    first, got, ended = b"1" * 20_000_000, bytearray(), False
    objects.write(NAME, [first])

    with objects.open(NAME) as stream:
        got += stream.read(10)
        if change == "replaced":
            objects.write(NAME, [b"2" * 20_000_000])
        else:
            objects.delete(NAME)
        with suppress(ObjectMissing):
            while chunk := stream.read(100_000):
                got += chunk
            ended = True

    assert got == first[: len(got)]
    assert len(got) == len(first) or not ended  # never as if it ended there


@pytest.mark.parametrize("change", ["replaced", "deleted"])
def test_a_short_stream_outlives_its_object(objects: Objects, change: str) -> None:
    """It was read when it was opened."""
    content = b"a" * 200_000
    objects.write(NAME, [content])

    with objects.open(NAME) as stream:
        if change == "replaced":
            objects.write(NAME, [b"b" * 200_000])
        else:
            objects.delete(NAME)
        assert stream.read() == content


def test_a_signed_url_is_one_or_there_is_none(objects: Objects) -> None:
    objects.write(NAME, [b"abc"])

    url = objects.sign(NAME, seconds=60, filename="é.jsonl")

    assert url is None or url.startswith("http")


# ---- whole or not at all


@pytest.mark.parametrize("size", [3_000_000, 20_000_000])
@pytest.mark.parametrize("before", [None, b"before"], ids=["new", "overwrite"])
def test_a_source_that_fails_changes_nothing(objects: Objects, before: bytes | None, size: int) -> None:
    """Half an output file is worse than none."""
    if before is not None:
        objects.write(NAME, [before])

    def broken() -> Iterator[bytes]:
        yield b"x" * size
        raise OSError("upstream went away")

    with pytest.raises(OSError, match="went away"):
        objects.write(NAME, broken())

    assert [read(objects, name) for name in names(objects, "gs://data/")] == ([] if before is None else [before])


def test_nothing_is_seen_while_an_object_is_being_written(objects: Objects) -> None:
    def watched() -> Iterator[bytes]:
        for _ in range(4):
            yield b"x" * 5_000_000
            assert names(objects, "gs://data/") == []
            with pytest.raises(ObjectMissing):
                objects.stat(NAME)

    objects.write(NAME, watched())

    assert names(objects, "gs://data/") == [NAME]


# ---- generations


def test_each_write_is_a_higher_generation(objects: Objects) -> None:
    generations = [objects.write(NAME, [b"same"]).generation for _ in range(20)]

    assert generations == sorted(set(generations))
    assert generations[0] > ABSENT


def test_a_name_written_again_after_a_delete_is_another_generation(objects: Objects) -> None:
    first = objects.write(NAME, [b"same"])
    objects.delete(NAME)

    assert objects.write(NAME, [b"same"]).generation > first.generation


def test_the_second_writer_loses(objects: Objects) -> None:
    """This is what makes `finish` safe to run twice."""
    first = objects.write(NAME, [b"first"], if_generation=ABSENT)

    with pytest.raises(ObjectExists):
        objects.write(NAME, [b"second"], if_generation=ABSENT)

    assert read(objects, NAME) == b"first"
    assert objects.stat(NAME) == first


def test_a_writer_that_saw_an_older_generation_loses(objects: Objects) -> None:
    first = objects.write(NAME, [b"first"])
    second = objects.write(NAME, [b"second"], if_generation=first.generation)

    with pytest.raises(ObjectExists):
        objects.write(NAME, [b"third"], if_generation=first.generation)

    assert read(objects, NAME) == b"second"
    assert objects.stat(NAME) == second


def test_a_write_that_will_be_refused_does_not_begin_with_its_chunks(objects: Objects) -> None:
    """They may be an upload, or a step's work."""
    first = objects.write(NAME, [b"first"])

    def chunks() -> Iterator[bytes]:
        raise AssertionError("asked for a chunk")
        yield b""

    for generation in (ABSENT, first.generation - 1):
        with pytest.raises(ObjectExists):
            objects.write(NAME, chunks(), if_generation=generation)

    assert objects.stat(NAME) == first


def test_a_generation_of_what_is_not_there_does_not_match(objects: Objects) -> None:
    with pytest.raises(ObjectExists):
        objects.write(NAME, [b"abc"], if_generation=17)

    assert names(objects, "gs://data/") == []


@pytest.mark.parametrize("size", [4, 20_000_000])
def test_a_writer_that_is_overtaken_while_it_writes_loses(objects: Objects, size: int) -> None:
    def slow() -> Iterator[bytes]:
        yield b"s" * size
        objects.write(NAME, [b"fast"], if_generation=ABSENT)

    with pytest.raises(ObjectExists):
        objects.write(NAME, slow(), if_generation=ABSENT)

    assert read(objects, NAME) == b"fast"


@pytest.mark.parametrize("start", [None, b"start"], ids=["absent", "generation"])
def test_of_many_writers_of_the_same_generation_one_wins(objects: Objects, start: bytes | None) -> None:
    generation = ABSENT if start is None else objects.write(NAME, [start]).generation
    together = threading.Barrier(8)

    def work(who: int) -> int | None:
        together.wait()
        try:
            objects.write(NAME, [b"%d" % who] * 1_000, if_generation=generation)
        except ObjectExists:
            return None
        return who

    with ThreadPoolExecutor(8) as pool:
        winners = [who for who in pool.map(work, range(8)) if who is not None]

    assert len(winners) == 1
    assert read(objects, NAME) == b"%d" % winners[0] * 1_000


def test_a_counter_kept_by_generations_loses_no_count(objects: Objects) -> None:
    objects.write(NAME, [b"0"])

    def work(_: int) -> None:
        for _ in range(10):
            while True:
                seen = objects.stat(NAME)
                value = int(read(objects, NAME))
                try:
                    objects.write(NAME, [b"%d" % (value + 1)], if_generation=seen.generation)
                except ObjectExists:
                    continue
                break

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))

    assert read(objects, NAME) == b"40"


# ---- compose


@pytest.mark.parametrize("count", [0, 1, 2, 32, 33, 100])
def test_any_number_of_objects_is_joined_in_order(objects: Objects, count: int) -> None:
    """One request of Cloud Storage takes 32."""
    sources = [f"gs://data/rows/{number}" for number in range(count)]
    for number, source in enumerate(sources):
        objects.write(source, [b"%d\n" % number])

    written = objects.compose(NAME, sources)

    assert read(objects, NAME) == b"".join(b"%d\n" % number for number in range(count))
    assert objects.stat(NAME) == written
    assert names(objects, "gs://data/rows/") == sorted(sources)


def test_an_object_may_be_joined_twice_and_to_itself(objects: Objects) -> None:
    objects.write(NAME, [b"a"])
    objects.write("gs://data/b", [b"b"])

    objects.compose(NAME, [NAME, "gs://data/b", NAME])

    assert read(objects, NAME) == b"aba"


def test_joining_what_is_not_there_makes_no_object(objects: Objects) -> None:
    objects.write("gs://data/a", [b"a"])

    with pytest.raises(ObjectMissing):
        objects.compose(NAME, ["gs://data/a", "gs://data/b"])

    assert names(objects, "gs://data/") == ["gs://data/a"]


def test_the_second_to_join_loses(objects: Objects) -> None:
    objects.write("gs://data/a", [b"a"])
    first = objects.compose(NAME, ["gs://data/a"], if_generation=ABSENT)

    with pytest.raises(ObjectExists):
        objects.compose(NAME, [], if_generation=ABSENT)

    assert objects.stat(NAME) == first


def test_objects_of_another_bucket_are_not_joined(objects: Objects) -> None:
    objects.write("gs://work/a", [b"a"])

    with pytest.raises(ValueError, match="bucket"):
        objects.compose(NAME, ["gs://work/a"])


# ---- delete


def test_a_deleted_object_is_gone(objects: Objects) -> None:
    objects.write(NAME, [b"abc"])
    objects.write("gs://data/files/file-b", [b"abc"])

    objects.delete(NAME)
    objects.delete(NAME)  # again is no error

    assert names(objects, "gs://data/") == ["gs://data/files/file-b"]


def test_a_delete_of_another_generation_is_refused(objects: Objects) -> None:
    first = objects.write(NAME, [b"first"])
    second = objects.write(NAME, [b"second"])

    with pytest.raises(ObjectExists):
        objects.delete(NAME, if_generation=first.generation)

    assert objects.stat(NAME) == second
    objects.delete(NAME, if_generation=second.generation)
    objects.delete(NAME, if_generation=second.generation)  # gone is gone, of whatever generation
    assert names(objects, "gs://data/") == []


# ---- list


def test_objects_are_listed_in_the_order_of_their_bytes(objects: Objects) -> None:
    """As Cloud Storage does: a slash is a byte like any other, and capitals come first."""
    some = ["a", "a!/x", "a-b", "a.b/c", "ab/c", "a0", "B", "é", "z", "😀", "\uff5e", "dir/a", "dir/b/c", "dir-a"]
    written = [objects.write(f"gs://data/{name}", [name.encode()]) for name in some]

    found = list(objects.list("gs://data/"))

    assert found == sorted(written, key=lambda stat: stat.name.encode())


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("", ["ab", "abc/d", "abc/e/f", "abcd", "b/c"]),
        ("a", ["ab", "abc/d", "abc/e/f", "abcd"]),
        ("abc", ["abc/d", "abc/e/f", "abcd"]),
        ("abc/", ["abc/d", "abc/e/f"]),
        ("abc/e", ["abc/e/f"]),
        ("abc/e/f", ["abc/e/f"]),
        ("abc/e/f/", []),
        ("x", []),
        ("x/y", []),
        ("ab/", []),
    ],
)
def test_a_prefix_may_end_anywhere_in_a_name(objects: Objects, prefix: str, found: list[str]) -> None:
    for name in ["b/c", "abcd", "abc/e/f", "abc/d", "ab"]:
        objects.write(f"gs://data/{name}", [b"x"])
    objects.write("gs://data2/abc/z", [b"x"])

    assert names(objects, f"gs://data/{prefix}") == [f"gs://data/{name}" for name in found]


def test_a_bucket_without_objects_lists_nothing(objects: Objects) -> None:
    assert names(objects, "gs://data/") == []


# ---- names


@pytest.mark.parametrize(
    "name",
    [
        "",
        "data/a",
        "/etc/passwd",
        "file:///etc/passwd",
        "gs://",
        "gs:///a",
        "gs://data",
        "gs://data/",
        "gs://data/a/",
        "gs://data//a",
        "gs://data/a//b",
        "gs://data/..",
        "gs://data/../other/a",
        "gs://data/a/../../../etc/passwd",
        "gs://data/.",
        "gs://data/./a",
        "gs://../data/a",
        "gs://./a",
        "gs://.tmp/a",
        "gs://Data/a",
        "gs://da ta/a",
        "gs://data\n/a",
        "gs://data/a\x00b",
        "gs://data/a\nb",
        "gs://data/a\rb",
        "gs://data/\ud800",
        "gs://data/" + "x" * 256,
        "gs://data/" + "é" * 128,
        "gs://data/" + "/".join(["x" * 200] * 6),
    ],
)
def test_what_is_no_name_is_refused_everywhere(objects: Objects, name: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (UnicodeEncodeError is one)
        objects.write(name, [b"x"])
    with pytest.raises(ValueError):  # noqa: PT011
        objects.compose(name, [])
    with pytest.raises(ValueError):  # noqa: PT011
        objects.compose(NAME, [name])
    with pytest.raises(ValueError):  # noqa: PT011
        objects.open(name)
    with pytest.raises(ValueError):  # noqa: PT011
        objects.stat(name)
    with pytest.raises(ValueError):  # noqa: PT011
        objects.delete(name)
    with pytest.raises(ValueError):  # noqa: PT011
        objects.sign(name, seconds=1, filename="a")


@pytest.mark.parametrize(
    "prefix", ["", "gs://", "gs://data", "gs:///a", "gs://data/../", "gs://data//", "gs://data/a/../b", "gs://.tmp/"]
)
def test_what_is_no_prefix_is_refused(objects: Objects, prefix: str) -> None:
    with pytest.raises(ValueError, match="gs://"):
        list(objects.list(prefix))


@pytest.mark.parametrize("name", ["...", "a b", "%2e%2e", "a\\b", "~", "-rf", "é😀", ".hidden", "x" * 255, "?#*[a]"])
def test_an_odd_name_is_a_name(objects: Objects, name: str) -> None:
    objects.write(f"gs://data/d/{name}", [b"x"])

    assert names(objects, "gs://data/") == [f"gs://data/d/{name}"]
    assert read(objects, f"gs://data/d/{name}") == b"x"
