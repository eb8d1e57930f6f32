"""One process of the stack: started, watched, started again when it dies, and stopped with all that it started."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["ROOT", "Child"]

ROOT: Final = Path(__file__).resolve().parents[2]
_SHORTEST_LIFE: Final = 5.0  # seconds; who lives longer than that is started again at once
_LONGEST_PAUSE: Final = 5.0
_LARGEST_LOG: Final = 16 * 2**20


class Child:
    """A process in a session of its own, so that it can be ended together with its workers."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name, self.log = name, log
        self.failures = 0  # short lives in a row
        self._command = [sys.executable, "-m", "infra.local.tether", str(os.getpid()), *command]
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._born = 0.0
        self._not_before = 0.0

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._born = time.monotonic()
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def heal(self) -> int | None:
        """Start it again if it has died; its exit code if that has just been found."""
        if self._process is None:
            if time.monotonic() >= self._not_before:
                self.start()
            return None
        code = self._process.poll()
        if code is None:
            return None
        self._kill()  # workers that have lost their master still hold the port
        short = time.monotonic() - self._born < _SHORTEST_LIFE
        self.failures = self.failures + 1 if short else 0
        pause = min(_LONGEST_PAUSE, 0.1 * 2**self.failures) if short else 0.0
        self._process, self._not_before = None, time.monotonic() + pause
        return code

    def ask_to_stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def stopped_by(self, deadline: float) -> bool:
        """Wait for it; at the deadline it is killed. False where that was needed."""
        if self._process is None:
            return True
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._kill()
            self._process.wait()
            return False
        self._kill()
        return True

    def trim(self) -> None:
        """Keep a long life's log small: what it holds goes aside, once, and it begins anew. Writers only append."""
        with suppress(OSError):
            if self.log.stat().st_size > _LARGEST_LOG:
                shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
                os.truncate(self.log, 0)

    def tail(self, lines: int = 12) -> str:
        """The end of its log, for whoever has to find out what is wrong."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - 8_192))
                return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
