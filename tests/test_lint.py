"""What `infra/dev lint` says."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
@pytest.mark.timeout(900)  # seconds; mypy begins without a cache, and may have half a core
def test_the_linters_have_nothing_to_say() -> None:
    done = subprocess.run([sys.executable, ROOT / "infra" / "dev", "lint"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_no_requirement_names_a_host_or_a_path() -> None:
    for file in (ROOT / "infra" / "requirements").iterdir():
        text = file.read_text(encoding="utf-8")
        assert "://" not in text, file
        assert "index-url" not in text, file
        assert "find-links" not in text, file
        if file.suffix == ".txt":
            pins = [line for line in text.splitlines() if "==" in line]
            assert text.count("--hash=sha256:") >= len(pins) > 0
