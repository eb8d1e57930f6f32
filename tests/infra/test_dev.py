"""infra/dev is the first thing that anybody runs."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

DEV = Path(__file__).resolve().parents[2] / "infra" / "dev"


def run(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(DEV), *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )


def test_it_can_be_started() -> None:
    assert os.access(DEV, os.X_OK)
    assert DEV.read_text().startswith("#!/usr/bin/env python3\n")


@pytest.mark.parametrize("flag", ["-h", "--help", "help"])
def test_help_names_every_command(tmp_path: Path, flag: str) -> None:
    done = run(flag, cwd=tmp_path)
    assert done.returncode == 0
    for command in ("demo", "up", "test", "lint", "bench"):
        assert f"\n  {command}" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["deploy"], ["--demo"]])
def test_what_is_no_command_gets_the_help_and_an_error(tmp_path: Path, arguments: list[str]) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: infra/dev" in done.stderr


def test_it_needs_nothing_but_the_standard_library() -> None:
    nodes = list(ast.walk(ast.parse(DEV.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    assert names <= sys.stdlib_module_names
