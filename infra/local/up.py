"""The whole stack on one machine, in one process tree: the functions, the dispatcher and, by default, a stand-in.

`python -m infra.local.up [--port 8080] [--data .offpeak] [--config FILE [--standins]]` prints
`ready http://127.0.0.1:PORT` when it serves. SIGTERM or Ctrl-C stops all of it; a process that dies is started again; a
new start goes on from the folder.

Without a configuration there is the Vertex stand-in and some models of it. With `--standins` the providers of a
configuration are played: LiteLLM's variables (OPENAI_BASE_URL, AZURE_API_KEY, …) lead to stand-ins, whatever is set.
"""

import argparse
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import httpx

from infra.local.cast import Cast, free_ports, playing
from infra.local.child import ROOT, Child
from infra.local.data import DATA_BUCKET, WORK_BUCKET, CannotStart, DataFolder
from shared.app import configuration
from shared.config import Config
from shared.domain.errors import ConfigError
from shared.settings import chosen_key, read_settings

__all__ = ["Stack", "main"]

_HOST: Final = "127.0.0.1"
_START: Final = 60.0  # seconds until everything must answer
_STOP: Final = (2.0, 3.0, 3.5)  # seconds after which dispatcher, functions and stand-ins are stopped by force
_WATCH: Final = 0.1
_HOPELESS: Final = 4  # short lives in a row of a process, while the stack is starting
_PEPPERS: Final = ("OFFPEAK_KEY_PEPPER", "LITELLM_SALT_KEY")
_KEYS: Final = ("OFFPEAK_MASTER_KEY", "LITELLM_MASTER_KEY")  # the first that is set
_PORT_PATIENCE: Final = 2.5  # seconds: workers of a stack that was killed need a moment to notice
# The master of each function forks WORKERS processes of THREADS threads.
_FUNCTIONS: Final = {
    "api": {"WORKERS": "2", "THREADS": "64"},
    "work": {"WORKERS": str(min(4, os.cpu_count() or 1)), "THREADS": "4"},
    "predictions": {"WORKERS": "1", "THREADS": "4"},
    "dead_letter": {"WORKERS": "1", "THREADS": "2"},
}


class Stack:
    """All processes of one data folder."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.data = DataFolder(options.data)
        self.port = _public_port(options.port)
        ports = free_ports(len(_FUNCTIONS))
        self._urls = dict(zip(_FUNCTIONS, (f"http://{_HOST}:{port}" for port in [self.port, *ports[1:]]), strict=True))
        self.cast = Cast()
        self.key_from = ""  # what the user is told of the master key
        self.environment = self._environment()
        self._rings = ([self._dispatcher()], list(self._functions()), list(self._upstream()))
        self._children = [child for ring in reversed(self._rings) for child in ring]

    @property
    def url(self) -> str:
        return self._urls["api"]

    def start(self, stopping: threading.Event) -> None:
        """Start everything and wait until it answers; CannotStart with the end of a log where it does not."""
        for child in self._children:
            child.start()
        until = time.monotonic() + _START
        waiting = [f"{url}/v1/models" for url in self._urls.values()]  # the event functions say 405, which is an answer
        waiting += [member.ready for member in self.cast.members]
        with httpx.Client(trust_env=False, timeout=5.0) as http:  # without a key it is 401, which is an answer, too
            while waiting and not stopping.is_set():
                self.heal()
                waiting = [url for url in waiting if not _answers(http, url)]
                ill = next((child for child in self._children if child.failures >= _HOPELESS), None)
                if ill is not None or time.monotonic() > until:
                    raise CannotStart(_explained(ill or self._children[0], hopeless=ill is not None))
                stopping.wait(_WATCH)

    def heal(self) -> None:
        for child in self._children:
            child.trim()
            code = child.heal()
            if code is not None:
                print(f"{child.name} ended ({code}) and is started again; see {child.log}", file=sys.stderr, flush=True)

    def stop(self) -> None:
        """First who brings work, then who does it, last who is asked by them: no answer is lost that is on its way."""
        began = time.monotonic()
        for ring, seconds in zip(self._rings, _STOP, strict=True):
            for child in ring:
                child.ask_to_stop()
            for child in ring:
                child.stopped_by(began + seconds)
        self.data.release()

    def _environment(self) -> dict[str, str]:
        options, data = self._options, self.data
        here = {
            "OFFPEAK_DOCUMENTS": data.database("documents.db"),
            "OFFPEAK_OBJECTS": f"file://{data.objects}",
            "OFFPEAK_DATA_BUCKET": DATA_BUCKET,
            "OFFPEAK_WORK_BUCKET": WORK_BUCKET,
        }
        outside = dict(os.environ)
        if options.standins or not options.config:
            self.cast, outside = playing(options.config, outside)
        else:  # real models read their input where they can reach it: the parts mix
            here |= {name: outside[name] for name in here if outside.get(name)}
            if here["OFFPEAK_OBJECTS"] == "gcs" and not outside.get("OFFPEAK_WORK_BUCKET"):
                del here["OFFPEAK_WORK_BUCKET"]  # then LiteLLM's variables say it
        name = options.config or str(data.default_config(self.cast.members[0].url))
        if not name.startswith("gs://"):
            name = str(Path(name).absolute())
        environment = {
            **outside,
            **here,
            "OFFPEAK_BUS": data.database("queue.db"),
            "OFFPEAK_CONFIG": name,
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        try:
            environment |= self._key(_checked(name, environment), environment)
            return (
                environment if any(map(environment.get, _PEPPERS)) else environment | {_PEPPERS[0]: data.key_pepper()}
            )
        except ConfigError as error:  # here and not in the log of a function, and before anything is started
            raise CannotStart(str(error)) from error

    def _key(self, config: Config | None, environment: Mapping[str, str]) -> dict[str, str]:
        """The master key, where the environment does not say it. Notes where it comes from."""
        named = [name for name in _KEYS if environment.get(name)]
        said = chosen_key("", config.master_key if config else None, clients=False)
        if named:
            read_settings(environment)
            self.key_from = f"the key is the {named[0]} of your environment"
            return {}
        if said:
            self.key_from = f"the key is the master_key of {self._options.config}"
            return {"OFFPEAK_MASTER_KEY": said}
        key, place = self.data.master_key(), self.data.path / "master_key"
        self.key_from = f'the key is in {place}: export OPENAI_BASE_URL={self.url}/v1 OPENAI_API_KEY="$(cat {place})"'
        return {"OFFPEAK_MASTER_KEY": key}

    def _functions(self) -> Iterator[Child]:
        for target, size in _FUNCTIONS.items():
            port = self._urls[target].rpartition(":")[2]
            command = [
                *(sys.executable, "-m", "functions_framework", "--source", "functions/main.py"),
                *("--target", target, "--host", _HOST, "--port", port),
            ]
            yield Child(target, command, self.environment | size, self.data.log(target))

    def _dispatcher(self) -> Child:
        command = [
            *(sys.executable, "-m", "infra.local.dispatch", "--bus", self.environment["OFFPEAK_BUS"]),
            *("--work", self._urls["work"], "--predictions", self._urls["predictions"]),
            *("--dead-letter", self._urls["dead_letter"]),
        ]
        return Child("dispatch", command, self.environment, self.data.log("dispatch"))

    def _upstream(self) -> Iterator[Child]:
        places = {
            "objects": f"file://{self.data.objects}",
            "bus": self.environment["OFFPEAK_BUS"],
            "state": str(self.data.path / "standin.db"),
            "work_bucket": WORK_BUCKET,
        }
        for member in self.cast.members:
            command = [sys.executable, "-m", *member.command(places)]
            yield Child(member.name, command, self.environment, self.data.log(member.name))


def main() -> int:
    options = _options()
    stopping = threading.Event()
    with _signals(stopping):
        try:
            stack = Stack(options)
        except CannotStart as error:
            print(f"offpeak: {error}", file=sys.stderr)
            return 2
        try:
            stack.start(stopping)
            if not stopping.is_set():
                print(*stack.cast.told, stack.key_from, sep="\n", flush=True)
                print(f"ready {stack.url}", flush=True)
            while not stopping.wait(_WATCH):
                stack.heal()
        except CannotStart as error:
            print(f"offpeak: {error}", file=sys.stderr)
            return 1
        finally:
            stack.stop()
    return 0


@contextmanager
def _signals(stopping: threading.Event) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        stopping.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _explained(child: Child, *, hopeless: bool) -> str:
    what = "ends as soon as it is started" if hopeless else f"does not answer after {_START:g} s"
    return f"{child.name} {what}; the end of {child.log}:\n{child.tail()}"


def _checked(name: str, environment: Mapping[str, str]) -> Config | None:
    """The configuration, if it lies on this machine; CannotStart or ConfigError where it or a setting is wrong."""
    read_settings(environment, clients=False)
    if name.startswith("gs://"):
        return None
    try:
        return configuration(Path(name).read_text(encoding="utf-8"), name=name, environment=environment)
    except (OSError, UnicodeDecodeError) as error:
        raise CannotStart(f"cannot read the configuration: {error}") from error


def _answers(http: httpx.Client, url: str) -> bool:
    try:
        return http.get(url).status_code < 500
    except httpx.HTTPError:
        return False


def _public_port(port: int) -> int:
    if port == 0:
        return free_ports(1)[0]
    until = time.monotonic() + _PORT_PATIENCE
    while True:
        try:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((_HOST, port))
                return port
        except OSError as error:
            if time.monotonic() > until:
                raise CannotStart(f"port {port} cannot be used: {error.strerror}") from error
            time.sleep(0.1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="infra/dev up", description=__doc__)
    parser.add_argument("--port", type=_port, default=8080, help="of the API; 0 takes a free one")
    parser.add_argument("--data", type=Path, default=ROOT / ".offpeak", help="folder that keeps everything")
    parser.add_argument("--config", help="configuration to use instead of the Vertex stand-in's models")
    parser.add_argument("--standins", action="store_true", help="with --config: play its providers, ask none of them")
    options = parser.parse_args()
    if options.standins and not options.config:
        parser.error("--standins plays the providers of a configuration: --config FILE")
    return options


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port < 65_536:
        raise argparse.ArgumentTypeError("a port is a number up to 65535")
    return port


if __name__ == "__main__":
    sys.exit(main())
