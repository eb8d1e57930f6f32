"""A multipart body, read once from front to back: its file is handed on while it arrives, and nothing is spooled.

Python's SDK sends the small fields first and the file last, Node's usually the other way round. So a form is read in
three strokes: `open_file` reads what stands before the file, its chunks are the file, `finish` reads what is behind it.

The parsing is our own: werkzeug's decoder (3.1.9) adds a carriage return to a file when a piece of the body happens to
end within the last boundary, which for some sizes of file it always does.
"""

from collections.abc import Iterator
from typing import Final

from flask import Request
from werkzeug.http import parse_options_header

from functions.body import read_chunk
from shared.domain.errors import ApiError, BadRequest

__all__ = ["NAMELESS", "Form"]

NAMELESS: Final = "upload"  # what OpenAI's SDKs call a file that has no name
_MOST_PARTS: Final = 100
_LONGEST_FIELD: Final = 64 * 1024
_LONGEST_HEADERS: Final = 64 * 1024
_LONGEST_BOUNDARY: Final = 200  # RFC 2046 allows 70


class Form:
    """`fields` grows while the body is read, a list for each name; `filename` is there once the file was opened."""

    def __init__(self, request: Request, *, file: str, longest: int, too_large: ApiError) -> None:
        kind, options = parse_options_header(request.headers.get("content-type"))
        boundary = options.get("boundary", "")
        if kind.lower() != "multipart/form-data" or not boundary or len(boundary) > _LONGEST_BOUNDARY:
            raise BadRequest("The request body must be multipart/form-data with a boundary.")
        self.fields: dict[str, list[str]] = {}
        self.filename = NAMELESS
        self._file, self._longest, self._too_large = file, longest, too_large
        self._parts = _Parts(request, boundary)

    def open_file(self) -> Iterator[bytes]:
        """Read up to the file; its chunks. BadRequest where there is none."""
        if not self._read_fields():
            raise BadRequest(
                f"Missing required parameter: '{self._file}'.", param=self._file, code="missing_required_parameter"
            )
        return _bounded(self._parts.content(), self._longest, self._too_large)

    def field(self, name: str) -> str | None:
        """The value of a field that has one; the last, where it has several."""
        return self.fields[name][-1] if name in self.fields else None

    def finish(self) -> None:
        """Read what stands behind the file, which must not be another one."""
        if self._read_fields():
            raise BadRequest(f"Only one '{self._file}' is accepted.", param=self._file)

    def _read_fields(self) -> bool:
        """Read fields until the file begins (True) or the form ends (False)."""
        while (part := self._parts.next()) is not None:
            name = part.get("name", "")
            if name == self._file:
                self.filename = part.get("filename") or NAMELESS
                return True
            too_long = BadRequest(f"A form field may have {_LONGEST_FIELD} bytes.", param=name[:100])
            value = b"".join(_bounded(self._parts.content(), _LONGEST_FIELD, too_long))
            self.fields.setdefault(name, []).append(value.decode(errors="replace"))
        return False


def _bounded(chunks: Iterator[bytes], longest: int, error: ApiError) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > longest:
            raise error
        yield chunk


class _Parts:
    """The parts of a body, one after the other; the content of each is read before the next is asked for."""

    def __init__(self, request: Request, boundary: str) -> None:
        self._request = request
        self._mark = b"\r\n--" + boundary.encode("latin-1", "replace")  # as header bytes arrive
        self._buffer = bytearray(b"\r\n")  # so that the first boundary looks like all others
        self._count = 0

    def next(self) -> dict[str, str] | None:
        """The parameters of the next part's Content-Disposition; None where the form ends."""
        if not self._count:
            self._bounded_until(self._mark)  # a preamble is allowed
        while len(self._buffer) < 2:
            self._fill()
        if self._buffer.startswith(b"--"):
            return None
        self._count += 1
        if self._count > _MOST_PARTS:
            raise BadRequest(f"A form may have {_MOST_PARTS} parts.")
        # The line break behind the boundary is still there, so that a part without headers ends them at once.
        return _disposition(self._bounded_until(b"\r\n\r\n"))

    def content(self) -> Iterator[bytes]:
        return self._until(self._mark)

    def _until(self, mark: bytes) -> Iterator[bytes]:
        """What comes before `mark`, which is passed over; a piece that may be its beginning waits for the rest."""
        while (found := self._buffer.find(mark)) < 0:
            if (sure := len(self._buffer) - len(mark) + 1) > 0:
                yield bytes(self._buffer[:sure])
                del self._buffer[:sure]
            self._fill()
        if found:
            yield bytes(self._buffer[:found])
        del self._buffer[: found + len(mark)]

    def _bounded_until(self, mark: bytes) -> bytes:
        too_long = BadRequest("The multipart body has too long headers.")
        return b"".join(_bounded(self._until(mark), _LONGEST_HEADERS, too_long))

    def _fill(self) -> None:
        chunk = read_chunk(self._request)
        if not chunk:
            raise _broken()
        self._buffer += chunk


def _disposition(headers: bytes) -> dict[str, str]:
    # What stands before the first line break is the rest of the boundary's own line: only padding is allowed.
    padding, *lines = headers.split(b"\r\n")
    if padding.strip(b" \t"):
        raise _broken()
    for line in lines:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-disposition":
            try:
                return parse_options_header(value.decode())[1]
            except UnicodeDecodeError as error:
                raise _broken() from error
    raise _broken()


def _broken() -> BadRequest:
    return BadRequest("The multipart body is incomplete or malformed.")
