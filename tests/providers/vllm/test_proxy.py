"""The fault proxy breaks what it says, the same way every time, and a runner takes each break for what it is."""

import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest

from infra.local.standins.proxy import KINDS, proxying
from infra.local.standins.vllm import running
from shared.providers.base import Fault, Outcome
from shared.providers.vllm.runner import VllmRunner
from tests.providers.vllm.test_runner import deployment, kept_port, row, wait_until

ROOT = Path(__file__).resolve().parents[3]

WASTED = {"reset_after", "truncate", "twice"}
RUN = {**dict.fromkeys(WASTED, 1), "twice": 2, "drip": 1}  # how often the server runs the request
MEANS = {
    **dict.fromkeys(("reset_before", "reset_after", "truncate", "stall", "gateway", "half"), Fault.REPLY),
    **dict.fromkeys(("busy", "limited"), Fault.ENDPOINT),
}


async def calls(port: int, count: int, *, seconds: float = 60.0) -> list[Outcome]:
    async with VllmRunner(deployment(f"http://127.0.0.1:{port}", timeout=seconds, parallel=16)) as runner:
        return list(await asyncio.gather(*(runner.run(row(ordinal=at + 1), f"r-{at}-1") for at in range(count))))


@pytest.mark.parametrize("kind", KINDS)
def test_each_break_is_what_it_is_called_and_is_taken_for_it(kind: str) -> None:
    with running() as server, proxying(server.port, rate=1.0, kinds=(kind,), drip=0.2) as proxy:
        (outcome,) = asyncio.run(calls(proxy.port, 1, seconds=1.0 if kind == "stall" else 60.0))
        report = proxy.report()
        ran = server.journal()["finished"]
    if kind == "refuse":  # whether it was made before it was reset is a matter of microseconds
        assert outcome.fault in {Fault.REPLY, Fault.ENDPOINT}
    else:
        assert outcome.fault is MEANS.get(kind)
    assert outcome.good is (kind in {"drip", "twice"})
    assert outcome.retry_after == (1.0 if kind == "limited" else None)
    assert report["injected"] == {kind: 1}
    assert report["wasted"] == (1 if kind in WASTED else 0)
    assert ran == RUN.get(kind, 0)


def test_without_faults_it_is_not_there() -> None:
    with running() as server, proxying(server.port, rate=0.0) as proxy:
        assert all(outcome.good for outcome in asyncio.run(calls(proxy.port, 50)))
        wait_until(lambda: proxy.carried == 50)  # the last is counted when its caller has it already
        assert proxy.report() == {"carried": 50, "wasted": 0, "injected": {}}


def test_a_seed_is_a_run_that_can_be_repeated_whatever_the_order() -> None:
    kinds = tuple(kind for kind in KINDS if kind not in {"refuse", "stall"})
    found = []
    for _ in range(2):
        with running() as server, proxying(server.port, rate=0.5, seed=7, kinds=kinds, drip=0.01) as proxy:
            asyncio.run(calls(proxy.port, 60))
            found.append(proxy.report()["injected"])
    assert found[0] == found[1]
    assert len(found[0]) > 4


def test_no_fault_ever_loses_or_doubles_a_line() -> None:
    """Whoever tries again until there is a row has one row for each line, and the waste is what the proxy did."""
    lines = 150

    async def stubborn(port: int) -> tuple[Counter[str], Counter[str]]:
        rows: Counter[str] = Counter()
        faults: Counter[str] = Counter()
        async with VllmRunner(deployment(f"http://127.0.0.1:{port}", timeout=60.0, parallel=16)) as runner:

            async def one(at: int) -> None:
                for attempt in range(20):
                    outcome = await runner.run(row(ordinal=at), f"r-{at}-{attempt}")
                    if outcome.row is not None:
                        rows[json.loads(outcome.row)["custom_id"]] += 1
                        return
                    faults[str(outcome.fault)] += 1

            await asyncio.gather(*(one(at) for at in range(1, lines + 1)))
        return rows, faults

    with running() as server, proxying(server.port, rate=0.25, seed=3, drip=0.1, stall=1.0) as proxy:
        rows, faults = asyncio.run(stubborn(proxy.port))
        report, journal = proxy.report(), server.journal()
    assert len(rows) == lines
    assert set(rows.values()) == {1}
    assert faults["endpoint"]
    assert faults["reply"]
    assert not faults["deployment"]
    assert journal["finished"] == lines + report["wasted"]


def test_a_server_that_is_gone_is_a_connection_that_breaks() -> None:
    with kept_port() as port, proxying(port, rate=0.0) as proxy:
        (outcome,) = asyncio.run(calls(proxy.port, 1))
        assert outcome.fault is Fault.REPLY


def test_as_a_process_it_tells_at_its_end_what_it_did() -> None:
    with running() as server:
        command = [sys.executable, "-m", "infra.local.standins.proxy", "--target", f"127.0.0.1:{server.port}"]
        command += ["--rate", "1", "--kinds", "busy"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                base = process.stdout.readline().split()[1]
                with httpx.Client(base_url=base, trust_env=False, timeout=60) as client:
                    assert client.get("/health").status_code == 200
                    assert client.post("/v1/x", json={}).status_code == 503
                    report = client.get("/-/proxy").json()
            finally:
                process.send_signal(signal.SIGTERM)
                told = json.loads(process.stdout.read())
                assert process.wait(60) == 0
    assert told == report == {"carried": 1, "wasted": 0, "injected": {"busy": 1}}
