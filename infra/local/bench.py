"""How fast, and in how much memory, Offpeak prepares and collects: `infra/dev bench`.

What is timed are the steps themselves, on SQLite and a directory, each in a fresh process: `prepare` (parse, check,
encode, write) and `collect` (convert, account, price, write), and the import of each target. The files are those of
the generator beside this project where it is there, so that LiteLLM's figures on the same files can be set beside ours;
`--peer` runs LiteLLM and the floor too, on the same machine in the same run. `--reports` times the reports of spend
instead, over a ledger of 100,000 entries.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
PEER: Final = ROOT.parent / "shared" / "peer"
TARGETS: Final = ("api", "work", "predictions", "dead_letter")
KEY: Final = "r-{ordinal:06d}"

# LiteLLM 1.106.2, whole passes over 50,000 lines, 2 cores at 2.5 GHz (peer bench, 2026-11): lines per second.
LITELLM: Final = {"prepare": 5_157, "collect": 1_572}
AIM: Final = {"prepare": 10, "collect": 15}
MEASURES: Final = {"prepare": ("prepare.managed", "openai"), "collect": ("collect.priced", "vertex")}


def main() -> None:
    parser = argparse.ArgumentParser(prog="infra/dev bench", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--lines", type=int, nargs="+", default=[50_000, 1_000_000], help="sizes of the batches")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the median is shown")
    parser.add_argument("--peer", action="store_true", help="measure LiteLLM and the floor as well (8 to 15 minutes)")
    parser.add_argument(
        "--reports", action="store_true", help="time the reports over 100,000 entries, and nothing else"
    )
    parser.add_argument("--one", nargs="+", metavar=("MEASUREMENT", "FILE"), help="one run of one measurement, as JSON")
    args = parser.parse_args()
    if args.one:
        from infra.local.bench_one import run_one  # noqa: PLC0415  # the parent of the runs needs none of it

        run_one(*args.one)
        return
    if args.reports:
        from infra.local.bench_reports import print_all  # noqa: PLC0415  # it serves the API in this process

        print_all()
        return
    folder = ROOT / ".bench"
    folder.mkdir(exist_ok=True)
    report(args.lines, args.repeat, folder)
    if args.peer:
        also = f"{sys.executable} {Path(__file__).resolve()} --one"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PEER_DIR": str(folder / "peer")}
        command = [sys.executable, str(PEER / "run"), "--also", also, "--key", KEY, "--repeat", str(args.repeat)]
        subprocess.run(command, check=True, env=environment)


def report(sizes: list[int], repeat: int, folder: Path) -> None:
    """Print the table, each line as it becomes known."""
    show("measurement", "lines", "lines/s", "seconds", "peak MB", "x LiteLLM", "aim")
    for size in sizes:
        for step, (measurement, kind) in MEASURES.items():
            file = str(data(kind, size, folder))
            found = median([measure(measurement, file) for _ in range(repeat if size <= 100_000 else 1)])
            ratio = f"{found['lines_per_s'] / LITELLM[step]:.1f}"
            rate = f"{found['lines_per_s']:,}"
            show(step, f"{size:,}", rate, found["seconds"], found["peak_rss_mb"], ratio, AIM[step])
    for target in TARGETS:
        found = median([measure(f"import.{target}") for _ in range(repeat)])
        show(f"import {target}", "", "", found["seconds"], found["peak_rss_mb"], "", "")


def show(first: str, *rest: object) -> None:
    print(f"{first:<20}" + "".join(f"{cell!s:>11}" for cell in rest), flush=True)


def data(kind: str, lines: int, folder: Path) -> Path:
    """A generated file, made once: OpenAI lines or Vertex rows."""
    file = folder / f"{kind}_{lines}.jsonl"
    if not Path(f"{file}.meta.json").exists():
        generator = PEER / "gen_data.py"
        if not generator.exists():
            raise SystemExit(
                f"bench: the generator {generator} is not there; it comes with the project's shared folder"
            )
        keyed = ["--key", KEY] if kind == "vertex" else []
        subprocess.run([sys.executable, str(generator), kind, str(lines), str(file), *keyed], check=True)
    return file


def measure(*what: str) -> dict[str, Any]:
    """One run in a process of its own."""
    command = [sys.executable, "-m", "infra.local.bench", "--one", *what]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(what)} failed\n{done.stdout}{done.stderr}")
    record: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return record


def median(records: list[dict[str, Any]]) -> dict[str, Any]:
    ordered = sorted(records, key=lambda record: float(record["seconds"]))
    return ordered[len(ordered) // 2]


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
