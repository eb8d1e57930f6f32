"""Who may know whom: functions -> steps -> domain, with storage and providers reached only through app.py."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STDLIB = sys.stdlib_module_names

PORTS = {"shared.storage.ports", "shared.storage.queries"}
MAY = {
    "shared/domain": {"shared.domain"},
    "shared/lines": {"msgspec", "shared.domain", "shared.lines", "shared.providers.base"},
    "shared/pricing": {"shared.domain", "shared.pricing", "shared.config"},
    "shared/storage": {
        "google",
        "google_crc32c",
        "grpc",
        "msgspec",
        "requests",
        "shared.domain",
        "shared.storage",
        "urllib3",
    },
    "shared/providers": {
        "google",
        "httpx",
        "msgspec",
        "shared.config",
        "shared.domain",
        "shared.lines.completions",
        "shared.lines.checks",
        "shared.lines.errors",
        "shared.lines.lowering",
        "shared.lines.responses",
        "shared.log",
        "shared.providers",
        *PORTS,
    },
    "shared/steps": {
        "msgspec",
        "shared.app",
        "shared.config",
        "shared.domain",
        "shared.lines",
        "shared.log",
        "shared.pricing",
        "shared.providers.base",
        "shared.steps",
        "shared.trace",
        *PORTS,
    },
    "shared/admin": {
        "msgspec",
        "shared.admin",
        "shared.app",
        "shared.config",
        "shared.domain",
        "shared.log",
        "shared.pricing",
        "shared.steps.accounts",
        "shared.steps.commit",
        *PORTS,
    },
    "functions": {
        "cloudevents",
        "flask",
        "functions",
        "functions_framework",
        "google.auth",  # to read the tokens of those who deliver events
        "httpx",
        "msgspec",
        "pydantic",
        "shared.admin",
        "shared.app",
        "shared.config",
        "shared.domain",
        "shared.lines.read",
        "shared.log",
        "shared.settings",
        "shared.steps",
        "shared.trace",
        "werkzeug",
        *PORTS,
    },
}
PURE = {  # of a provider's folder: what is not named does input and output
    "vertex": (
        *("chat_request", "chat_answer", "codecs", "embeddings", "schema", "parts", "importer", "rows", "buckets"),
        *("claude_request", "claude_turns", "claude_tools", "claude_answer", "claude_codec", "json_schema", "profile"),
        *("open_codec", "open_body", "text_embeddings", "native", "asks", "failure", "keys", "abilities", "supports"),
    ),
    "openai": ("answer", "codec", "dialect", "job", "plain", "profile", "request", "rows", "usage"),
    "azure": ("profile",),
    "vllm": ("answer", "codec", "profile", "request", "verdict"),
}
SPEAKS = {"azure": {"openai"}, "vllm": {"openai"}, "vertex": {"openai"}}  # whose words a provider has borrowed
PROVIDERS = sorted(path.parent.name for path in (ROOT / "shared/providers").glob("*/__init__.py"))


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imported_by(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import hides where it goes"
            yield node.module or ""


def allowed(name: str, may: set[str]) -> bool:
    return name.partition(".")[0] in STDLIB or any(name == root or name.startswith(f"{root}.") for root in may)


@pytest.mark.parametrize(
    ("module", "may"),
    [(module, may) for folder, may in MAY.items() for module in modules(folder)],
    ids=lambda value: str(value.relative_to(ROOT)) if isinstance(value, Path) else "",
)
def test_a_module_knows_only_what_its_room_may_know(module: Path, may: set[str]) -> None:
    assert [name for name in imported_by(module) if not allowed(name, may)] == []


@pytest.mark.parametrize("room", ["domain", "lines", *(f"providers/{provider}" for provider in PURE)])
def test_what_is_pure_does_no_input_or_output(room: str) -> None:
    """Codecs and lines are translations: no socket, no file, no process, no clock."""
    outside = {"socket", "subprocess", "urllib.request", "sqlite3", "os", "time", "threading", "httpx", "pathlib"}
    named = PURE.get(room.removeprefix("providers/"))
    pure = [module for module in modules(f"shared/{room}") if named is None or module.stem in named]
    assert len(pure) >= len(named or [room])
    for module in pure:
        assert outside.isdisjoint(imported_by(module)), module


def test_adapters_and_providers_are_opened_in_one_place() -> None:
    for module in [*modules("functions"), *modules("shared")]:
        relative = module.relative_to(ROOT).as_posix()
        if relative != "shared/app.py" and not relative.startswith("shared/storage/"):
            names = set(imported_by(module))
            assert {name for name in names if name.startswith("shared.storage")} <= PORTS, relative
            for provider in PROVIDERS:
                borrowers = {provider, *(name for name, lenders in SPEAKS.items() if provider in lenders)}
                if not any(relative.startswith(f"shared/providers/{name}/") for name in borrowers):
                    assert not any(name.startswith(f"shared.providers.{provider}") for name in names), relative


def test_every_provider_has_its_pure_modules_named() -> None:
    assert set(PROVIDERS) == set(PURE)


def test_nothing_else_stands_at_the_top() -> None:
    named = {"pyproject.toml", "README.md", "functions", "shared", "infra", "tests"}
    assert {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} <= named
