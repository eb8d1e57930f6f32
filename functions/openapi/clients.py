"""Files, uploads, batches, models and health: what clients of the OpenAI API call."""

from typing import Final

from functions.batches import ENDPOINTS
from functions.files import PURPOSES
from functions.openapi.things import EXPIRY, LIFE, METADATA, TAGS, WINDOW
from functions.openapi.words import (
    BOOLEAN,
    NUMBER,
    TEXT,
    Operation,
    Schema,
    Table,
    enum,
    header,
    integer,
    json_body,
    link,
    listed,
    nullable,
    query,
    record,
    ref,
    text,
)
from shared.config import PROVIDERS

__all__ = ["BATCHES", "FILES", "HEALTH", "MODELS", "UPLOADS"]

_LONGEST_NAME: Final = 256
_PROVIDERS: Final = (*PROVIDERS, "vllm", "litellm_proxy")
_NAME: Final = text(most=_LONGEST_NAME)
_BYTES: Final[Schema] = {"type": "string", "format": "binary"}
_RAW: Final[Schema] = {"application/octet-stream": _BYTES}
_LINE: Final = (
    '{"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", '
    '"body": {"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "Say hello"}]}}\n'
)
_FILE_HEADERS: Final = {"x-litellm-model-group": TEXT}
_BATCH_HEADERS: Final = {
    "x-litellm-model-group": TEXT,
    "x-litellm-key-spend": NUMBER,
    "x-litellm-key-max-budget": NUMBER,
}
_IN_QUERY: Final = (
    query("model", _NAME, "The model group that lines are to run in."),
    query("target_model_names", text(most=1024), "Several such groups, with commas between."),
    query("provider", enum(_PROVIDERS), "Narrows the choice of deployments."),
    query("custom_llm_provider", enum(_PROVIDERS), "The same, as other clients call it."),
)
_IN_HEADERS: Final = (
    header("x-litellm-model", _NAME, "The model group that lines are to run in."),
    header("custom-llm-provider", enum(_PROVIDERS), "Narrows the choice of deployments."),
)
_TAGS: Final = text(pattern="^[^,]{0,128}(,[^,]{0,128}){0,9}$")
_NATIVE: Final = query("passthrough", BOOLEAN, "Whether the lines are the provider's own rows.")
_IN_BODY: Final = {
    "model": nullable(_NAME),
    "target_model_names": {"anyOf": [text(most=1024), listed(_NAME, maxItems=100), {"type": "null"}]},
    "provider": nullable(enum(_PROVIDERS)),
    "custom_llm_provider": nullable(enum(_PROVIDERS)),
}
_IN_FORM: Final = {
    "model": _NAME,
    "target_model_names": text(most=1024),
    "custom_llm_provider": enum(_PROVIDERS),
    "passthrough": enum(["true", "false"]),
}
_AFTER: Final = query("after", TEXT, "The id of the last one on the page before.")
_OF_FILE: Final = {
    "retrieve": link("retrieveFile", id="id"),
    "content": link("retrieveFileContent", id="id"),
    "delete": link("deleteFile", id="id"),
    "batch": link(
        "createBatch",
        body={
            "input_file_id": "$response.body#/id",
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        },
    ),
}
_OF_BATCH: Final = {
    "retrieve": link("retrieveBatch", id="id"),
    "cancel": link("cancelBatch", id="id"),
    "input": link("retrieveFile", id="input_file_id"),
}
_OF_UPLOAD: Final = {
    "part": link("addUploadPart", id="id"),
    "cancel": link("cancelUpload", id="id"),
    "complete": link("completeUpload", id="id"),
}

FILES: Final[Table] = {
    ("POST", "/files"): Operation(
        id="createFile",
        tag="Files",
        says="Upload a file. Of a batch's input every line is one request.",
        takes={
            "multipart/form-data": {
                "schema": record(
                    {
                        "file": _BYTES,
                        "purpose": enum(PURPOSES),
                        "expires_after[anchor]": enum(["created_at"]),
                        "expires_after[seconds]": LIFE,
                        **_IN_FORM,
                    },
                    optional=["expires_after[anchor]", "expires_after[seconds]", *_IN_FORM],
                    dependentRequired={
                        "expires_after[anchor]": ["expires_after[seconds]"],
                        "expires_after[seconds]": ["expires_after[anchor]"],
                    },
                ),
                "example": {"file": _LINE, "purpose": "batch"},
            }
        },
        asks=(*_IN_QUERY, _NATIVE, *_IN_HEADERS),
        gives=json_body(ref("File")),
        errors=(400, 413, 507),
        headers=_FILE_HEADERS,
        links=_OF_FILE,
    ),
    ("GET", "/files"): Operation(
        id="listFiles",
        tag="Files",
        says="One's own files and one's team's.",
        asks=(
            query("purpose", TEXT, "Files for this purpose alone."),
            query("limit", integer(1, 10_000), "As many at most; 10,000 if nothing is said."),
            query("order", enum(["asc", "desc"]), "By the time they were made; desc if nothing is said."),
            _AFTER,
            *_IN_QUERY,
            *_IN_HEADERS,
        ),
        gives=json_body(ref("FileList")),
        errors=(400, 404),
    ),
    ("GET", "/files/{id}"): Operation(
        id="retrieveFile",
        tag="Files",
        says="What is known of a file.",
        gives=json_body(ref("File")),
        errors=(404,),
        headers=_FILE_HEADERS,
    ),
    ("DELETE", "/files/{id}"): Operation(
        id="deleteFile",
        tag="Files",
        says="Delete a file. Batches that run on it go on.",
        gives=json_body(ref("FileDeleted")),
        errors=(404,),
        links={
            "gone": link("retrieveFile", id="id", says="It is gone: 404."),
            "empty": link("retrieveFileContent", id="id", says="It is gone: 404."),
        },
    ),
    ("GET", "/files/{id}/content"): Operation(
        id="retrieveFileContent",
        tag="Files",
        says="The bytes of a file.",
        asks=(query("format", enum(["openai", "native"]), "native: of an output file the provider's own rows."),),
        gives=_RAW,
        errors=(400, 404),
        headers={**_FILE_HEADERS, "content-disposition": TEXT},
        elsewhere=True,
    ),
}
UPLOADS: Final[Table] = {
    ("POST", "/uploads"): Operation(
        id="createUpload",
        tag="Uploads",
        says="Begin a file that arrives in parts, within an hour.",
        takes=json_body(
            record(
                {
                    "filename": text(least=1, most=5_000),
                    "purpose": enum(PURPOSES),
                    "bytes": integer(0, says="Of all parts together; how many are allowed at most is configured."),
                    "mime_type": text(least=1, most=1_024),
                    "expires_after": EXPIRY,
                    **_IN_BODY,
                },
                optional=["expires_after", *_IN_BODY],
            ),
            {"filename": "in.jsonl", "purpose": "batch", "bytes": len(_LINE), "mime_type": "application/jsonl"},
        ),
        asks=(*_IN_QUERY, _NATIVE, *_IN_HEADERS),
        gives=json_body(ref("Upload")),
        errors=(400,),
        links=_OF_UPLOAD,
    ),
    ("POST", "/uploads/{id}/parts"): Operation(
        id="addUploadPart",
        tag="Uploads",
        says="One part, of 64 MB at most. Parts may come in any order and at once.",
        takes={"multipart/form-data": {"schema": record({"data": _BYTES}), "example": {"data": _LINE}}},
        gives=json_body(ref("UploadPart")),
        errors=(400, 404, 410, 413, 507),
        links={"complete": link("completeUpload", id="upload_id", body={"part_ids": ["$response.body#/id"]})},
    ),
    ("POST", "/uploads/{id}/complete"): Operation(
        id="completeUpload",
        tag="Uploads",
        says="Make the file of its parts, in the order that is given.",
        takes=json_body(
            record(
                {"part_ids": listed(TEXT, maxItems=1000, uniqueItems=True), "md5": nullable(text(least=1, most=1024))},
                optional=["md5"],
            ),
            {"part_ids": []},
        ),
        gives=json_body(ref("Upload")),
        errors=(400, 404, 410),
        links={"file": link("retrieveFile", id="file/id"), "content": link("retrieveFileContent", id="file/id")},
    ),
    ("POST", "/uploads/{id}/cancel"): Operation(
        id="cancelUpload",
        tag="Uploads",
        says="Forget an upload and its parts.",
        gives=json_body(ref("Upload")),
        errors=(400, 404, 410),
    ),
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
                    **_IN_BODY,
                },
                optional=["metadata", "output_expires_after", "litellm_metadata", *_IN_BODY],
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
            *_IN_QUERY,
            *_IN_HEADERS,
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
            _AFTER,
            *_IN_QUERY,
            *_IN_HEADERS,
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
MODELS: Final[Table] = {
    ("GET", "/models"): Operation(
        id="listModels", tag="Models", says="The models that this key may use.", gives=json_body(ref("ModelList"))
    ),
    ("GET", "/models/{model}"): Operation(
        id="retrieveModel", tag="Models", says="One of them.", gives=json_body(ref("Model")), errors=(404,)
    ),
    ("DELETE", "/models/{model}"): Operation(
        id="deleteModel",
        tag="Models",
        says="Deletes nothing: models come from the configuration.",
        gives=json_body(ref("ModelDeleted")),
        errors=(404,),
    ),
    ("GET", "/model_group/info"): Operation(
        id="listModelGroups",
        tag="Models",
        says="What the models that this key may use can do, and what they cost.",
        asks=(query("model_group", TEXT, "This one alone."),),
        gives=json_body(ref("ModelGroups")),
        errors=(404,),
    ),
    ("GET", "/model/info"): Operation(
        id="listDeployments",
        tag="Models",
        says="The deployments of those models.",
        gives=json_body(ref("Deployments")),
    ),
}
HEALTH: Final[Table] = {
    **{
        ("GET", f"/health/{name}"): Operation(
            id=f"health{name.capitalize()}",
            tag="Health",
            says="Whether the server lives.",
            gives=json_body(ref("Alive")),
            open=True,
        )
        for name in ("liveliness", "liveness", "readiness")
    },
    ("GET", "/openapi.json"): Operation(
        id="describe",
        tag="Health",
        says="This document.",
        gives=json_body(
            record(
                {"openapi": TEXT, "info": {"type": "object"}, "paths": {"type": "object"}}, additionalProperties=True
            )
        ),
        open=True,
    ),
}
