"""Files and uploads."""

from typing import Final

from functions.files import PURPOSES
from functions.openapi.hints import AFTER, IN_BODY, IN_FORM, IN_HEADERS, IN_QUERY, NATIVE
from functions.openapi.things import EXPIRY, LIFE
from functions.openapi.words import (
    TEXT,
    Operation,
    Schema,
    Table,
    enum,
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

__all__ = ["FILES", "UPLOADS"]

_BYTES: Final[Schema] = {"type": "string", "format": "binary"}
_RAW: Final[Schema] = {"application/octet-stream": _BYTES}
_LINE: Final = (
    '{"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", '
    '"body": {"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "Say hello"}]}}\n'
)
_FILE_HEADERS: Final = {"x-litellm-model-group": TEXT}
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
                        **IN_FORM,
                    },
                    optional=["expires_after[anchor]", "expires_after[seconds]", *IN_FORM],
                    dependentRequired={
                        "expires_after[anchor]": ["expires_after[seconds]"],
                        "expires_after[seconds]": ["expires_after[anchor]"],
                    },
                ),
                "example": {"file": _LINE, "purpose": "batch"},
            }
        },
        asks=(*IN_QUERY, NATIVE, *IN_HEADERS),
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
            AFTER,
            *IN_QUERY,
            *IN_HEADERS,
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
                    **IN_BODY,
                },
                optional=["expires_after", *IN_BODY],
            ),
            {"filename": "in.jsonl", "purpose": "batch", "bytes": len(_LINE), "mime_type": "application/jsonl"},
        ),
        asks=(*IN_QUERY, NATIVE, *IN_HEADERS),
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
