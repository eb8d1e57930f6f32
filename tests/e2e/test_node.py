"""The unmodified SDK for Node."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.stack import Stack, chat

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]

SDK = "openai@7.55.0"


@pytest.mark.skipif(
    shutil.which("npm") is None and not os.environ.get("CI"), reason="npm is not here; Node.js 20 brings it"
)
def test_the_node_sdk_streams_a_file_runs_a_batch_pages_lists_and_uploads_in_parts(
    stack: Stack, tmp_path: Path
) -> None:
    (tmp_path / "package.json").write_text('{"type": "module"}')
    subprocess.run(["npm", "install", "--no-save", "--silent", SDK], cwd=tmp_path, check=True)
    shutil.copy(Path(__file__).parent / "client.mjs", tmp_path)
    lines = tmp_path / "in.jsonl"
    lines.write_bytes(b"".join(json.dumps(chat(f"line-{n}")).encode() + b"\n" for n in range(5)))
    done = subprocess.run(
        ["node", "client.mjs", lines],
        cwd=tmp_path,
        env={**os.environ, "BASE_URL": f"{stack.url}/v1", "API_KEY": stack.key},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["status"] == "completed"
    assert said["counts"] == {"total": 5, "completed": 5, "failed": 0}
    assert said["cost"]["priced_lines"] == 5
    assert {json.loads(row)["custom_id"] for row in said["output"].splitlines()} == {f"line-{n}" for n in range(5)}
