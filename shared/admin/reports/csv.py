"""Reports as CSV (RFC 4180): streamed, amounts exact to the nano-dollar, and no cell that a spreadsheet would run.

An apostrophe in front of what would be a formula makes it text.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from shared.admin.reports.names import Names, model_shown
from shared.admin.reports.rows import Row, key_alias, row_told
from shared.admin.reports.sums import Sum, facts
from shared.admin.reports.time import day_shown
from shared.domain.ledger import Day, TagDay

__all__ = ["ROW", "as_csv", "flat_days", "flat_groups", "flat_row", "flat_tags"]

ROW: Final = (  # the columns of the logs
    *("request_id", "call_type", "api_key", "key_alias", "user", "team_id", "model", "model_group", "model_id"),
    *("custom_llm_provider", "spend", "prompt_tokens", "completion_tokens", "total_tokens", "startTime", "endTime"),
    *("request_duration_ms", "request_tags", "status"),
    *("successful_requests", "failed_requests", "unpriced_requests"),
)
_RUNS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")  # how formulas begin, in some spreadsheet
# Who takes another character than the comma for what is between cells begins one behind it, and ends a row where a line
# of a cell ends, since our quotes are none there. Full-width signs are read as the others.
_BEHIND: Final = re.compile(r"""(^|[;|\t\r\n])((?:"|[^\S\t\r\n])*)(?=[=+@\-\uff1d\uff0b\uff0d\uff20])""")
_CHUNK: Final = 64 * 1024
_METRICS: Final = ("spend", *(name for name in Sum().metrics() if not name.startswith("spend")))
_EXACT: Final = "_exact"


def as_csv(columns: Iterable[str], records: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """A line of names, and one for each record. What is None is an empty cell."""
    names = list(columns)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(names)
    for record in records:
        writer.writerow([_cell(record.get(name)) for name in names])
        if text.tell() > _CHUNK:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def flat_days(found: Iterable[Day], names: Names) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """Columns and lines of sums by day."""
    columns = ["date", "api_key", "key_alias", "user", "team_id", "team_alias", "model_group", "model"]
    lines = (
        {
            "date": day_shown(each.day),
            "api_key": names.key(each.key),
            "key_alias": names.alias(each.key),
            "user": each.user,
            "team_id": each.team,
            "team_alias": names.team_alias(each.team),
            "model_group": each.group,
            "model": model_shown(each.model),
            "custom_llm_provider": each.provider,
            **_metrics(each),
        }
        for each in found
    )
    return [*columns, "custom_llm_provider", *_METRICS], lines


def flat_tags(found: Iterable[TagDay]) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """The same of sums by day and tag."""
    return ["date", "tag", *_METRICS], (
        {"date": day_shown(each.day), "tag": each.tag, **_metrics(each)} for each in found
    )


def flat_row(row: Row, names: Names) -> dict[str, Any]:
    """A row of the logs, its amount the exact one."""
    told, found = row_told(row, names), row.facts
    told["spend"], told["request_tags"] = told["spend_exact"], ", ".join(row.tags)
    told["key_alias"] = key_alias(row, names)
    told["successful_requests"], told["failed_requests"] = found.completed, found.failed
    told["unpriced_requests"] = found.unpriced
    return told


def flat_groups(found: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The lines of a report by group: one for each of its innermost objects."""
    for each in found:
        inner = next((value for value in each.values() if isinstance(value, list)), None)
        own = {name: value for name, value in each.items() if not isinstance(value, list)}
        if inner is None:
            yield _exactly(own)
            continue
        for flat in flat_groups(inner):
            yield {**_exactly(own), **flat}


def _exactly(record: Mapping[str, Any]) -> dict[str, Any]:
    """Of two members that say the same, the exact one."""
    return {name: record.get(f"{name}{_EXACT}", value) for name, value in record.items() if not name.endswith(_EXACT)}


def _metrics(record: Day | TagDay) -> dict[str, Any]:
    metrics = Sum(facts(record)).metrics()
    metrics["spend"] = metrics.pop("spend_exact")
    return metrics


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    value = _BEHIND.sub(r"\1'\2", value)
    return f"'{value}" if value.startswith(_RUNS) else value
