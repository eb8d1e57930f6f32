import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.functions.conftest import ROOT, SOURCE
from tests.functions.wire import KEY

TARGETS = ["api", "files", "batches", "admin", "vertex", "work", "predictions", "dead_letter"]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("FUNCTION_", "OFFPEAK_"))}


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env={**CLEAN, "PYTHONPATH": str(ROOT), **environment},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def framework(target: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).parent / "functions-framework")
    return run(program, "--source", SOURCE, "--target", target, "--port", "1", **environment)


def test_importing_needs_no_settings() -> None:
    done = run(sys.executable, "-W", "error", "-c", "import functions.main")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("module", sorted((ROOT / "functions").glob("*.py")), ids=lambda path: path.stem)
def test_what_stands_at_the_entry_changes_no_record(module: Path) -> None:
    """Parse, one call, render: state changes and their transactions are of the steps."""
    named = {
        getattr(node, "attr", None) or getattr(node, "name", None) for node in ast.walk(ast.parse(module.read_text()))
    }
    assert named.isdisjoint({"transact", "Transaction"})


def test_an_import_is_quick_and_brings_no_client_library() -> None:
    """What a cold start waits for. The framework and Flask are half of it."""
    program = (
        "from time import process_time as now; start = now(); import functions_framework, flask; framework = now(); "
        "import functions.main, sys; print((now() - start) / (framework - start)); "
        "print(*[name for name in ('httpx', 'requests', 'google.cloud.storage', 'grpc', 'sqlite3', 'openai') "
        "if name in sys.modules])"
    )
    runs = [run(sys.executable, "-c", program).stdout.splitlines() for _ in range(3)]

    assert min(float(times) for times, _ in runs) < 6  # times as long as the framework alone, on whatever machine
    assert {loaded for _, loaded in runs} == {""}


@pytest.mark.parametrize("target", TARGETS)
def test_missing_settings_refuse_to_start(target: str) -> None:
    done = framework(target)

    assert done.returncode == 1
    assert "Offpeak cannot start. OFFPEAK_DOCUMENTS: Field required; OFFPEAK_OBJECTS: Field required" in done.stderr
    assert "Traceback" not in done.stderr
    assert '"message": "start_refused"' in done.stdout


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"OFFPEAK_MASTER_KEY": ""}, "OFFPEAK_MASTER_KEY: Field required"),
        ({"OFFPEAK_MASTER_KEY": "short"}, "OFFPEAK_MASTER_KEY: Value error, needs at least 7 characters"),
        ({"OFFPEAK_BUS": "kafka://x"}, "OFFPEAK_BUS: String should match pattern"),
        ({"OFFPEAK_CONFIG": "/nowhere.yaml"}, "OFFPEAK_CONFIG: cannot read /nowhere.yaml"),
        ({"OFFPEAK_CONFIG": "{broken}"}, "broken.yaml:1: not valid YAML"),
    ],
    ids=str,
)
def test_a_wrong_setting_refuses_to_start_and_says_which(
    environment: dict[str, str], tmp_path: Path, changes: dict[str, str], sentence: str
) -> None:
    (tmp_path / "broken.yaml").write_text("a: [")
    changes = {name: value.replace("{broken}", f"{tmp_path}/broken.yaml") for name, value in changes.items()}
    done = framework("api", **{**environment, **changes})

    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert KEY not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("target", "not_its_own"),
    [
        ("files", {"functions.batches", "functions.admin", "functions.vertex", "functions.events", "shared.steps.run"}),
        ("batches", {"functions.files", "functions.admin", "functions.vertex", "functions.events", "shared.steps.run"}),
        ("admin", {"functions.files", "functions.batches", "functions.vertex", "functions.events"}),
        ("vertex", {"functions.files", "functions.batches", "functions.admin", "functions.events"}),
        ("work", {"functions.files", "functions.batches", "functions.admin", "functions.vertex"}),
    ],
)
def test_a_target_loads_what_it_answers_and_nothing_else(target: str, not_its_own: set[str], tmp_path: Path) -> None:
    program = f"import functions_framework as f; f.create_app({target!r}, {SOURCE!r}); import sys; print(*sys.modules)"
    config = tmp_path / "config.yaml"
    config.write_text("model_list: []\n")
    settings = {
        "FUNCTION_TARGET": target,
        "OFFPEAK_DOCUMENTS": f"sqlite://{tmp_path}/d.db",
        "OFFPEAK_OBJECTS": f"file://{tmp_path}",
        "OFFPEAK_DATA_BUCKET": "data",
        "OFFPEAK_WORK_BUCKET": "work",
        "OFFPEAK_BUS": f"sqlite://{tmp_path}/q.db",
        "OFFPEAK_CONFIG": str(config),
        "OFFPEAK_MASTER_KEY": KEY,
    }
    done = run(sys.executable, "-c", program, **settings)
    assert done.returncode == 0, done.stderr
    assert not_its_own.isdisjoint(done.stdout.split())
