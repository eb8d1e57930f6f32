"""How the Terraform is written."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2
import pytest

from tests.infra.gcp.plans import GCP

FILES = sorted(path for path in GCP.rglob("*.tf") if ".terraform" not in path.parts)
FOLDERS = sorted({path.parent for path in FILES})


def shown(path: Path) -> str:
    return path.relative_to(GCP.parent).as_posix()


def blocks(path: Path, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The blocks of one kind: their last label, and what is in them."""
    for block in hcl2.loads(path.read_text(encoding="utf-8")).get(kind, []):
        labels, body = [], block
        while len(names := [name for name in body if not name.startswith("__")]) == 1 and names[0].startswith('"'):
            labels.append(names[0].strip('"'))
            body = body[names[0]]
        yield ".".join(labels), body


def all_blocks(kind: str) -> list[tuple[Path, str, dict[str, Any]]]:
    return [(path, name, body) for path in FILES for name, body in blocks(path, kind)]


def test_there_is_something_to_read() -> None:
    assert {path.name for path in FOLDERS} == {"gcp", "function", "subscription"}
    assert len(all_blocks("resource")) > 30


@pytest.mark.parametrize("kind", ["variable", "output"])
@pytest.mark.parametrize("folder", FOLDERS, ids=shown)
def test_variables_and_outputs_stand_in_their_files_and_in_order(folder: Path, kind: str) -> None:
    file = folder / f"{kind}s.tf"
    names = [name for name, _ in blocks(file, kind)]
    assert names
    assert names == sorted(names)
    assert [name for path, name, _ in all_blocks(kind) if path.parent == folder and path != file] == []


@pytest.mark.parametrize(
    ("path", "name", "body"), all_blocks("variable"), ids=lambda each: each if isinstance(each, str) else ""
)
def test_a_variable_says_what_it_is_and_is_never_null(path: Path, name: str, body: dict[str, Any]) -> None:
    assert body["type"] not in {"any", '"any"'}
    assert len(body["description"]) > 10
    assert body["nullable"] is False


def test_every_output_says_what_it_is() -> None:
    for _, name, body in all_blocks("output"):
        assert len(body["description"]) > 10, name


def test_every_variable_is_used() -> None:
    for folder in FOLDERS:
        text = "\n".join(
            path.read_text(encoding="utf-8") for path in folder.glob("*.tf") if path.name != "variables.tf"
        )
        unused = [
            name for name, _ in blocks(folder / "variables.tf", "variable") if not re.search(rf"\bvar\.{name}\b", text)
        ]
        assert unused == [], folder


def test_nothing_is_looked_up_and_nothing_is_left_to_chance() -> None:
    """A plan says what will be made: from its variables alone, with one provider."""
    assert all_blocks("data") == []
    assert all_blocks("ephemeral") == []
    types = {name.partition(".")[0] for _, name, _ in all_blocks("resource")}
    assert all(kind.startswith("google_") for kind in types), types
    for path, _, body in all_blocks("terraform"):
        assert body["required_version"] == '">= 1.9"', path
        (providers,) = body["required_providers"]
        assert [name for name in providers if not name.startswith("__")] == ["google"], path
        assert providers["google"]["version"] == '">= 6.50, < 8"', path


def test_no_resource_is_run_by_hand() -> None:
    """No provisioners: they are not in the plan, and not in the state."""
    for path in FILES:
        assert "provisioner" not in path.read_text(encoding="utf-8"), path


def test_whatever_is_left_unchecked_says_why() -> None:
    for path in FILES:
        for skipped in re.findall(r"#\s*checkov:skip=(.*)", path.read_text(encoding="utf-8")):
            check, _, reason = skipped.partition(":")
            assert re.fullmatch(r"CKV2?_GCP_\d+", check), skipped
            assert len(reason) > 20, skipped
