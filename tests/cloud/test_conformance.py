"""The OpenAI SDK's own tests, unmodified, against the functions on Google's parts."""

import os
import subprocess

import pytest

from tests.cloud.stack import KEY, Cloud
from tests.e2e.stack import SHARED

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cloud"), pytest.mark.timeout(600)]

RUN = SHARED / "conformance" / "run"


@pytest.mark.skipif(
    not RUN.exists() and not os.environ.get("CI"), reason="the conformance kit lies beside the project, in ../shared"
)
def test_the_sdk_s_own_tests_pass_whole(cloud: Cloud) -> None:
    command = [RUN, f"{cloud.urls['api']}/v1", KEY, "gemini-2.5-flash"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.splitlines()[-1].split()[:3] == ["337", "passed,", "0"]
