"""The zip that is deployed is the product and nothing else, and depends on nothing but the sources."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import httpx
import pytest

from infra.package import source_zip
from tests.ports import reserved

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ("admin", "api", "batches", "dead_letter", "files", "predictions", "vertex", "work")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The sources, in another place."""
    for folder in ("functions", "shared"):
        shutil.copytree(ROOT / folder, tmp_path / "copy" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    requirements = tmp_path / "copy" / "infra" / "requirements"
    requirements.mkdir(parents=True)
    shutil.copyfile(ROOT / "infra" / "requirements" / "runtime.txt", requirements / "runtime.txt")
    return tmp_path / "copy"


def names(packed: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return archive.namelist()


def test_the_same_sources_are_the_same_bytes(copy: Path) -> None:
    """Another place, other times and modes, files made in another order: no new deployment."""
    for number, path in enumerate(sorted(copy.rglob("*.py"), reverse=True)):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
        path.chmod(0o600 if number % 2 else 0o755)
        os.utime(path, (number, number))
    assert source_zip(copy) == source_zip(copy) == source_zip(ROOT)


def test_a_changed_line_is_another_zip(copy: Path) -> None:
    before = source_zip(copy)
    with (copy / "shared" / "log.py").open("a") as module:
        module.write("# changed\n")
    assert source_zip(copy) != before


def test_it_holds_the_product_and_nothing_else(copy: Path) -> None:
    (copy / "shared" / "__pycache__").mkdir()
    (copy / "shared" / "__pycache__" / "log.cpython-311.pyc").write_bytes(b"x")
    (copy / "functions" / ".DS_Store").write_bytes(b"x")
    (copy / "pyproject.toml").write_text("[project]\n")
    expected = {"main.py", "requirements.txt", "shared/pricing/book.json"}
    for folder in ("functions", "shared"):
        expected |= {path.relative_to(copy).as_posix() for path in (copy / folder).rglob("*.py")}
    found = names(source_zip(copy))
    assert set(found) == expected
    assert found == sorted(found)


def test_a_file_of_another_kind_is_refused_and_not_forgotten(copy: Path) -> None:
    """Whoever adds data in a new format is told, instead of missing it in production."""
    (copy / "shared" / "pricing" / "book.yaml").write_text("prices: []\n")
    with pytest.raises(ValueError, match=r"book\.yaml"):
        source_zip(copy)


def test_entries_are_plain_files_without_a_past() -> None:
    with zipfile.ZipFile(io.BytesIO(source_zip())) as archive:
        for entry in archive.infolist():
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert entry.external_attr >> 16 == 0o100644
            assert entry.compress_type == zipfile.ZIP_STORED


def test_the_requirements_are_the_hashed_ones() -> None:
    with zipfile.ZipFile(io.BytesIO(source_zip())) as archive:
        packed = archive.read("requirements.txt")
    assert packed == (ROOT / "infra" / "requirements" / "runtime.txt").read_bytes()
    assert b"--hash=sha256:" in packed


def test_the_shim_offers_every_target() -> None:
    with zipfile.ZipFile(io.BytesIO(source_zip())) as archive:
        shim = archive.read("main.py").decode()
    assert f"from functions.main import {', '.join(TARGETS)}  #" in shim


def test_as_a_script_it_writes_the_zip_and_says_its_hash(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "infra" / "package.py", tmp_path / "out.zip"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    written = (tmp_path / "out.zip").read_bytes()
    assert done.stdout == hashlib.sha256(written).hexdigest() + "\n"
    assert written == source_zip()


@pytest.mark.parametrize("arguments", [[], ["out"], ["a.zip", "b.zip"]])
def test_as_a_script_it_wants_one_zip(tmp_path: Path, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "infra" / "package.py", *arguments], cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("target", ["api", "work"])
def test_unpacked_somewhere_else_it_starts(tmp_path: Path, target: str) -> None:
    """As the builder does it: `main.py` at the root, and no PYTHONPATH."""
    place, data = tmp_path / "unpacked", tmp_path / "data"
    data.mkdir()
    with zipfile.ZipFile(io.BytesIO(source_zip())) as archive:
        archive.extractall(place)
    settings = {
        "OFFPEAK_DOCUMENTS": f"sqlite:///{data}/documents.db",
        "OFFPEAK_OBJECTS": f"file://{data}/objects",
        "OFFPEAK_BUS": f"sqlite:///{data}/queue.db",
        "OFFPEAK_DATA_BUCKET": "data",
        "OFFPEAK_WORK_BUCKET": "work",
        **({"OFFPEAK_MASTER_KEY": "sk-made-up-for-this-test"} if target == "api" else {}),
    }
    clean = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "FUNCTION_TARGET"}}
    command = ["-P", "-m", "functions_framework", "--source", "main.py", "--target", target]
    with (
        reserved() as [port],
        subprocess.Popen(
            [sys.executable, *command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=place,
            env={**clean, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as server,
    ):
        try:
            answer = _first_answer(server, f"http://127.0.0.1:{port}/health/liveness")
        finally:
            server.terminate()
            said = server.communicate(timeout=40)[0]
    if target == "api":
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"}), said
    else:  # an event function takes POST alone
        assert answer.status_code == 405, said


def _first_answer(server: "subprocess.Popen[str]", url: str) -> httpx.Response:
    until = time.monotonic() + 60
    while True:
        try:
            return httpx.get(url, trust_env=False, timeout=10)
        except httpx.TransportError:
            assert server.poll() is None, "it has ended"
            assert time.monotonic() < until, "it does not answer"
            time.sleep(0.1)
