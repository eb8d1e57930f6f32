"""Spend: logs, reports, daily activity, and what a request would cost."""

from typing import Final

from functions.openapi.spend_rows import COST, EXACT, MONEY, TOTAL
from functions.openapi.words import (
    BOOLEAN,
    FLAG,
    INTEGER,
    NUMBER,
    TEXT,
    Operation,
    Schema,
    Table,
    enum,
    integer,
    json_body,
    listed,
    nullable,
    query,
    record,
    ref,
    text,
)
from shared.admin.reports.groups import GROUPS

__all__ = ["SPEND"]

_DAY: Final = text(
    pattern=r"^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"([ T]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?(Z|[+ -]([01][0-9]|2[0-3]):[0-5][0-9])?)?$",
    says="YYYY-MM-DD, a day that there is; with a time behind it if you like, UTC unless it says from where it is.",
)
_TABLE: Final[Schema] = {"text/csv": {"schema": TEXT}}
_CSV: Final = query("format", enum(["json", "csv"]), "csv: a table.")
_NO_CSV: Final = query("format", enum(["json"]), "Of one object there is no table.")
_DATES: Final = (query("start_date", _DAY, "The first day."), query("end_date", _DAY, "The last day, inclusive."))
_NEEDED: Final = tuple({**each, "required": True} for each in _DATES)
_WHOSE: Final = (
    query("api_key", TEXT, "Of this key, by its hash."),
    query("key_alias", TEXT, "Of the key of this name."),
    query("user_id", TEXT, "Of this user."),
    query("team_id", TEXT, "Of this team."),
    query("model", TEXT, "Of this model, or model group."),
    query("model_group", TEXT, "Of this model group."),
    query("model_id", TEXT, "Of this deployment."),
    query("tag", TEXT, "With this tag."),
    query("request_id", TEXT, "Of this batch, or this job."),
)
_WITHOUT_TAG: Final = tuple(each for each in _WHOSE if each["name"] != "tag")
_PAGE: Final = (
    query("page", integer(1), "Which page, from 1."),
    query("page_size", integer(1, 1_000), "As many on it at most."),
)
_ZONE: Final = query("timezone", TEXT, "Taken; has no effect here: a day is one of UTC.")
_TAGS: Final = query("tags", TEXT, "Of these tags alone, with commas between.")


def _report(
    id: str, says: str, gives: Schema, *asks: Schema, errors: tuple[int, ...] = (400,), csv: bool = False
) -> Operation:
    both = {**json_body(gives), **(_TABLE if csv else {})}
    return Operation(id=id, tag="Spend", says=says, gives=both, asks=(*asks, *((_CSV,) if csv else ())), errors=errors)


_OF_DAY: Final = listed(
    record(
        {
            **TOTAL,
            "metadata": listed(record({"model": TEXT, "api_key": TEXT, **MONEY, "total_tokens": INTEGER})),
        },
        additionalProperties=TEXT,  # whose it is
    )
)
_MODEL: Final = record({"model": TEXT, **COST})
_PARTS: Final = (
    record({"group_by_day": TEXT, "teams": _OF_DAY, "customers": _OF_DAY}, optional=["teams", "customers"]),
    record({"api_key": TEXT, **COST, "model_details": listed(_MODEL)}),
    _MODEL,
    record({"tag": TEXT, "log_count": INTEGER, **COST}),
)
SPEND: Final[Table] = {
    ("GET", "/spend/logs"): _report(
        "spendLogs",
        "Spend by day; with summarize=false, or without dates, a row for each batch.",
        {"type": "array", "items": {"anyOf": [ref("SpendDay"), ref("SpendRow")]}},
        *_DATES,
        query("summarize", FLAG, "Whether by day; true if nothing is said."),
        *_WHOSE,
        csv=True,
    ),
    ("GET", "/spend/logs/v2"): _report(
        "spendRows",
        "The rows, page by page.",
        record(
            {
                "data": listed(ref("SpendRow")),
                "total": INTEGER,
                "page": INTEGER,
                "page_size": INTEGER,
                "total_pages": INTEGER,
                "total_is_capped": BOOLEAN,
            }
        ),
        *_NEEDED,
        *_PAGE,
        query(
            "sort_by",
            enum(["startTime", "endTime", "spend", "total_tokens", "request_duration_ms", "model"]),
            "startTime if nothing is said.",
        ),
        query("sort_order", enum(["asc", "desc"]), "desc if nothing is said."),
        query("status_filter", TEXT, "success or failure."),
        query("min_spend", {"type": "number", "minimum": 0, "maximum": 1_000_000}, "US dollars."),
        query("max_spend", {"type": "number", "minimum": 0, "maximum": 1_000_000}, "US dollars."),
        *_WHOSE,
        csv=True,
    ),
    ("GET", "/spend/tags"): _report(
        "spendTags",
        "Spend by tag.",
        listed(
            record(
                {
                    "individual_request_tag": TEXT,
                    "log_count": INTEGER,
                    **TOTAL,
                }
            )
        ),
        *_DATES,
        *_WHOSE,
        csv=True,
    ),
    ("POST", "/spend/calculate"): Operation(
        id="calculateSpend",
        tag="Spend",
        says="What a request would cost in a batch, or what one has cost by its answer.",
        takes=json_body(
            {
                "anyOf": [
                    record({"model": text(least=1, most=512), "messages": listed({})}),
                    record(
                        {
                            "completion_response": record(
                                {
                                    "model": text(least=1, most=512),
                                    "usage": record(
                                        {
                                            "prompt_tokens": integer(0, 2**53 - 1),
                                            "completion_tokens": nullable(integer(0, 2**53 - 1)),
                                        },
                                        optional=["completion_tokens"],
                                    ),
                                }
                            ),
                            "model": {"type": "null"},
                        },
                        optional=["model"],
                    ),
                ]
            },
            {"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "Say hello"}]},
        ),
        gives=json_body(
            record(
                {
                    "cost": nullable(NUMBER),
                    "cost_exact": nullable(EXACT),
                    "message": TEXT,
                    "prompt_tokens": INTEGER,
                    "completion_tokens": INTEGER,
                    "estimated": BOOLEAN,
                },
                optional=["message"],
            )
        ),
        errors=(400, 413),
    ),
    ("GET", "/global/spend"): _report(
        "globalSpend",
        "All spend of the last thirty days.",
        record({**MONEY, "max_budget": NUMBER}),
        _NO_CSV,
        *_WHOSE,
    ),
    ("GET", "/global/spend/report"): _report(
        "globalSpendReport",
        "Spend by team, customer, key, model or tag.",
        listed({"anyOf": [*_PARTS]}),
        *_NEEDED,
        query("group_by", enum(GROUPS), "team if nothing is said."),
        query("customer_id", TEXT, "There are no customers here: with it, the report is empty."),
        query("internal_user_id", TEXT, "Of this user."),
        *(each for each in _WHOSE if each["name"] != "user_id"),
        csv=True,
    ),
    ("GET", "/global/spend/logs"): _report(
        "globalSpendByDay",
        "Spend of the last thirty days, by day.",
        listed(record({"date": TEXT, **MONEY})),
        *_WHOSE,
        csv=True,
    ),
    ("GET", "/global/spend/keys"): _report(
        "globalSpendByKey",
        "The keys that have spent most of it.",
        listed(
            record(
                {
                    "api_key": TEXT,
                    "key_alias": nullable(TEXT),
                    "key_name": nullable(TEXT),
                    **TOTAL,
                }
            )
        ),
        query("limit", integer(1, 10_000), "As many at most."),
        *_WHOSE,
        csv=True,
    ),
    ("GET", "/global/spend/models"): _report(
        "globalSpendByModel",
        "The models that it was spent on.",
        listed(record({"model": TEXT, **TOTAL})),
        query("limit", integer(1, 10_000), "As many at most; 10 if nothing is said."),
        *_WHOSE,
        csv=True,
    ),
    ("GET", "/global/spend/teams"): _report(
        "globalSpendByTeam",
        "What each team has spent of it, by day.",
        record(
            {
                "daily_spend": listed({"type": "object"}),
                "teams": listed(TEXT),
                "total_spend_per_team": listed(record({"team_id": TEXT, **TOTAL})),
            }
        ),
        _NO_CSV,
        *_WHOSE,
    ),
    ("GET", "/global/spend/tags"): _report(
        "globalSpendByTag",
        "The tags that have cost most.",
        record({"spend_per_tag": listed(record({"name": TEXT, **MONEY, "log_count": INTEGER}))}),
        *_NEEDED,
        _TAGS,
        _NO_CSV,
        *_WITHOUT_TAG,
    ),
    ("GET", "/user/daily/activity"): _report(
        "userActivity",
        "Spend and tokens by day, of all users or of one.",
        ref("Activity"),
        *_NEEDED,
        *_PAGE,
        _ZONE,
        *_WHOSE,
        csv=True,
    ),
    ("GET", "/team/daily/activity"): _report(
        "teamActivity",
        "The same of teams.",
        ref("Activity"),
        *_NEEDED,
        *_PAGE,
        _ZONE,
        query("team_ids", TEXT, "Of these teams, with commas between."),
        query("exclude_team_ids", TEXT, "But not of these."),
        *(each for each in _WHOSE if each["name"] != "team_id"),
        errors=(400, 404),
        csv=True,
    ),
    ("GET", "/tag/daily/activity"): _report(
        "tagActivity",
        "The same of tags.",
        ref("Activity"),
        *_NEEDED,
        *_PAGE,
        _ZONE,
        _TAGS,
        *_WITHOUT_TAG,
        csv=True,
    ),
    **{
        ("GET", f"/{who}/daily/activity"): _report(
            f"{who}Activity",
            f"The same of {who}s: there are none here, so it is empty.",
            ref("Activity"),
            *_NEEDED,
            *_PAGE,
            _ZONE,
            csv=True,
        )
        for who in ("customer", "organization")
    },
}
