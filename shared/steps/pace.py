"""How many lines may be in flight, and what follows from a call that brought no answer. Pure: somebody else sleeps.

The window grows by one for every eight good answers and shrinks where more than a tenth of the last calls met a server
that was too busy or not there. Where so many in a row did, the circuit opens: nothing is sent until the server answers.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from shared.providers.base import Fault

__all__ = ["MOST_ATTEMPTS", "GiveUp", "Pace", "Wait", "after"]

MOST_ATTEMPTS: Final = 5  # of a line whose calls bring half an answer or none
_LONGEST_WAIT: Final = 30.0  # seconds between two tries of one line, unless the server asks for more
_LONGEST_ASKED: Final = 60.0  # seconds that a Retry-After may ask for
_GROWS_AFTER: Final = 8  # good answers
_SHRINKS_BY: Final = 0.7
_SEEN: Final = 32  # calls that the share of busy ones is taken of
_BUSY_SHARE: Final = 0.1
_OPENS_AFTER: Final = 5  # calls in a row that nobody answered, or only to say that there is no room
_BREATH: Final = 1.0  # seconds between two steps down


@dataclass(frozen=True, slots=True)
class Wait:
    """Try the line again after so many seconds."""

    seconds: float
    spends_attempt: bool


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The line gets an error row: it has had its tries."""


def after(fault: Fault, attempt: int, jitter: float, retry_after: float | None = None) -> Wait | GiveUp:
    """What to do with a line whose `attempt`-th call, from 1, just failed. `jitter` is between 0 and 1."""
    asked = min(max(retry_after or 0.0, 0.0), _LONGEST_ASKED)
    match fault:
        case Fault.REPLY if attempt >= MOST_ATTEMPTS:
            return GiveUp()
        case Fault.REPLY:
            return Wait(max(asked, min(_LONGEST_WAIT, 0.5 * 2**attempt) * jitter), spends_attempt=True)
        case Fault.ENDPOINT | Fault.DEPLOYMENT:
            return Wait(max(asked, 0.5 + 1.5 * jitter), spends_attempt=False)


class Pace:
    """The window of one worker. `now` is any clock of seconds that never goes back."""

    def __init__(self, most: int, start: float | None = None) -> None:
        self.most = most
        self.window = min(float(most), max(1.0, start if start is not None else most))
        self._good = 0
        self._in_a_row = 0
        self._shrunk_at = float("-inf")
        self._seen: deque[bool] = deque(maxlen=_SEEN)

    @property
    def open(self) -> bool:
        """Whether the circuit is open: there is no point in sending anything."""
        return self._in_a_row >= _OPENS_AFTER

    @property
    def room(self) -> int:
        """Lines that may be in flight."""
        return max(1, int(self.window))

    def answered(self) -> None:
        """A call brought an answer, whatever it says of its line."""
        self._in_a_row = 0
        self._seen.append(False)
        self._good += 1
        if self._good >= _GROWS_AFTER:
            self._good = 0
            self.window = min(float(self.most), self.window + 1)

    def broke(self) -> None:
        """A call broke off: no sign of too much work, nor of a server that is well."""
        self._seen.append(False)

    def busy(self, now: float) -> None:
        """A call met a server that is too busy, or none."""
        self._in_a_row += 1
        self._seen.append(True)
        if sum(self._seen) > _BUSY_SHARE * _SEEN and now - self._shrunk_at >= _BREATH:
            self._shrunk_at = now
            self.window = max(1.0, self.window * _SHRINKS_BY)
            self._good = 0

    def doubt(self) -> None:
        """Open the circuit: there is reason to ask first."""
        self._in_a_row = _OPENS_AFTER

    def close(self) -> None:
        """The server answers again: begin with less."""
        self._in_a_row = 0
        self._seen.clear()
        self.window = max(1.0, self.window / 2)
