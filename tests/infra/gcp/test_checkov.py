"""A second opinion: checkov's rules for Google Cloud, each of them kept, or passed over with a reason in the source.

It lives in an environment of its own, `.venv-policy`, which the first run makes (half a minute).
"""

import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.gcp.plans import GCP, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

REQUIREMENTS = ROOT / "infra" / "requirements" / "policy.txt"
VENV = ROOT / ".venv-policy"


@pytest.fixture(scope="session")
def checkov() -> Path:
    """The program, as pinned."""
    wanted, marker = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest(), VENV / ".offpeak"
    lock = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not marker.exists() or marker.read_text() != wanted:
            subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
            (VENV / ".gitignore").write_text("*\n")  # it is nobody's source
            pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
            done = subprocess.run([*pip, "--require-hashes", "-r", str(REQUIREMENTS)], check=False)
            if done.returncode and not os.environ.get("CI"):
                pytest.skip("checkov cannot be installed: is there a package index?")
            assert done.returncode == 0
            marker.write_text(wanted)
    finally:
        os.close(lock)
    return VENV / "bin" / "checkov"


def test_checkov_finds_nothing(checkov: Path, tmp_path: Path) -> None:
    """Without its network: it would ask its maker's servers about everything else."""
    command = [str(checkov), "--skip-download", "--framework", "terraform", "--compact", "-o", "json"]
    done = subprocess.run(
        [*command, "--directory", str(GCP)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    found = json.loads(done.stdout)["results"]
    failed = [f"{each['check_id']} {each['resource']}: {each['check_name']}" for each in found["failed_checks"]]
    assert failed == []
    assert found["parsing_errors"] == []
    assert len(found["passed_checks"]) > 50
    stated = {
        check
        for path in GCP.rglob("*.tf")
        for check in re.findall(r"checkov:skip=(\w+):", path.read_text(encoding="utf-8"))
    }
    assert {
        each["check_id"] for each in found["skipped_checks"]
    } == stated  # an old excuse goes when its reason has gone
