"""Batches."""

from typing import Final

from functions.batches import ENDPOINTS
from functions.openapi.hints import AFTER, IN_BODY, IN_HEADERS, IN_QUERY
from functions.openapi.things import EXPIRY, METADATA, TAGS, WINDOW
from functions.openapi.words import (
    NUMBER,
    TEXT,
    Operation,
    Table,
    enum,
    header,
    integer,
    json_body,
    link,
    query,
    record,
    ref,
    text,
)

__all__ = ["BATCHES"]

_BATCH_HEADERS: Final = {
    "x-litellm-model-group": TEXT,
    "x-litellm-key-spend": NUMBER,
    "x-litellm-key-max-budget": NUMBER,
}
_TAGS: Final = text(pattern="^[^,]{0,128}(,[^,]{0,128}){0,9}$")
_OF_BATCH: Final = {
    "retrieve": link("retrieveBatch", id="id"),
    "cancel": link("cancelBatch", id="id"),
    "input": link("retrieveFile", id="input_file_id"),
}

BATCHES: Final[Table] = {
    ("POST", "/batches"): Operation(
        id="createBatch",
        tag="Batches",
        says="Run the lines of a file. What is wrong with the lines, or with the file, is told on the batch.",
        takes=json_body(
            record(
                {
                    "input_file_id": text(least=1, most=512),
                    "endpoint": enum(ENDPOINTS),
                    "completion_window": WINDOW,
                    "metadata": METADATA,
                    "output_expires_after": EXPIRY,
                    "litellm_metadata": TAGS,
                    **IN_BODY,
                },
                optional=["metadata", "output_expires_after", "litellm_metadata", *IN_BODY],
            ),
            {
                "input_file_id": "file-abcdefghijklmnopqrstuvwx",
                "endpoint": "/v1/chat/completions",
                "completion_window": "24h",
                "metadata": {"night": "monday"},
            },
        ),
        asks=(
            header("Idempotency-Key", text(most=255), "The same key and body make one batch."),
            header("x-litellm-tags", _TAGS, "Up to ten tags of its cost, with commas between."),
            *IN_QUERY,
            *IN_HEADERS,
        ),
        gives=json_body(ref("Batch")),
        errors=(400, 409, 422),
        headers=_BATCH_HEADERS,
        links=_OF_BATCH,
    ),
    ("GET", "/batches"): Operation(
        id="listBatches",
        tag="Batches",
        says="One's own batches and one's team's, newest first.",
        asks=(
            query("limit", integer(1, 100), "As many at most; 20 if nothing is said."),
            AFTER,
            *IN_QUERY,
            *IN_HEADERS,
        ),
        gives=json_body(ref("BatchList")),
        errors=(400, 404),
    ),
    ("GET", "/batches/{id}"): Operation(
        id="retrieveBatch",
        tag="Batches",
        says="How far a batch is, and what it cost so far.",
        gives=json_body(ref("Batch")),
        errors=(404,),
        headers=_BATCH_HEADERS,
    ),
    ("POST", "/batches/{id}/cancel"): Operation(
        id="cancelBatch",
        tag="Batches",
        says="Stop a batch. What is done stays done, and is in its files.",
        gives=json_body(ref("Batch")),
        errors=(404, 409),
        headers=_BATCH_HEADERS,
        links={"retrieve": link("retrieveBatch", id="id")},
    ),
}
