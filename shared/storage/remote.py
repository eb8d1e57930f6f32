"""Calls to Google's services: bounded in time, tried again where that does no harm, and their errors in our words."""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

from google.api_core import exceptions as gexc
from google.auth import exceptions as auth

from shared.domain.errors import ConfigError, Transient
from shared.storage.ports import Contention

__all__ = ["PerProcess", "insist", "translated"]

T = TypeVar("T")

_PAUSES: Final = (0.1, 0.3, 0.9)  # seconds between one try and the next; who asked us comes again after that
_LEAST: Final = 0.1  # seconds that a call gets even if it comes late


class PerProcess(Generic[T]):
    """What each process makes on its first use, once for all its threads.

    The server forks after it has loaded us, and a connection does not survive that: a child makes its own, and leaves
    alone what it has of its parent.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[int, T] = {}  # by process id; a parent's stays here, so that a child does not close it
        self._locks: dict[int, threading.Lock] = {}  # a parent's may be held for ever

    def get(self) -> T:
        """This process's own."""
        pid = os.getpid()
        if pid not in self._made:
            with self._locks.setdefault(pid, threading.Lock()):
                if pid not in self._made:
                    self._made[pid] = self._make()
        return self._made[pid]

    def take(self) -> T | None:
        """This process's own, if it has made one; the next use makes another."""
        return self._made.pop(os.getpid(), None)


def insist(call: Callable[[float], T], *, seconds: float) -> T:
    """The answer of a call that may run twice, within so many seconds. It is told how many of them are left."""
    deadline = time.monotonic() + seconds
    for pause in _PAUSES:
        try:
            return call(max(deadline - time.monotonic(), _LEAST))
        except (gexc.Aborted, gexc.ServerError, gexc.TooManyRequests):
            if time.monotonic() + pause >= deadline:
                raise
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311
    return call(max(deadline - time.monotonic(), _LEAST))


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Google's errors, by whether trying again can help. Those that would be a bug of ours stay what they are."""
    try:
        yield
    except gexc.Aborted as error:
        raise Contention(f"{doing}: too many at once") from error
    except (gexc.Unauthorized, gexc.Forbidden, gexc.NotFound, gexc.FailedPrecondition, gexc.MethodNotImplemented) as no:
        raise ConfigError(f"{doing}: {no.message}") from no
    except (gexc.ServerError, gexc.TooManyRequests, gexc.Cancelled, gexc.RetryError) as error:
        raise Transient(f"{doing}: {type(error).__name__}") from error
    except auth.DefaultCredentialsError as error:
        raise ConfigError(f"{doing}: {error}") from error
    except auth.GoogleAuthError as error:
        raise Transient(f"{doing}: {type(error).__name__}") from error
