"""What Vertex's importer refuses. It reads a file of rows as a table, and one bad row fails the whole job.

Only free-form values (arguments and results of tools, property names of schemas) can break its rules; everything else
in a row is of our own making. The rules, from `vertex-batch.md` section 2 and BigQuery's own:

- no empty object, no null, no empty array; nesting of at most 15 levels, where the row itself is the first;
- every key is a column name, and no two differ in case alone;
- an array holds values of one type and no arrays; one path has one type, over all rows of a job.

Free-form numbers are doubles for Gemini, whatever they look like (google.protobuf.Struct). They are written as such, so
that 1 and 1.5 at one path are of one type for the importer as well; an integer that a double cannot hold is refused.
Rows that are not Gemini's, or not of our making, keep their numbers as they are: `survey` looks and changes nothing.
A known limit: the importer may take texts that all look like numbers for numbers.
"""

import re
from typing import Any, Final

from shared.lines.checks import INT64, shown, wrong_value

__all__ = ["MAX_LEVEL", "Shape", "check_level", "check_name", "fit", "pruned", "survey"]

MAX_LEVEL: Final = 15  # "Schema nested too deeply, at least 16 compared to the maximum allowed level of 15"

_EXACT: Final = 2**53
_COLUMN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,299}")
_RESERVED: Final = (  # cloud.google.com/bigquery/docs/schemas#column_names: prefixes that no column may have
    "_table_",
    "_file_",
    "_partition",
    "_row_timestamp",
    "__root__",
    "_colidentifier",
    "_change_sequence_number",
    "_change_type",
    "_change_timestamp",
)
_KINDS: Final = {str: "string", bool: "bool", int: "number", float: "number", dict: "struct"}


class Shape(dict[str, str]):
    """Path to type, for the free-form parts of one line; arrays are transparent.

    A type bears the exact spelling of the path's last key, so that `City` and `city` conflict as well.
    """

    def record(self, path: str, key: str, kind: str, param: str) -> None:
        said = f"{key}:{kind}"
        if self.setdefault(path, said) != said:
            raise wrong_value(param, "batch prediction needs one spelling and one type per field within a request.")

    def absorb(self, other: "Shape", param: str) -> None:
        for path, said in other.items():
            key, _, kind = said.rpartition(":")
            self.record(path, key, kind, param)


def check_name(key: str, param: str) -> None:
    if not _COLUMN.fullmatch(key) or key.lower().startswith(_RESERVED):
        raise wrong_value(
            param, "batch prediction takes names of letters, digits and underscores only, at most 300, not reserved."
        )


def check_level(level: int, param: str) -> None:
    if level > MAX_LEVEL:
        raise wrong_value(param, "it is nested too deeply for batch prediction, where objects and arrays both count.")


def fit(value: dict[str, Any], param: str, path: str, level: int, shape: Shape) -> dict[str, Any]:
    """The object as the importer can hold it; members that are null or empty, which it cannot, are left out.

    `level` is that of the object itself. LineError where leaving out would change more than that.
    """
    check_level(level, param)
    fitted: dict[str, Any] = {}
    for key, member in value.items():
        here = f"{param}.{shown(key)}"
        check_name(key, here)
        if member is None:
            continue
        below = f"{path}.{key.lower()}"
        if isinstance(member, dict):
            inner = fit(member, here, below, level + 1, shape)
            if inner:
                shape.record(below, key, "struct", here)
                fitted[key] = inner
        elif isinstance(member, list):
            if member:
                check_level(level + 1, here)
                kind = _kind_of_items(member, here)
                shape.record(below, key, f"array<{kind}>", here)
                fitted[key] = _items(kind, member, here, below, level + 2, shape)
        else:
            kind = _kind(member, here)
            shape.record(below, key, kind, here)
            fitted[key] = float(member) if kind == "number" else member
    return fitted


def _kind(value: Any, param: str) -> str:
    if type(value) is int and not -_EXACT <= value <= _EXACT:
        raise wrong_value(param, "it is beyond the integers that Gemini keeps exactly.")
    return _KINDS[type(value)]


def _kind_of_items(items: list[Any], param: str) -> str:
    kinds = {"null" if item is None else "array" if type(item) is list else _kind(item, param) for item in items}
    if len(kinds) > 1 or kinds & {"null", "array"}:
        raise wrong_value(param, "batch prediction takes arrays of one type only, without null and without arrays.")
    return kinds.pop()


def _items(kind: str, items: list[Any], param: str, path: str, level: int, shape: Shape) -> list[Any]:  # noqa: PLR0917 - as `fit`, of one kind
    if kind != "struct":
        return [float(item) for item in items] if kind == "number" else items
    fitted = [fit(item, f"{param}[{at}]", path, level, shape) for at, item in enumerate(items)]
    if not all(fitted):
        raise wrong_value(param, "batch prediction takes no empty object in an array.")
    return fitted


def pruned(value: dict[str, Any]) -> dict[str, Any]:
    """The object without what `fit` would leave out, its members that are null or empty; its numbers as they are."""
    kept = {name: _pruned(member) for name, member in value.items()}
    return {name: member for name, member in kept.items() if member is not None and member not in ({}, [])}


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return pruned(value)
    return [_pruned(item) for item in value] if isinstance(value, list) else value


def survey(value: dict[str, Any], param: str, path: str, level: int, shape: Shape) -> None:
    """Note the types of an object that goes out as it is; LineError at the first thing that would fail its job.

    `param` is where it stands in what the caller wrote, or nothing; `level` is that of the object itself.
    """
    check_level(level, param or "(row)")
    if not value:
        raise wrong_value(param or "(row)", "batch prediction takes no empty object; leave it out.")
    for key, member in value.items():
        here = f"{param}.{shown(key)}" if param else shown(key)
        check_name(key, here)
        _survey_member(member, key, here, f"{path}.{key.lower()}" if path else key.lower(), level, shape)


def _survey_member(member: Any, key: str, here: str, below: str, level: int, shape: Shape) -> None:  # noqa: PLR0917 - as `fit`
    if member is None:  # it may stand for what is not there, but never for a list
        shape.record(f"{below}[]", key, "null", here)
    elif isinstance(member, dict):
        shape.record(below, key, "struct", here)
        survey(member, here, below, level + 1, shape)
    elif isinstance(member, list):
        check_level(level + 1, here)
        if not member:
            raise wrong_value(here, "batch prediction takes no empty array; leave it out.")
        for item in member:
            _sized(item, here)
        kind = _kind_of_items([0.0 if type(item) is int else item for item in member], here)
        shape.record(below, key, f"array<{kind}>", here)
        shape.record(f"{below}[]", key, "array", here)
        for at, item in enumerate(member if kind == "struct" else ()):
            survey(item, f"{here}[{at}]", below, level + 2, shape)
    else:
        _sized(member, here)
        shape.record(below, key, "number" if type(member) is int else _kind(member, here), here)


def _sized(value: Any, param: str) -> None:
    if type(value) is int and not -INT64 - 1 <= value <= INT64:
        raise wrong_value(param, "it is an integer of more than 64 bits.")
