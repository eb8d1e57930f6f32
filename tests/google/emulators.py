"""Google's own emulators of Firestore and Pub/Sub, each in a Java process that ends with ours.

They come with the Google Cloud CLI: `gcloud components install cloud-firestore-emulator pubsub-emulator`, or as the
Debian packages `google-cloud-cli-firestore-emulator` and `google-cloud-cli-pubsub-emulator`.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.request import urlopen

__all__ = ["FIRESTORE", "PUBSUB", "Emulator", "Missing", "running"]

_ROOT: Final = Path(__file__).resolve().parents[2]
_START: Final = 60.0  # seconds; five on an idle machine
_STOP: Final = 5.0
_TRIES: Final = 3  # another process may take the free port before the emulator does
_JVM: Final = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.language=en")
_WELL_KNOWN: Final = (
    "/usr/lib/google-cloud-sdk",
    "/usr/share/google-cloud-sdk",
    "/opt/google-cloud-sdk",
    "/snap/google-cloud-cli/current",
    "~/google-cloud-sdk",
)


class Missing(Exception):
    """There is no Java here, or no such emulator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """What is started, and which variable tells a client library where it is."""

    component: str
    jar: str  # below the SDK's root
    main: tuple[str, ...]  # how Java is told to run the jar
    variable: str

    def command(self, port: int) -> list[str]:
        """Missing where it cannot be started."""
        java = shutil.which("java")
        jar = next((jar for root in _roots() for jar in sorted(root.glob(self.jar))), None)
        if java is None or jar is None:
            raise Missing(
                f"there is no {'java' if java is None else self.component} on this machine: install Java 17 or later, "
                f"and the emulator by `gcloud components install {self.component}` or "
                f"`apt-get install google-cloud-cli-{self.component.removeprefix('cloud-')}`"
            )
        how = [str(jar) if each == "JAR" else each for each in self.main]
        return [java, *_JVM, *how, "--host=127.0.0.1", f"--port={port}"]


FIRESTORE: Final = Emulator(
    component="cloud-firestore-emulator",
    jar="platform/cloud-firestore-emulator/cloud-firestore-emulator.jar",
    main=("-cp", "JAR", "com.google.cloud.datastore.emulator.firestore.CloudFirestore"),
    variable="FIRESTORE_EMULATOR_HOST",
)
PUBSUB: Final = Emulator(
    component="pubsub-emulator",
    jar="platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar",
    main=("-jar", "JAR"),
    variable="PUBSUB_EMULATOR_HOST",
)


@contextmanager
def running(emulator: Emulator) -> Iterator[str]:
    """`127.0.0.1:PORT` of the emulator, which answers; Missing where it is not installed."""
    for remaining in reversed(range(_TRIES)):
        port = _free_port()
        process = _tethered(emulator.command(port))
        try:
            if _answers(process, port):
                yield f"127.0.0.1:{port}"
                return
            if not remaining:
                raise RuntimeError(f"the {emulator.component} does not start")
        finally:
            _stop(process)


def _roots() -> Iterator[Path]:
    """Where the SDK may be. To ask `gcloud` itself takes seconds, so that is the last resort."""
    gcloud = shutil.which("gcloud")
    if gcloud is not None:
        yield Path(gcloud).resolve().parents[1]
    yield from (Path(root).expanduser() for root in _WELL_KNOWN)
    if gcloud is not None:
        asked = [gcloud, "info", "--format=value(installation.sdk_root)"]
        said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        if said:
            yield Path(said)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _tethered(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Killed with us, however we end: an emulator that is left alone would keep its memory for ever."""
    return subprocess.Popen(
        [sys.executable, "-m", "infra.local.tether", str(os.getpid()), *command],
        cwd=_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for pytest, which then stops it
    )


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether it says Ok at last; False where it has ended."""
    deadline = time.monotonic() + _START
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                return bool(answer.read().strip() == b"Ok")
        except OSError:
            time.sleep(0.05)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
