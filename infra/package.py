"""The source that is deployed: one zip for all functions, the same bytes for the same sources on every machine.

    python infra/package.py OUT.zip        writes it, and prints its SHA-256

The builder wants `main.py` and `requirements.txt` at the root, and compiles whatever else lies there. So the root gets
a shim that hands on the targets, and the zip holds the product alone.
"""

import ast
import hashlib
import io
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("functions", "shared")
KINDS = {".json", ".py"}  # data and code; a file of another kind is a mistake here, or a line that is missing here
BEGINNING = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip knows
PLAIN_FILE = 0o100644 << 16


def source_zip(root: Path = ROOT) -> bytes:
    """The zip of the project in `root`. ValueError where a file is neither code nor data of ours."""
    files = {
        "main.py": shim(root).encode(),
        "requirements.txt": (root / "infra" / "requirements" / "runtime.txt").read_bytes(),
    }
    for folder in FOLDERS:
        files |= {path.relative_to(root).as_posix(): path.read_bytes() for path in product(root / folder)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # stored: no version of zlib in the hash
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, BEGINNING)
            entry.create_system, entry.external_attr = 3, PLAIN_FILE  # Unix, whatever made it
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def product(folder: Path) -> list[Path]:
    """The files of ours below `folder`: neither what Python keeps there, nor what is hidden."""
    inside = [path for path in folder.rglob("*") if path.is_file()]
    ours = [
        path
        for path in inside
        if not any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts)
    ]
    if strange := sorted(str(path) for path in ours if path.suffix not in KINDS or path.is_symlink()):
        raise ValueError(f"not to be deployed: {', '.join(strange)}")
    return ours


def shim(root: Path) -> str:
    """`main.py`: what `functions/main.py` says that it offers."""
    tree = ast.parse((root / "functions" / "main.py").read_text(encoding="utf-8"))
    offered = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]
    )
    names = ", ".join(sorted(ast.literal_eval(offered)))
    return f'"""The targets, where the builder looks for them."""\n\nfrom functions.main import {names}  # noqa: F401\n'


def main() -> int:
    if len(sys.argv) != 2 or not sys.argv[1].endswith(".zip"):
        print("usage: python infra/package.py OUT.zip", file=sys.stderr)
        return 2
    packed = source_zip()
    Path(sys.argv[1]).write_bytes(packed)
    print(hashlib.sha256(packed).hexdigest())
    return 0


if __name__ == "__main__":
    sys.exit(main())
