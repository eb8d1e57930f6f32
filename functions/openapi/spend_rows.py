"""What reports of spend are made of."""

from collections.abc import Mapping
from typing import Final

from functions.openapi.words import BOOLEAN, INTEGER, NUMBER, TEXT, Schema, enum, listed, nullable, record, text

__all__ = ["EXACT", "MONEY", "SCHEMAS"]

EXACT: Final = text(pattern=r"^-?[0-9]+(\.[0-9]{1,9})?$", says="The same to the last digit.")
MONEY: Final = {"spend": NUMBER, "spend_exact": EXACT}
SCHEMAS: Final[Mapping[str, Schema]] = {
    "SpendDay": record(
        {
            "startTime": TEXT,
            "spend": NUMBER,
            "spend_exact": EXACT,
            "users": {"type": "object"},
            "models": {"type": "object"},
        },
        optional=["spend_exact"],
        additionalProperties=True,
        description="What a day cost; a key for each API key has its part of it.",
    ),
    "SpendRow": record(
        {
            "request_id": TEXT,
            "call_type": TEXT,
            "api_key": TEXT,
            **MONEY,
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
                record({"date": TEXT, "metrics": {"type": "object"}, "breakdown": {"type": "object"}}),
            ),
            "metadata": record(
                {"total_spend": NUMBER, "page": INTEGER, "total_pages": INTEGER, "has_more": BOOLEAN},
                additionalProperties=True,
            ),
        }
    ),
}
