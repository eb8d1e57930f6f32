"""From bytes to lines, however the bytes are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.lines.read import lines_of


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(st.lists(st.sampled_from([b"a", b"bb\r", b"", b"\r", b"\xe2\x80\xa8x"])), st.integers(1, 9), st.booleans())
def test_the_way_it_is_cut_does_not_matter(lines: list[bytes], size: int, end: bool) -> None:
    data = b"\n".join(lines) + (b"\n" if end else b"")
    expected = [(n, line) for n, line in enumerate(data.split(b"\n"), start=1) if line not in (b"", b"\r")]
    assert list(lines_of(cut(data, size), longest=100)) == expected


@pytest.mark.parametrize("size", range(1, 8))
def test_a_byte_order_mark_is_dropped_at_the_start_of_the_file_only(size: int) -> None:
    data = b"\xef\xbb\xbf{}\n\xef\xbb\xbf{}"
    assert list(lines_of(cut(data, size), longest=100)) == [(1, b"{}"), (2, b"\xef\xbb\xbf{}")]


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_that_is_too_long_is_counted_and_not_kept(size: int, end: bytes) -> None:
    data = b"ok\n" + b"x" * 50 + b"\nok\n" + b"y" * 51 + end
    assert list(lines_of(cut(data, size), longest=10)) == [(1, b"ok"), (2, None), (3, b"ok"), (4, None)]


def test_nothing_but_empty_lines_is_no_line() -> None:
    assert list(lines_of([b"\n" * 1000, b"\r\n" * 1000], longest=10)) == []


@given(
    st.lists(st.sampled_from([b"a", b"bb\r", b"", b"\r", b"x" * 12, b"\xe2\x80\xa8x"])),
    st.integers(1, 9),
    st.booleans(),
    st.booleans(),
)
def test_from_every_mark_the_rest_is_read_as_before(lines: list[bytes], size: int, bom: bool, end: bool) -> None:
    data = b"\xef\xbb\xbf" * bom + b"\n".join(lines) + (b"\n" if end else b"")
    marks: list[tuple[int, int]] = []
    whole = list(lines_of(cut(data, size), longest=10, marks=marks))
    assert whole == list(lines_of(cut(data, size), longest=10))
    for number, offset in marks:
        left = list(lines_of(cut(data[offset:], size), longest=10, start=(number, offset)))
        assert left == [each for each in whole if each[0] >= number]


@given(st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), min_size=1), st.integers(3, 9))
def test_a_mark_is_the_first_line_that_begins_in_a_chunk(lines: list[bytes], size: int) -> None:
    data = b"\n".join([b"first", *lines])
    marks: list[tuple[int, int]] = []
    list(lines_of(cut(data, size), longest=100, marks=marks))
    begins = [0, *(at + 1 for at, byte in enumerate(data) if byte == 10 and at + 1 < len(data))]
    first: dict[int, tuple[int, int]] = {}
    for number, at in enumerate(begins, start=1):
        first.setdefault(at // size, (number, at))
    assert marks == list(first.values())


def test_a_byte_order_mark_is_no_part_of_what_a_mark_points_at() -> None:
    marks: list[tuple[int, int]] = []
    list(lines_of([b"\xef\xbb\xbf{}\n\xef\xbb\xbf{}\n"], longest=100, marks=marks))
    assert marks == [(1, 3)]
    assert list(lines_of([b"\xef\xbb\xbf{}"], longest=100, start=(2, 6))) == [(2, b"\xef\xbb\xbf{}")]
