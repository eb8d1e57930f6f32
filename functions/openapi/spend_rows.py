"""What reports of spend are made of."""

from collections.abc import Mapping
from typing import Final

from functions.openapi.words import BOOLEAN, INTEGER, NUMBER, TEXT, Schema, enum, listed, nullable, record, text

__all__ = ["COST", "EXACT", "MONEY", "SCHEMAS", "TOTAL"]

EXACT: Final = text(pattern=r"^-?[0-9]+(\.[0-9]{1,9})?$", says="The same to the last digit.")
_UNPRICED: Final = {
    "type": "integer",
    "description": "Requests whose price is not known, or not all of it: the amount has what is known.",
}


def _amount(name: str) -> dict[str, Schema]:
    """An amount, and what is beside it."""
    return {name: NUMBER, f"{name}_exact": nullable(EXACT), "unpriced_requests": _UNPRICED}


MONEY: Final = _amount("spend")
TOTAL: Final = _amount("total_spend")
COST: Final = {**_amount("total_cost"), "total_input_tokens": INTEGER, "total_output_tokens": INTEGER}
_COUNTS: Final[Mapping[str, Schema]] = {
    "prompt_tokens": INTEGER,
    "completion_tokens": INTEGER,
    "cache_read_input_tokens": INTEGER,
    "cache_creation_input_tokens": INTEGER,
    "tokens": INTEGER,
    "successful_requests": INTEGER,
    "failed_requests": {
        "type": "integer",
        "description": "Lines that were run and failed; not those that were wrong and so never ran.",
    },
    "api_requests": {"type": "integer", "description": "Lines that were run: the sum of both."},
}
_METRICS: Final = record(
    {**MONEY, **{"total_tokens" if name == "tokens" else name: each for name, each in _COUNTS.items()}}
)
SCHEMAS: Final[Mapping[str, Schema]] = {
    "SpendDay": record(
        {
            "startTime": TEXT,
            **MONEY,
            "users": {"type": "object"},
            "models": {"type": "object"},
        },
        optional=["spend_exact", "unpriced_requests"],
        additionalProperties=True,
        description="What a day cost; a key for each API key has its part of it.",
    ),
    "SpendRow": record(
        {
            "request_id": TEXT,
            "call_type": TEXT,
            "api_key": TEXT,
            "spend": NUMBER,
            "spend_exact": nullable(EXACT),
            "total_tokens": INTEGER,
            "prompt_tokens": INTEGER,
            "completion_tokens": INTEGER,
            "startTime": TEXT,
            "endTime": TEXT,
            "request_duration_ms": INTEGER,
            "model": TEXT,
            "model_group": TEXT,
            "model_id": TEXT,
            "custom_llm_provider": TEXT,
            "api_base": {
                **enum([""]),
                "description": "This and the next three are there for scripts, and say nothing.",
            },
            "cache_hit": enum(["False"]),
            "cache_key": enum(["Cache OFF"]),
            "requester_ip_address": {"type": "null"},
            "user": TEXT,
            "team_id": nullable(TEXT),
            "end_user": TEXT,
            "request_tags": listed(TEXT),
            "metadata": {"type": "object"},
            "status": enum(["success", "failure"]),
        },
        description="What one batch, or one job, cost.",
    ),
    "Activity": record(
        {
            "results": listed(
                record({"date": TEXT, "metrics": _METRICS, "breakdown": {"type": "object"}}),
            ),
            "metadata": record(
                {
                    "total_spend": NUMBER,
                    "total_spend_exact": nullable(EXACT),
                    "total_unpriced_requests": _UNPRICED,
                    **{f"total_{name}": each for name, each in _COUNTS.items()},
                    "page": INTEGER,
                    "total_pages": INTEGER,
                    "has_more": BOOLEAN,
                },
            ),
        }
    ),
}
