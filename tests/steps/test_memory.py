"""Memory that does not grow with the file, whatever its lines look like."""

import os
import subprocess
import sys

import pytest

from tests.e2e.stack import ROOT

MOST = 200  # MB, of a whole process


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["plain", "unknown_models", "many_paths", "many_schemas", "collect_pieces"])
def test_a_step_over_a_large_file_stays_small(scenario: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.steps.memory", scenario],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) < MOST
