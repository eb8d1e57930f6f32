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
