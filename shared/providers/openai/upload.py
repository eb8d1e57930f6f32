"""A file as `multipart/form-data`, sent while it is read: never in memory as a whole."""

import secrets
from collections.abc import Iterator, Mapping
from typing import Final

from shared.providers.base import JobRequest

__all__ = ["Form"]

_CHUNK: Final = 2**18


class Form:
    """The rows of a job under a file's name, of a length that is known before: not all servers read chunks."""

    def __init__(self, fields: Mapping[str, str], filename: str, request: JobRequest) -> None:
        boundary = f"offpeak-{secrets.token_hex(16)}"
        head = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        )
        head += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
            "Content-Type: application/jsonl\r\n\r\n"
        )
        self._head, self._tail, self._request = head.encode(), f"\r\n--{boundary}--\r\n".encode(), request
        self.headers = {
            "content-type": f"multipart/form-data; boundary={boundary}",
            "content-length": str(len(self._head) + request.size() + len(self._tail)),
        }

    def chunks(self) -> Iterator[bytes]:
        """The body; the request's lease is felt for on the way."""
        yield self._head
        with self._request.open() as stream:
            while chunk := stream.read(_CHUNK):
                self._request.hold.beat()
                yield chunk
        self._request.hold.beat(at_once=True)  # the answer may take a while
        yield self._tail
