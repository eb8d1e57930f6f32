"""`/v1/files`: what callers upload, and the outputs of their batches."""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final
from urllib.parse import quote

from flask import Response
from werkzeug.http import dump_options_header

from functions.answers import grouped, json_answer, redirect_answer, stream_answer
from functions.body import CHUNK
from functions.checks import expiry, invalid_value, number, one_of, required
from functions.hints import group_of_hints, hints_of, listed_by, native_of
from functions.http import Call, route
from functions.multipart import Form
from functions.paging import page
from functions.sniff import Head, check_batch_input
from shared.domain.access import scopes
from shared.domain.clock import seconds
from shared.domain.errors import BadRequest, NotFound, TooLarge
from shared.domain.files import BATCH_LIFE, File, live
from shared.domain.ids import new_file_id
from shared.domain.layout import file_object
from shared.log import log
from shared.steps.accounts import strictest
from shared.steps.files import arriving, delete_file, keep
from shared.steps.native import native_objects, native_rows
from shared.storage.ports import ObjectMissing
from shared.storage.queries import (
    FILES,
    FILES_OF_OWNER,
    FILES_OF_OWNER_AND_PURPOSE,
    FILES_OF_PURPOSE,
    FILES_OF_TEAM,
    FILES_OF_TEAM_AND_PURPOSE,
)

__all__ = [
    "PURPOSES",
    "ROUTES",
    "content",
    "create",
    "delete",
    "file_rendered",
    "listing",
    "longest_file",
    "native_of_batch",
    "no_such_file",
    "retrieve",
]

PURPOSES: Final = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
_MOST: Final = 10_000  # OpenAI's bound of a page, and its default
# Google's pages disagree on how long an answer may be, but not below 10 MB: docs 2026-11. Where the store signs no
# URLs, as on one machine, everything is answered here.
_LARGEST_ANSWER: Final = 8 * 2**20
_SIGNED_SECONDS: Final = 600  # to begin the download; a key that is revoked meanwhile keeps it for so long
_LONGEST_PURPOSE: Final = 64
_LONGEST_HEADER_NAME: Final = 150  # characters of a file name in a header; proxies bound their headers


_QUERIES: Final = {  # by whose, and by whether for any purpose
    (None, True): FILES,
    (None, False): FILES_OF_PURPOSE,
    ("owner", True): FILES_OF_OWNER,
    ("owner", False): FILES_OF_OWNER_AND_PURPOSE,
    ("team", True): FILES_OF_TEAM,
    ("team", False): FILES_OF_TEAM_AND_PURPOSE,
}


def create(call: Call) -> Response:
    """Store a file. The object first, then the record that makes it exist for the caller."""
    app, limit = call.app, longest_file(call)
    too_large = TooLarge(f"File is too large: {limit} bytes are allowed.", param="file")
    form = Form(call.request, file="file", longest=limit, too_large=too_large)
    chunks = form.open_file()
    _ = hints_of(call, form.fields), native_of(call, form.fields)  # what is wrong in front of the file is said at once
    file_id = new_file_id()
    name = file_object(app.data_bucket, file_id)
    with arriving(app, name):
        head = Head()
        stat = app.objects.write(name, head.watch(chunks))
        form.finish()
        purpose = one_of(form.field("purpose"), PURPOSES, "purpose")
        asked = _life(form)
        life = asked if call.caller.file_life is None else call.caller.file_life
        hints, native = hints_of(call, form.fields), native_of_batch(call, form.fields, purpose)
        if purpose == "batch":
            check_batch_input(form.filename, stat.size, head)
            life = BATCH_LIFE if life is None else life
    now = app.now()
    file = File(
        id=file_id,
        owner=call.caller.owner,
        team=call.caller.team,
        purpose=purpose,
        filename=form.filename,
        bytes=stat.size,
        object=name,
        generation=stat.generation,
        created_at=now,
        expires_at=None if life is None else now + life,
        hints=hints,
        native=native,
    )
    keep(app, file, call.caller.payers)
    log("file_created", purpose=purpose, **file.log_context())
    return _answer(file)


def longest_file(call: Call) -> int:
    """Bytes that a file of the caller's may have."""
    own = strictest(call.app, call.caller.payers).file_bytes
    most = call.app.config.limits.file_bytes
    return most if own is None else min(own, most)


def listing(call: Call) -> dict[str, Any]:
    """One page of the caller's live files; with a model, of those that were uploaded for it."""
    arguments, caller = call.request.args, call.caller
    descending = one_of(arguments.get("order", "desc"), ("asc", "desc"), "order") == "desc"
    purpose = _purpose(arguments.get("purpose"))
    whose: list[tuple[str | None, str | None]] = [*scopes(caller)] or [(None, None)]
    sources = [
        (_QUERIES[field, purpose is None][descending], [each for each in (value, purpose) if each is not None])
        for field, value in whose
    ]
    now, groups = call.app.now(), listed_by(call)
    return page(
        call,
        sources,
        most=_MOST,
        default=_MOST,
        missing=no_such_file,
        keep=lambda file: live(file, now) is not None and (groups is None or not groups.isdisjoint(file.hints.models)),
        render=file_rendered,
    )


def retrieve(call: Call) -> Response:
    return _answer(_file(call))


def delete(call: Call) -> dict[str, Any]:
    file = _file(call)
    delete_file(call.app, file)
    log("file_deleted", **file.log_context())
    return {"id": file.id, "object": "file", "deleted": True}


def content(call: Call) -> Response:
    """The bytes, as they were; of an output or error file with `format=native` the provider's own rows."""
    file = _file(call)
    kind = call.request.args.get("format")
    if kind not in {None, "openai", "native"}:
        raise invalid_value(str(kind), "format", ("native", "openai"))
    try:
        answer = _native(call, file) if kind == "native" else _stored(call, file)
    except ObjectMissing as error:
        log("object_missing", severity="ERROR", **file.log_context())
        raise no_such_file(file.id) from error
    answer.headers["content-disposition"] = _disposition(file.filename)
    return grouped(answer, group_of_hints(file))


def file_rendered(file: File) -> dict[str, Any]:
    """OpenAI's File object. Ours are processed as soon as they exist: the SDKs' helpers wait for that."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": seconds(file.created_at),
        "expires_at": seconds(file.expires_at),
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


def native_of_batch(call: Call, body: Mapping[str, Any], purpose: str) -> bool:
    """Whether a file's lines are the provider's own rows, which only a batch's may be."""
    native = native_of(call, body)
    if native and purpose != "batch":
        raise BadRequest("'passthrough' is for files with the purpose 'batch'.", param="passthrough")
    return native


def no_such_file(id: str, param: str = "id") -> NotFound:
    return NotFound(f"No such File object: {id[:200]}", param=param)


def _file(call: Call) -> File:
    found = live(call.find(File, call.names["id"]), call.app.now())
    if found is None:
        raise no_such_file(call.names["id"])
    return found


def _answer(file: File) -> Response:
    return grouped(json_answer(file_rendered(file)), group_of_hints(file))


def _purpose(said: str | None) -> str | None:
    """What a list is asked for. Of a word longer than all purposes its beginning, which no file has, either: stores
    look for nothing so long.
    """
    return None if said is None else said[:_LONGEST_PURPOSE]


def _life(form: Form) -> int | None:
    anchor, life = form.field("expires_after[anchor]"), form.field("expires_after[seconds]")
    if anchor is None and life is None:
        return None
    shape = "{}[{}]"
    count = number(required(life, "expires_after[seconds]"), "expires_after[seconds]")
    return expiry({"anchor": anchor, "seconds": count}, "expires_after", shape=shape)


def _stored(call: Call, file: File) -> Response:
    if call.request.method == "HEAD":
        return stream_answer((), length=call.app.objects.stat(file.object).size)
    if file.bytes > _LARGEST_ANSWER and (elsewhere := _signed(call, file.object, file)) is not None:
        return elsewhere
    stream = call.app.objects.open(file.object)
    answer = stream_answer(_chunks(stream), length=file.bytes)
    answer.call_on_close(stream.close)  # also of an answer that nobody began to read
    return answer


def _signed(call: Call, name: str, file: File) -> Response | None:
    """Where the object can be read without us; None where this store has no such place."""
    url = call.app.objects.sign(name, seconds=_SIGNED_SECONDS, filename=file.filename)
    return None if url is None else redirect_answer(url)


def _native(call: Call, file: File) -> Response:
    names = native_objects(call.app, file)
    if names is None:
        raise BadRequest(
            "This file has no native rows: only output and error files of batches that ran at Vertex have.",
            param="format",
        )
    if len(names) == 1 and (elsewhere := _signed(call, names[0], file)) is not None:
        return elsewhere
    rows = native_rows(call.app, names)
    first = next(rows, b"")  # what is missing is found out before the answer has begun
    return stream_answer(_joined(first, rows))


def _joined(first: bytes, rows: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rows


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def _disposition(filename: str) -> str:
    """RFC 6266: the name in ASCII for everybody, and exactly for those who read `filename*`."""
    name = filename[-_LONGEST_HEADER_NAME:]
    plain = "".join(letter if letter.isascii() and letter.isprintable() else "_" for letter in name)
    exact = None if plain == name else f"UTF-8''{quote(name, safe='', errors='replace')}"
    return dump_options_header("attachment", {"filename": plain, "filename*": exact})


ROUTES: Final = (
    route("POST", "/files", create),
    route("GET", "/files", listing),
    route("GET", "/files/{id}/content", content),
    route("GET", "/files/{id}", retrieve),
    route("DELETE", "/files/{id}", delete),
)
