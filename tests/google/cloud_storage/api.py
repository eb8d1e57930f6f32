"""The JSON API of Cloud Storage, as far as Offpeak uses it.

Beside it stand a few paths of its own: GET /-/ready, GET /-/journal (calls, faults, events, what is stored), POST and
DELETE /-/faults.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from tests.google.cloud_storage.answers import Refusal, listed, partial
from tests.google.cloud_storage.content import Content
from tests.google.cloud_storage.downloads import Downloads
from tests.google.cloud_storage.faults import BadRule, Rule
from tests.google.cloud_storage.requests import CONDITIONS, Arguments, Piece, read_piece, read_sources, split_multipart
from tests.google.cloud_storage.signed import is_signed
from tests.google.cloud_storage.store import Object
from tests.google.cloud_storage.uploads import QUANTUM, Upload

__all__ = ["Api"]

_LONGEST_PAGE: Final = 1000
_BUCKET: Final = re.compile(r"/storage/v1/b/(?P<bucket>[^/]+)")
_OBJECT: Final = re.compile(r"/(?P<download>download/)?storage/v1/b/(?P<bucket>[^/]+)/o/(?P<object>[^/]+)")
_COMPOSE: Final = re.compile(r"/storage/v1/b/(?P<bucket>[^/]+)/o/(?P<object>[^/]+)/compose")
_OBJECTS: Final = re.compile(r"/storage/v1/b/(?P<bucket>[^/]+)/o")
_UPLOAD: Final = re.compile(r"/upload/storage/v1/b/(?P<bucket>[^/]+)/o")
_SIGNED: Final = re.compile(r"/(?P<bucket>[^/]+)/(?P<object>.+)")


class Api(Downloads):
    """The calls, each with what it may be told."""

    def dispatch(self) -> None:
        url = urlsplit(self.path)
        if is_signed(url.query) and (signed := _SIGNED.fullmatch(url.path)):
            self.read_signed(*_named(signed), url)
            return
        if url.path.startswith("/-/"):
            self._admin(url.path)
            return
        arguments = Arguments(url.query)
        calls: dict[str, list[tuple[re.Pattern[str], Callable[[re.Match[str]], None]]]] = {
            "GET": [
                (_OBJECTS, lambda match: self._get_page(unquote(match["bucket"]), arguments)),
                (_OBJECT, lambda match: self._get(*_named(match), arguments)),
                (_BUCKET, lambda match: self._get_bucket(unquote(match["bucket"]))),
            ],
            "POST": [
                (_UPLOAD, lambda match: self._post_upload(unquote(match["bucket"]), arguments)),
                (_COMPOSE, lambda match: self._post_compose(*_named(match), arguments)),
            ],
            "PUT": [(_UPLOAD, lambda _: self._put_piece(arguments))],
            "DELETE": [(_OBJECT, lambda match: self._delete_object(*_named(match), arguments))],
        }
        for pattern, effect in calls.get(self.command, []):
            if match := pattern.fullmatch(url.path):
                effect(match)
                return
        raise Refusal(404, "Not Found")

    def _answer(self, object: Object, arguments: Arguments) -> None:
        self.reply(200, partial(self.service.resource(object), arguments.text("fields")))

    def _post_upload(self, bucket: str, arguments: Arguments) -> None:
        arguments.allow("uploadType", "name", *CONDITIONS)
        match arguments.text("uploadType"):
            case "multipart":
                self.call("insert", lambda rule: self._insert(bucket, arguments, rule))
            case "resumable":
                self.call("start", lambda _: self._start(bucket, arguments))
            case other:
                raise Refusal(501, f"uploadType={other} is not offered here.", "notImplemented")

    def _insert(self, bucket: str, arguments: Arguments, rule: Rule | None) -> None:
        body = b"".join(self.blocks())
        said, content_bytes, kind = split_multipart(self.headers.get("content-type", ""), body)
        del body
        content = Content([content_bytes])
        if said.get("crc32c") not in {None, content.crc32c}:
            raise Refusal(400, f'Provided CRC32C "{said["crc32c"]}" doesn\'t match calculated "{content.crc32c}".')
        if said.get("md5Hash") is not None:
            raise Refusal(501, "md5Hash is not offered here.", "notImplemented")
        name = _name(said, arguments)
        stored = content.damaged() if rule is not None else content
        said = {"contentType": kind, **said}
        self._answer(self.service.store.put(bucket, name, said, stored, arguments.conditions()), arguments)

    def _start(self, bucket: str, arguments: Arguments) -> None:
        said = {"contentType": self.headers.get("x-upload-content-type"), **self.json()}
        name, conditions = _name(said, arguments), arguments.conditions()
        self.service.store.check(bucket, name, conditions)
        upload = self.service.uploads.add(Upload(bucket=bucket, name=name, said=said, conditions=conditions))
        host = self.headers.get("host", "")
        where = f"http://{host}/upload/storage/v1/b/{quote(bucket)}/o?uploadType=resumable&upload_id={upload.id}"
        self.reply(200, headers={"location": where, "x-guploader-uploadid": upload.id})

    def _put_piece(self, arguments: Arguments) -> None:
        arguments.allow("uploadType", "upload_id", "name", *CONDITIONS)
        upload = self.service.uploads.get(arguments.text("upload_id") or "")
        piece = read_piece(self.headers.get("content-range"), self.length)
        if piece.total is None and self.length % QUANTUM:
            raise Refusal(400, "The size of a piece that is not the last one must be a multiple of 262144 bytes.")
        call = "chunk" if piece.total is None else "finish"
        self.call(call, lambda rule: self._take_piece(upload, piece, arguments, rule or {}))

    def _take_piece(self, upload: Upload, piece: Piece, arguments: Arguments, rule: Rule) -> None:
        blocks: list[bytes] = []
        try:
            blocks.extend(self.blocks())
        except ConnectionError:
            upload.take(piece.first, blocks, at_most=sum(map(len, blocks)) // QUANTUM * QUANTUM)
            raise
        upload.take(piece.first, blocks, at_most=rule["after"] if rule.get("do") == "keep" else None)
        done = upload.done
        if piece.total is not None:
            checksum = _crc32c(self.headers.get("x-goog-hash"))
            done = upload.finish(self.service.store, piece.total, checksum, damage=rule.get("do") == "damage")
        if done is not None:
            self._answer(done, arguments)
        else:
            self.reply(308, headers={"range": f"bytes=0-{upload.size - 1}"} if upload.size else {})

    def _post_compose(self, bucket: str, name: str, arguments: Arguments) -> None:
        arguments.allow("ifGenerationMatch")
        self.call("compose", lambda _: self._compose(bucket, name, arguments))

    def _compose(self, bucket: str, name: str, arguments: Arguments) -> None:
        body = self.json()
        unknown = set(body) - {"kind", "sourceObjects", "destination"}
        if unknown:
            raise Refusal(501, f"{sorted(unknown)} is not offered here.", "notImplemented")
        said = body.get("destination") or {}
        stored = self.service.store.compose(bucket, name, said, read_sources(body), arguments.conditions())
        self._answer(stored, arguments)

    def _get(self, bucket: str, name: str, arguments: Arguments) -> None:
        if arguments.text("alt") == "media":
            self.read(bucket, name, arguments)
        else:
            arguments.allow("generation", *CONDITIONS)
            self.call("stat", lambda _: self._stat(bucket, name, arguments))

    def _stat(self, bucket: str, name: str, arguments: Arguments) -> None:
        found = self.service.store.get(bucket, name, arguments.number("generation"), arguments.conditions())
        self._answer(found, arguments)

    def _delete_object(self, bucket: str, name: str, arguments: Arguments) -> None:
        arguments.allow("generation", *CONDITIONS)
        self.call("delete", lambda _: self._delete(bucket, name, arguments))

    def _delete(self, bucket: str, name: str, arguments: Arguments) -> None:
        self.service.store.delete(bucket, name, arguments.number("generation"), arguments.conditions())
        self.reply(204)

    def _get_page(self, bucket: str, arguments: Arguments) -> None:
        arguments.allow("prefix", "maxResults", "pageToken")
        self.call("list", lambda _: self._list(bucket, arguments))

    def _list(self, bucket: str, arguments: Arguments) -> None:
        limit = min(arguments.number("maxResults") or _LONGEST_PAGE, _LONGEST_PAGE)
        token = arguments.text("pageToken")
        found, last = self.service.store.list(
            bucket, arguments.text("prefix") or "", after=None if token is None else _untold(token), limit=limit
        )
        page = listed([self.service.resource(each) for each in found], None if last is None else _told(last))
        self.reply(200, partial(page, arguments.text("fields")))

    def _get_bucket(self, bucket: str) -> None:
        self.service.count("bucket")
        self.service.store.bucket(bucket)
        self.reply(200, {"kind": "storage#bucket", "id": bucket, "name": bucket, "location": "US"})

    def _admin(self, path: str) -> None:
        faults = self.service.faults
        match self.command, path:
            case "GET", "/-/ready":
                self.reply(200, {"ready": True})
            case "GET", "/-/journal":
                self.reply(200, self.service.report())
            case "POST", "/-/faults":
                try:
                    faults.add(self.json())
                except BadRule as error:
                    raise Refusal(400, f"unknown fault: {error}") from None
                self.reply(200, faults.report())
            case "DELETE", "/-/faults":
                faults.clear()
                self.reply(200, faults.report())
            case _:
                raise Refusal(404, "Not Found")


def _named(match: re.Match[str]) -> tuple[str, str]:
    return unquote(match["bucket"]), unquote(match["object"], errors="strict")


def _name(said: Mapping[str, Any], arguments: Arguments) -> str:
    name = arguments.text("name") or said.get("name")
    if not isinstance(name, str) or not name:
        raise Refusal(400, "Required", "required")
    if len(name.encode()) > 1024 or re.search(r"[\r\n]", name) or name in {".", ".."}:
        raise Refusal(400, f"Invalid object name: {name[:100]}")
    return name


def _crc32c(header: str | None) -> str | None:
    for each in (header or "").split(","):
        kind, _, value = each.strip().partition("=")
        if kind == "crc32c":
            return value
    return None


def _told(name: str) -> str:
    return name.encode().hex()


def _untold(token: str) -> str:
    try:
        return bytes.fromhex(token).decode()
    except ValueError:
        raise Refusal(400, "Invalid page token", "invalidParameter") from None
