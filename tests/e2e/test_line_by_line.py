"""Lines that are run one by one, in the stack's own processes: killed, cut off, and all there in the end."""

import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from infra.local.standins.proxy import proxying
from infra.local.standins.vllm import running
from tests.e2e.stack import Stack, chat, ended, rows, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.xdist_group("kills")]

CONFIG = """
model_list:
  - model_name: tiny
    litellm_params:
      model: hosted_vllm/tiny
      api_base: "http://127.0.0.1:{port}"
      max_parallel_requests: 16
      timeout: 10
    model_info: {{input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}}
"""
LINES = 1_200
KILLS = 10


def stack_of(folder: Path, port: int) -> Stack:
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(port=port))
    return Stack(folder / "data", "--config", str(config))


def lines_of(count: int) -> list[dict[str, Any]]:
    return [chat(f"line-{n}", f"nonce-{n}", model="tiny") for n in range(count)]


def test_a_killed_worker_costs_the_lines_in_flight_and_no_others(tmp_path: Path) -> None:
    """A fault on every tenth call, and ten deaths; what was run twice is bounded by both."""
    dice = random.Random(3)
    with running(token_ms=10) as vllm, proxying(vllm.port, rate=0.1, seed=3, stall=1.0) as proxy:
        stack = stack_of(tmp_path, proxy.port)
        with stack.client(max_retries=8) as client:
            batch = start(client, lines_of(LINES))
            for _ in range(KILLS):
                time.sleep(0.5 + dice.random())
                stack.kill("work")
            done = ended(client, batch.id, 180)
            output = rows(client, done.output_file_id)
        assert stack.stop() == 0
        ran = sum(vllm.journal()["nonces"].values())
        destroyed = proxy.report()["wasted"] + proxy.report()["injected"].get("drip", 0)
    assert done.status == "completed"
    assert Counter(row["custom_id"] for row in output) == Counter(f"line-{n}" for n in range(LINES))
    assert done.cost["priced_lines"] == LINES  # type: ignore[attr-defined]
    assert ran - LINES <= destroyed + KILLS * 2 * 16  # in flight, and answered but not written yet


def test_counts_move_while_lines_run_and_cancel_keeps_what_finished(tmp_path: Path) -> None:
    with running(token_ms=120) as vllm:
        stack = stack_of(tmp_path, vllm.port)
        with stack.client() as client:
            batch = start(client, lines_of(LINES))
            seen: set[int] = set()
            until = time.monotonic() + 60
            while len(seen) < 3 and time.monotonic() < until:
                counts = client.batches.retrieve(batch.id).request_counts
                assert counts is not None
                seen.add(counts.completed)
                time.sleep(0.5)
            client.batches.cancel(batch.id)
            asked = time.monotonic()
            done = ended(client, batch.id, 60)
            assert time.monotonic() - asked < 30  # all lines take more than a minute
            output, errors = rows(client, done.output_file_id), rows(client, done.error_file_id)
        assert stack.stop() == 0
    assert len(seen) >= 3
    assert done.status == "cancelled"
    assert len(output) + len(errors) == LINES
    assert {row["error"]["code"] for row in errors} == {"batch_cancelled"}
