"""Cloud Storage as a process of its own: `python -m tests.google.cloud_storage --port 0 --bucket data --bucket work`.

It says `ready http://127.0.0.1:PORT` when it serves, and ends at SIGTERM.
"""

import argparse
import json
import signal
import threading
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.google.cloud_storage import CloudStorage, Events, Receiver


def main() -> None:
    parser = argparse.ArgumentParser(prog="cloud_storage", description="A small Cloud Storage for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--bucket", action="append", default=[], help="a bucket that there is; may be repeated")
    parser.add_argument("--notify", action="append", default=[], metavar="BUCKET=URL", help="who hears of new objects")
    parser.add_argument("--token", help="a bearer token for those who hear of new objects")
    parser.add_argument("--key", action="append", default=[], help="a service account's key file, to judge signatures")
    parser.add_argument("--double", type=float, default=0.0, help="the share of events that are told twice")
    parser.add_argument("--delay", type=float, default=0.0, help="the share that come late")
    parser.add_argument("--lose", type=float, default=0.0, help="the share that never come")
    parser.add_argument("--longest-delay", type=float, default=3.0, help="how late, at most, in seconds")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    receivers = {bucket: Receiver(url=url, token=asked.token) for bucket, _, url in map(_halves, asked.notify)}
    events = Events(
        receivers,
        double=asked.double,
        delay=asked.delay,
        lose=asked.lose,
        seed=asked.seed,
        longest_delay=asked.longest_delay,
    )
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    keys = dict(map(_key, asked.key))
    with CloudStorage(*asked.bucket, port=asked.port, events=events, keys=keys) as server:
        print(f"ready {server.url}", flush=True)  # noqa: T201
        over.wait()


def _halves(text: str) -> tuple[str, str, str]:
    return text.partition("=")


def _key(path: str) -> tuple[str, rsa.RSAPublicKey]:
    account = json.loads(Path(path).read_text(encoding="utf-8"))
    key = load_pem_private_key(account["private_key"].encode(), password=None).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return account["client_email"], key


if __name__ == "__main__":
    main()
