"""Bytes as clients put them on the wire."""

import json
import socket
from typing import Any

KEY = "sk-a-key-that-must-not-be-seen"
EDGE = "offpeak-edge"
WORK = "work"  # the work bucket of the applications under test


def multipart(*parts: Any, end: bool = True) -> tuple[bytes, str]:
    """A form in the order given: `(name, text)` or `(name, content, filename)`."""
    body = b""
    for name, content, *filename in parts:
        named = f'; filename="{filename[0]}"' if filename else ""
        raw = content if isinstance(content, bytes) else content.encode()
        body += f'--{EDGE}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + raw + b"\r\n"
    return body + (f"--{EDGE}--\r\n".encode() if end else b""), f"multipart/form-data; boundary={EDGE}"


def send(port: int, *pieces: bytes, timeout: float = 30) -> tuple[int, dict[str, str], bytes]:
    """Write the pieces to a new connection, one by one; status, headers and body of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(status.split()[1]), headers, body


def chunked(*chunks: bytes) -> bytes:
    return b"".join(f"{len(each):x}\r\n".encode() + each + b"\r\n" for each in chunks) + b"0\r\n\r\n"


def envelope(body: bytes | str) -> dict[str, Any]:
    """The error of an answer, which has all four keys and nothing beside them."""
    answer = json.loads(body)
    assert set(answer) == {"error"}
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    error: dict[str, Any] = answer["error"]
    return error
