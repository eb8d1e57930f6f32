"""What is asked of spend: the parameters of LiteLLM's routes, judged one by one."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from functions.checks import integer, number, one_of
from functions.http import Call
from shared.admin.reports.names import keys_of, keys_of_alias
from shared.admin.reports.rows import Row, batch_of
from shared.admin.reports.scope import Wanted
from shared.admin.reports.time import Span, span
from shared.domain.cost import nano
from shared.domain.errors import BadRequest

__all__ = [
    "as_csv_wanted",
    "flag",
    "listed",
    "most",
    "no_table",
    "page_of",
    "row_filter",
    "row_order",
    "span_if_any",
    "span_of",
    "text_of",
    "wanted_of",
]

_MOST_PER_PAGE: Final = 1_000
_MOST_RANKED: Final = 10_000
_LONGEST: Final = 256  # characters of a name; and stores refuse to look for much more
_FLAGS: Final = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}
_BATCH: Final = "batch"  # LiteLLM's `span_type` of all that there is here
_UNANSWERED: Final = (
    "session_id",
    "error_code",
    "error_message",
    "cache_hit_filter",
    "used_client_oauth_token",
    "search",
)
_SORTS: Final[Mapping[str, Callable[[Row], Any]]] = {
    "startTime": lambda row: row.started,
    "endTime": lambda row: row.ended,
    "spend": lambda row: row.facts.nano,
    "total_tokens": lambda row: row.total_tokens,
    "request_duration_ms": lambda row: row.duration,
    "model": lambda row: row.model,
}


def span_of(call: Call) -> Span:
    """The days asked for; BadRequest where there are none."""
    found = span(*_dates(call))
    if found is None:
        raise BadRequest(
            "Please provide start_date and end_date, both as YYYY-MM-DD.",
            param="start_date",
            code="missing_required_parameter",
        )
    return found


def span_if_any(call: Call) -> Span | None:
    return span(*_dates(call))


def wanted_of(
    call: Call,
    *,
    user: str = "user_id",
    teams: Collection[str] | None = None,
    but_teams: Collection[str] = (),
    tags: Collection[str] | None = None,
) -> Wanted:
    """The filters that all routes share. `user`: which parameter names the user."""
    tag, team, request = (text_of(call, name) for name in ("tag", "team_id", "request_id"))
    return Wanted(
        keys=_keys(call),
        user=text_of(call, user),
        teams=(team,) if teams is None and team is not None else teams,
        but_teams=but_teams,
        model=text_of(call, "model"),
        group=text_of(call, "model_group"),
        deployment=text_of(call, "model_id"),
        tags=(tag,) if tags is None and tag is not None else tags,
        batch=None if request is None else batch_of(request),
    )


def text_of(call: Call, name: str) -> str | None:
    """A parameter that is some name."""
    return _named(call.request.args.get(name), name)


def listed(call: Call, name: str) -> list[str] | None:
    """A parameter that is names with commas between them, each of them once."""
    said = call.request.args.get(name)
    return None if said is None else [str(_named(each, name)) for each in dict.fromkeys(said.split(","))]


def as_csv_wanted(call: Call) -> bool:
    """Whether the answer is to be a table: `format=csv`, or else an `Accept` that prefers it."""
    said = call.request.args.get("format")
    if said is not None:
        return one_of(said, ("json", "csv"), "format") == "csv"
    return call.request.accept_mimetypes.best_match(["application/json", "text/csv"]) == "text/csv"


def no_table(call: Call) -> None:
    """Refuse `format=csv`: of one object there is no table."""
    if one_of(call.request.args.get("format", "json"), ("json", "csv"), "format") == "csv":
        raise BadRequest(
            "Invalid 'format': this report is one object, as JSON alone.", param="format", code="invalid_value"
        )


def flag(call: Call, name: str, *, default: bool) -> bool:
    said = call.request.args.get(name)
    if said is None:
        return default
    found = _FLAGS.get(said.lower())
    if found is None:
        raise BadRequest(f"Invalid '{name}': expected true or false.", param=name, code="invalid_value")
    return found


def page_of(call: Call, size: int) -> tuple[int, int]:
    """`page`, from 1, and `page_size`."""
    return _integer(call, "page", 1, None), _integer(call, "page_size", size, _MOST_PER_PAGE)


def most(call: Call, default: int) -> int:
    """`limit`."""
    return _integer(call, "limit", default, _MOST_RANKED)


def row_order(call: Call) -> tuple[Callable[[Row], Any], bool]:
    """By what rows are sorted, and whether the largest comes first."""
    args = call.request.args
    by = one_of(args.get("sort_by", "startTime"), tuple(_SORTS), "sort_by")
    order = one_of(args.get("sort_order", "desc").lower(), ("asc", "desc"), "sort_order")
    return _SORTS[by], order == "desc"


def row_filter(call: Call) -> Callable[[Row], bool]:
    """Whether a row is wanted: what only the sum of a batch can tell."""
    args = call.request.args
    for name in _UNANSWERED:
        if args.get(name):  # pages of others send all filters, and empty ones where nothing is meant
            raise BadRequest(f"Batches cannot be searched by '{name}'. Leave it out.", param=name, code="invalid_value")
    least, largest, status = _amount(call, "min_spend"), _amount(call, "max_spend"), args.get("status_filter") or None
    none = bool(args.get("end_user")) or args.get("span_type", _BATCH) != _BATCH

    def keep(row: Row) -> bool:
        spent = row.facts.nano
        return (
            not none
            and (least is None or spent >= least)
            and (largest is None or spent <= largest)
            and (status is None or row.status == status)
        )

    return keep


def _named(said: str | None, name: str) -> str | None:
    if said is not None and len(said) > _LONGEST:
        message = f"Invalid '{name}': it may have {_LONGEST} characters."
        raise BadRequest(message, param=name, code="invalid_value")
    return said


def _dates(call: Call) -> tuple[str | None, str | None]:
    return call.request.args.get("start_date"), call.request.args.get("end_date")


def _keys(call: Call) -> frozenset[str] | None:
    """The keys that are named; where two ways to name one disagree, none."""
    key, alias = call.request.args.get("api_key"), text_of(call, "key_alias")
    found = [
        *(() if key is None else (keys_of(call.app, key),)),
        *(() if alias is None else (keys_of_alias(call.app, alias),)),
    ]
    return frozenset.intersection(*found) if found else None


def _integer(call: Call, name: str, default: int, largest: int | None) -> int:
    text = call.request.args.get(name)
    return default if text is None else integer(number(text, name), name, least=1, most=largest)


def _amount(call: Call, name: str) -> int | None:
    text = call.request.args.get(name)
    try:
        return None if text is None else nano(text)
    except ValueError as error:
        raise BadRequest(f"Invalid '{name}': {error}.", param=name, code="invalid_value") from error
