"""Reading the bytes of objects: whole, in part, as they are stored, and by a signed URL."""

import gzip
import re
from urllib.parse import SplitResult

from tests.google.cloud_storage.answers import Refusal
from tests.google.cloud_storage.content import Content
from tests.google.cloud_storage.faults import Rule
from tests.google.cloud_storage.plumbing import BLOCK, LostAnswer, Plumbing
from tests.google.cloud_storage.requests import CONDITIONS, Arguments, read_range
from tests.google.cloud_storage.signed import check_signature

__all__ = ["Downloads"]


class Downloads(Plumbing):
    """The calls that read."""

    def read(self, bucket: str, name: str, arguments: Arguments) -> None:
        arguments.allow("generation", *CONDITIONS)
        self.call("read", lambda rule: self._download(bucket, name, arguments, rule or {}))

    def read_signed(self, bucket: str, name: str, url: SplitResult) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        check_signature(self.command, url.path, url.query, headers, self.service.keys)
        arguments = Arguments(url.query)
        self.call("signed", lambda rule: self._download(bucket, name, arguments, rule or {}, signed=True))

    def _download(self, bucket: str, name: str, arguments: Arguments, rule: Rule, *, signed: bool = False) -> None:
        found = self.service.store.get(bucket, name, arguments.number("generation"), arguments.conditions())
        content, encoding = found.content, found.settings.get("contentEncoding")
        headers = {
            "content-type": found.settings.get("contentType") or "application/octet-stream",
            "etag": found.etag,
            "x-goog-generation": str(found.generation),
            "x-goog-metageneration": "1",
            "x-goog-hash": f"crc32c={content.crc32c}",
            "x-goog-storage-class": "STANDARD",
            "x-goog-stored-content-encoding": encoding or "identity",
            "x-goog-stored-content-length": str(content.size),
        }
        if found.settings.get("contentDisposition"):
            headers["content-disposition"] = found.settings["contentDisposition"]
        if signed:
            for header in ("content-disposition", "content-type"):
                if (value := arguments.text(f"response-{header}")) is not None:
                    headers[header] = _header(value)
        if encoding == "gzip" and "gzip" not in self.headers.get("accept-encoding", ""):
            content = Content([gzip.decompress(content.whole())])  # transcoded, and any range is ignored
            part = None
        else:
            headers["accept-ranges"] = "bytes"
            if encoding is not None:
                headers["content-encoding"] = encoding
            part = read_range(self.headers.get("range"), content.size)
        start, end = part or (0, content.size)
        if part is not None:
            headers["content-range"] = f"bytes {start}-{end - 1}/{content.size}"
        if self.service.bare:
            headers = {name: value for name, value in headers.items() if not name.startswith(("x-goog-", "etag"))}
        self.head(200 if part is None else 206, headers, end - start)
        if self.command != "HEAD":
            self._send(content.damaged() if rule.get("do") == "damage" else content, start, end, rule)

    def _send(self, content: Content, start: int, end: int, rule: Rule) -> None:
        broken = rule.get("do") == "break"
        stop = min(start + rule["after"], end) if broken else end
        for piece in content.slices(start, stop):
            for at in range(0, len(piece), BLOCK):
                self.wfile.write(piece[at : at + BLOCK])
        if broken:
            self.wfile.flush()
            self.service.stopping.wait(float(rule.get("seconds", 0)))
            raise LostAnswer


def _header(value: str) -> str:
    """A value that cannot begin another header, as far as HTTP can say it."""
    if re.search(r"[\r\n]", value):
        raise Refusal(400, "Invalid argument.")
    return value.encode().decode("latin-1")
