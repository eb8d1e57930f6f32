"""What Vertex's importer does with an input file before any row is run: one bad row fails the whole job.

The importer loads the file like a BigQuery table, so every JSON path becomes a column with one type. Written from the
observed rules, and on purpose without a look at Offpeak's own checks: where the two disagree, a job fails here.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

__all__ = ["ImportFailed", "ImportRules", "Importer", "rows_of"]

_PREFACE: Final = "Failed to import data. Please check 'Prepare input' section of the batch predictions documentation. "
_COLUMN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,299}")
_RESERVED_PREFIX: Final = ("_table_", "_file_", "_partition", "_row_timestamp", "__root__", "_colidentifier")
_RESERVED: Final = frozenset({"response", "status", "processed_time"})  # what the output adds beside our columns
_DEEPEST: Final = 15
_LARGEST_FILE: Final = 10**9
_LARGEST_ROW: Final = 100 * 2**20
_BLOCK: Final = 1 << 18

_RECORD: Final = "RECORD"
_KINDS: Final = {str: "STRING", bool: "BOOLEAN", int: "NUMBER", float: "NUMBER", dict: _RECORD}


class ImportFailed(Exception):
    """The file is not imported; the job fails with code 3."""

    def __init__(self, reason: str) -> None:
        super().__init__(_PREFACE + reason)


class ImportRules(msgspec.Struct, frozen=True):
    """What differs between families."""

    most_rows: int = 200_000
    column: str = "request"  # which every row must have
    kind: type = dict
    columns_refused: frozenset[str] = frozenset()


class Importer:
    """Reads one file, row by row, and remembers the type of every path. Memory: the paths, never the rows."""

    def __init__(self, rules: ImportRules) -> None:
        self._rules = rules
        self._kinds: dict[str, str] = {}
        self._repeated: dict[str, bool] = {}
        self._nulls: set[str] = set()
        self._columns: dict[str, str] = {}  # lower case to the first spelling: columns do not differ in case alone
        self.rows = 0

    def read(self, lines: Iterable[bytes]) -> int:
        """How many rows there are; ImportFailed for the first thing that is wrong with any of them."""
        size = 0
        for line in lines:
            size += len(line)
            if size > _LARGEST_FILE:
                raise ImportFailed("The input file is larger than the maximum of 1 GB.")
            if not line.strip():
                continue
            self.rows += 1
            if self.rows > self._rules.most_rows:
                raise ImportFailed(f"The number of rows exceeds the maximum of {self._rules.most_rows}.")
            self._row(line)
        for path in sorted(self._nulls):
            if self._repeated.get(path):
                raise ImportFailed(f"Query error: Only optional fields can be set to NULL. Field: {_last(path)}")
        if not self.rows:
            raise ImportFailed("The input file has no rows.")
        return self.rows

    def _row(self, line: bytes) -> None:
        if len(line) > _LARGEST_ROW:
            raise ImportFailed(f"Row {self.rows} is larger than the maximum of 100 MB.")
        try:
            row = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ImportFailed(
                f"JSON parsing error in row {self.rows}: Parser terminated before end of string"
            ) from error
        if not isinstance(row, dict):
            raise ImportFailed(f"JSON parsing error in row {self.rows}: Expected an object.")
        if not isinstance(row.get(self._rules.column), self._rules.kind):
            raise ImportFailed(f"Query error: Name {self._rules.column} not found inside the input table.")
        for name in row:
            if name.lower() in _RESERVED or name in self._rules.columns_refused:
                raise ImportFailed(f"Query error: Duplicate or unexpected column name: {name}")
        self._record(row, "", 1)

    def _record(self, record: dict[str, Any], path: str, level: int) -> None:
        if not record:
            raise ImportFailed(f"Query error: Cannot store struct '{path}' with no fields")
        if level > _DEEPEST:
            raise ImportFailed(
                f"Schema nested too deeply, at least {level} compared to the maximum allowed level of {_DEEPEST}"
            )
        if len(record) > 1 and len({name.lower() for name in record}) < len(record):
            raise ImportFailed(f"Query error: Duplicate field name (case insensitive) in '{path}'")
        for name, value in record.items():
            if _COLUMN.fullmatch(name) is None or name.lower().startswith(_RESERVED_PREFIX):
                raise ImportFailed(f'Invalid field name "{name}". Fields must contain only letters, numbers and _.')
            below = f"{path}.{name}" if path else name
            if isinstance(value, list):
                self._array(value, below, level)
            elif value is None:
                self._nulls.add(below)
            else:
                self._has(below, value, repeated=False)
                if isinstance(value, dict):
                    self._record(value, below, level + 1)

    def _array(self, values: list[Any], path: str, level: int) -> None:
        self._mode(path, repeated=True)
        for value in values:
            if value is None:
                raise ImportFailed(f"Query error: Only optional fields can be set to NULL. Field: {_last(path)}")
            if isinstance(value, list):
                raise ImportFailed(f"Query error: Array of arrays is not supported. Field: {path}")
            self._has(path, value, repeated=True)
            if isinstance(value, dict):
                self._record(value, path, level + 1)

    def _has(self, path: str, value: object, *, repeated: bool) -> None:
        self._mode(path, repeated=repeated)
        kind = _KINDS[type(value)]
        known = self._kinds.setdefault(path, kind)
        if known != kind:
            raise ImportFailed(f"Query error: Could not convert value of field {path} from {kind} to {known}.")

    def _mode(self, path: str, *, repeated: bool) -> None:
        known = self._repeated.get(path)
        if known is None:
            if self._columns.setdefault(path.lower(), path) != path:
                raise ImportFailed(f"Query error: Duplicate column name (case insensitive): {path}")
            self._repeated[path] = repeated
        elif known is not repeated:
            raise ImportFailed(f"Repeated field must be imported as a JSON array. Field: {path}.")


def rows_of(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines of a file that is read in blocks, without their newline."""
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n") if rest else block.split(b"\n")
        yield from lines
    if rest:
        yield rest


def _last(path: str) -> str:
    return path.rpartition(".")[2]
