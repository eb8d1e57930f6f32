"""The way into a stand-in that speaks HTTP in threads: whatever the method, one function answers."""

from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs

__all__ = ["Entry", "last_of_each"]


class Entry(BaseHTTPRequestHandler, ABC):
    """One connection, of as many requests as the client likes."""

    protocol_version = "HTTP/1.1"

    @abstractmethod
    def serve(self) -> None:
        """Answer the request; its method is in `command`."""

    def do_GET(self) -> None:
        self.serve()

    def do_POST(self) -> None:
        self.serve()

    def do_DELETE(self) -> None:
        self.serve()

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing is printed but that it is ready."""


def last_of_each(query: str) -> dict[str, str]:
    """The parameters of a query; of one that is there twice, the last."""
    return {name: values[-1] for name, values in parse_qs(query).items()}
