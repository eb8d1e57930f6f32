"""Bytes that arrive become an object before any record knows of them, so that no record ever names half a file."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from shared.app import App
from shared.domain.errors import Transient
from shared.steps.files import announce, discard

__all__ = ["arriving"]


@contextmanager
def arriving(app: App, name: str) -> Iterator[None]:
    """While the object `name` arrives and is judged: if that fails, nothing of it is left.

    Its record is added behind this, not inside: a commit whose answer was lost may have been applied, and then the
    object must stay. If it was not, the announcement is still there for `sweep`.
    """
    announce(app, name)
    try:
        yield
    except BaseException:
        with suppress(Transient):  # then `sweep` will do it
            discard(app, name)
        raise
