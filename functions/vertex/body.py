"""The body of a create, as protobuf's JSON has it: understood field by field, and built anew from what was understood.

`{"displayName", "model", "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": […]}},
  "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": …}}, "labels"}`

Both spellings of a name are read, `displayName` and `display_name`. A field at its default is one that is not there.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from shared.domain.errors import BadRequest
from shared.domain.passthrough import LABEL

__all__ = ["Asked", "invalid", "read_body"]

_MOST_URIS: Final = 100
_LONGEST: Final = 2_048
_LONGEST_NAME: Final = 128  # batch_prediction_job.proto: "up to 128 characters long"
_MOST_LABELS: Final = 63  # of 64: one is ours
_LABEL: Final = re.compile(r"[\w-]{1,64}")
_OFFERED: Final = "displayName, model, inputConfig.gcsSource, outputConfig.gcsDestination and labels"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A job as its caller wants it."""

    display_name: str
    model: str
    uris: tuple[str, ...]
    output: str
    labels: dict[str, str]

    def body(self) -> dict[str, Any]:
        """Google's JSON of it, all but the model."""
        return {
            "displayName": self.display_name,
            "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": list(self.uris)}},
            "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": self.output}},
            **({"labels": self.labels} if self.labels else {}),
        }


def invalid(message: str) -> BadRequest:
    return BadRequest(message, code="INVALID_ARGUMENT")


def read_body(body: dict[str, Any]) -> Asked:
    """What a body asks for; BadRequest that names the field which is missing, wrong or not offered."""
    top = _fields(body, "", {"displayName", "model", "inputConfig", "outputConfig", "labels"})
    source = _fields(_object(top, "inputConfig"), "inputConfig.", {"instancesFormat", "gcsSource"})
    target = _fields(_object(top, "outputConfig"), "outputConfig.", {"predictionsFormat", "gcsDestination"})
    _jsonl(source, "inputConfig.instancesFormat")
    _jsonl(target, "outputConfig.predictionsFormat")
    files = _fields(_object(source, "inputConfig.gcsSource"), "inputConfig.gcsSource.", {"uris"})
    folder = _fields(
        _object(target, "outputConfig.gcsDestination"), "outputConfig.gcsDestination.", {"outputUriPrefix"}
    )
    return Asked(
        display_name=_text(top, "displayName", longest=_LONGEST_NAME),
        model=_text(top, "model", longest=512),
        uris=_uris(files.get("uris")),
        output=_gs(_text(folder, "outputConfig.gcsDestination.outputUriPrefix"), "outputUriPrefix"),
        labels=_labels(top.get("labels")),
    )


def _fields(given: dict[str, Any], where: str, known: Collection[str]) -> dict[str, Any]:
    """The fields by their names in camelCase, without those at their defaults."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        field = _camel(name)
        if value in (None, False, 0, "") or value in ([], {}):
            continue
        if field not in known:
            raise invalid(f"'{where}{name[:100]}' is not offered here. A job has {_OFFERED}.")
        if field in found:
            raise invalid(f"'{where}{field}' is given twice.")
        found[field] = value
    return found


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _object(parent: dict[str, Any], path: str) -> dict[str, Any]:
    value = parent.get(_last(path))
    if value is None:
        raise invalid(f"'{path}' is required.")
    if not isinstance(value, dict):
        raise invalid(f"'{path}' is not an object.")
    return value


def _text(parent: dict[str, Any], path: str, *, longest: int = _LONGEST) -> str:
    value = parent.get(_last(path))
    if value is None:
        raise invalid(f"'{path}' is required.")
    if not isinstance(value, str):
        raise invalid(f"'{path}' is not a string.")
    if len(value) > longest:
        raise invalid(f"'{path}' has {len(value):,} characters; {longest:,} are allowed.")
    return value


def _jsonl(parent: dict[str, Any], path: str) -> None:
    value = parent.get(_last(path))
    if value != "jsonl":
        raise invalid(f"'{path}' must be 'jsonl', the only format that is offered here.")


def _gs(uri: str, path: str) -> str:
    if not uri.startswith("gs://"):
        raise invalid(f"'{path}' must be gs://BUCKET/…: it names an object of Cloud Storage.")
    return uri


def _uris(value: Any) -> tuple[str, ...]:
    path = "inputConfig.gcsSource.uris"
    if not isinstance(value, list) or not 1 <= len(value) <= _MOST_URIS:
        raise invalid(f"'{path}' must be an array of 1 to {_MOST_URIS} names of objects.")
    return tuple(_gs(_text({"uris": uri}, f"{path}[{at}].uris"), f"{path}[{at}]") for at, uri in enumerate(value))


def _labels(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > _MOST_LABELS:
        raise invalid(f"'labels' must be an object with at most {_MOST_LABELS} members.")
    for name, text in value.items():
        good = isinstance(text, str) and _LABEL.fullmatch(name) and (text == "" or _LABEL.fullmatch(text))
        if not good or name != name.lower() or text != text.lower():
            raise invalid(
                f"'labels.{name[:100]}': label keys and values are of lowercase letters, digits, _ and -, at most 64."
            )
        if name == LABEL:
            raise invalid(f"'labels.{LABEL}' is a name that this server uses itself.")
    return dict(value)
