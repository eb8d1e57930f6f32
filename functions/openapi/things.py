"""Files, uploads, batches and models: what they look like, as OpenAI has them."""

from collections.abc import Mapping
from typing import Final

from functions.batches import ENDPOINTS
from functions.files import PURPOSES
from functions.openapi.words import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    SECONDS,
    TEXT,
    Schema,
    enum,
    integer,
    listed,
    nullable,
    record,
    ref,
    text,
)
from shared.domain.batch import Status

__all__ = ["EXPIRY", "LIFE", "METADATA", "SCHEMAS", "TAGS", "WINDOW"]

LIFE: Final = integer(3600, 2_592_000, "From one hour to thirty days.")
EXPIRY: Final = nullable(record({"anchor": enum(["created_at"]), "seconds": LIFE}))
METADATA: Final = nullable(
    {
        "type": "object",
        "maxProperties": 16,
        "propertyNames": {"maxLength": 64},
        "additionalProperties": text(most=512),
    }
)
TAGS: Final = nullable(
    record({"tags": nullable(listed(text(most=128), maxItems=10))}, optional=["tags"], additionalProperties=True)
)
WINDOW: Final = text(pattern="^([1-9]|[1-8][0-9]|9[0-6])h$", says="24h; other whole hours from 1h to 96h are ours.")
_COUNT: Final = integer(0)
_USD: Final = text(pattern=r"^[0-9]+(\.[0-9]{1,9})?$", says="US dollars, exact.")


def _list(of: str) -> Schema:
    return record(
        {
            "object": enum(["list"]),
            "data": listed(ref(of)),
            "first_id": nullable(TEXT),
            "last_id": nullable(TEXT),
            "has_more": BOOLEAN,
        }
    )


_ERROR: Final = record(
    {"message": TEXT, "type": TEXT, "param": nullable(TEXT), "code": nullable(TEXT)}, additionalProperties=False
)
_ADMIN_ERROR: Final = record(
    {
        "message": TEXT,
        "type": TEXT,
        "param": nullable(TEXT),
        "code": text(pattern="^[0-9]{3}$", says="The status, as LiteLLM has it."),
    },
    additionalProperties=False,
)
_GOOGLE_ERROR: Final = record(
    {"code": INTEGER, "message": TEXT, "status": TEXT}, optional=["details"], additionalProperties=True
)
_FILE: Final = record(
    {
        "id": text(pattern="^file-"),
        "object": enum(["file"]),
        "bytes": _COUNT,
        "created_at": SECONDS,
        "expires_at": nullable(SECONDS),
        "filename": TEXT,
        "purpose": enum([*PURPOSES, "batch_output"]),
        "status": enum(["processed"]),
        "status_details": {"type": "null"},
    }
)
_UPLOAD: Final = record(
    {
        "id": text(pattern="^upload_"),
        "object": enum(["upload"]),
        "bytes": _COUNT,
        "created_at": SECONDS,
        "expires_at": SECONDS,
        "filename": TEXT,
        "purpose": enum(PURPOSES),
        "status": enum(["pending", "completed", "cancelled", "expired"]),
        "file": nullable(ref("File")),
    }
)
_PART: Final = record(
    {
        "id": text(pattern="^part_"),
        "object": enum(["upload.part"]),
        "created_at": SECONDS,
        "upload_id": text(pattern="^upload_"),
    }
)
_BATCH: Final = record(
    {
        "id": text(pattern="^batch_"),
        "object": enum(["batch"]),
        "endpoint": enum(ENDPOINTS),
        "model": nullable(TEXT),
        "errors": nullable(record({"object": enum(["list"]), "data": listed(ref("BatchError"))})),
        "input_file_id": TEXT,
        "completion_window": TEXT,
        "status": enum(map(str, Status)),
        "output_file_id": nullable(TEXT),
        "error_file_id": nullable(TEXT),
        "created_at": SECONDS,
        "expires_at": nullable(SECONDS),
        "in_progress_at": nullable(SECONDS),
        "finalizing_at": nullable(SECONDS),
        "completed_at": nullable(SECONDS),
        "failed_at": nullable(SECONDS),
        "expired_at": nullable(SECONDS),
        "cancelling_at": nullable(SECONDS),
        "cancelled_at": nullable(SECONDS),
        "request_counts": record({"total": _COUNT, "completed": _COUNT, "failed": _COUNT}),
        "usage": record(
            {
                "input_tokens": _COUNT,
                "input_tokens_details": record({"cached_tokens": _COUNT}),
                "output_tokens": _COUNT,
                "output_tokens_details": record({"reasoning_tokens": _COUNT}),
                "total_tokens": _COUNT,
            }
        ),
        "metadata": METADATA,
        "output_expires_after": EXPIRY,
        "cost": ref("Cost"),
    }
)
_MODEL: Final = record(
    {
        "id": TEXT,
        "object": enum(["model"]),
        "created": INTEGER,
        "owned_by": TEXT,
        "mode": TEXT,
        "max_input_tokens": INTEGER,
        "max_output_tokens": INTEGER,
    },
    optional=["max_input_tokens", "max_output_tokens"],
)
_GROUP: Final = record(
    {
        "model_group": TEXT,
        "providers": listed(TEXT),
        "mode": TEXT,
        "max_input_tokens": nullable(INTEGER),
        "max_output_tokens": nullable(INTEGER),
        "input_cost_per_token": nullable(NUMBER),
        "output_cost_per_token": nullable(NUMBER),
        "tpm": {"type": "null"},
        "rpm": {"type": "null"},
        "batch_limits": record({"lines": INTEGER, "bytes": INTEGER}),
        "supported_openai_params": listed(TEXT),
    },
    patternProperties={"^supports_": BOOLEAN},
)
_DEPLOYMENT: Final = record(
    {
        "model_name": TEXT,
        "litellm_params": record({"model": TEXT}),
        "model_info": record({"id": TEXT, "mode": TEXT}, additionalProperties=True),
    }
)
SCHEMAS: Final[Mapping[str, Schema]] = {
    "Error": record({"error": _ERROR}, additionalProperties=False),
    "AdminError": record({"error": _ADMIN_ERROR}, additionalProperties=False),
    "GoogleError": record({"error": _GOOGLE_ERROR}, additionalProperties=False),
    "File": _FILE,
    "FileList": _list("File"),
    "FileDeleted": record({"id": TEXT, "object": enum(["file"]), "deleted": BOOLEAN}),
    "Upload": _UPLOAD,
    "UploadPart": _PART,
    "Batch": _BATCH,
    "BatchList": _list("Batch"),
    "BatchError": record(
        {"code": nullable(TEXT), "message": nullable(TEXT), "param": nullable(TEXT), "line": nullable(INTEGER)}
    ),
    "Cost": record(
        {"currency": enum(["USD"]), "total": nullable(_USD), "priced_lines": _COUNT, "unpriced_lines": _COUNT},
        description="What was counted so far; `total` is null while nothing is priced.",
    ),
    "Model": _MODEL,
    "ModelList": record({"object": enum(["list"]), "data": listed(ref("Model"))}),
    "ModelDeleted": record({"id": TEXT, "object": enum(["model"]), "deleted": BOOLEAN}),
    "ModelGroups": record({"data": listed(_GROUP)}),
    "Deployments": record({"data": listed(_DEPLOYMENT)}),
    "Alive": record({"status": enum(["ok"])}),
}
