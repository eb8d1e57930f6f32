"""Proves that a store's money adds up, and brings an older one up to date.

  infra/dev ledger check    [--data DIR | --documents URL]
  infra/dev ledger rebuild  [--data DIR | --documents URL]

check: entries of the ledger, the costs of batches and of passed-through jobs, accounts, what is held back, and the sums
by day and by tag are held against each other; each entry's amount is computed again from its tokens, and with
`--objects` from what the provider wrote. It may be done while a stack runs: a difference is looked at again, until
nothing moved meanwhile, before it is believed. What an account is said to have spent elsewhere, before it came here, is
its opening balance: it uses up the budget, and is no part of what is proved. Where no amount could be
computed again, since all are from before a change of their prices, it says `none` and not `ok`. Ends with 1 where
something differs, with 3 where it could not be told because it never stood still, with 2 where the store cannot be
opened.

rebuild: after an upgrade from a version without sums by day, entries are written again, so that queries find them, and
the sums by day and tag are made anew. Stop the stack first: nothing of the older version may run, and of this one
nothing should collect. It may be stopped and done again at any time. Ends as check does.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final, TextIO

from infra.ledger_look import FACTS, Difference, Look, look
from infra.ledger_price import amounts, predictions
from infra.ledger_rebuild import Moving, rebuild
from infra.local.data import DATA_BUCKET, WORK_BUCKET
from shared.app import App, compose
from shared.domain.errors import ConfigError, Transient
from shared.settings import read_settings

__all__ = ["Report", "check", "main"]

ROOT: Final = Path(__file__).resolve().parent.parent
_LOOKS: Final = 8
_PAUSE: Final = 0.5  # seconds before the second look; a little longer each time
_NAMES: Final = {
    "entries": "entries of the ledger, each of a shard or a job",
    "batches": "batches and jobs: cost, and usage",
    "shards": "shards: one entry for each that was collected",
    "accounts": "accounts: spent",
    "held": "accounts: reserved, enqueued tokens, open batches",
    "days": "sums by day",
    "tags": "sums by day and tag",
}


class Report:
    """What was found: `differences` are certain, `unsettled` never stood still."""

    def __init__(self) -> None:
        self.look = Look()
        self.differences: list[Difference] = []
        self.unsettled: list[Difference] = []
        self.again: dict[str, Counter[str]] = {}  # of entries that were computed again: how many, and why not

    @property
    def code(self) -> int:
        return 1 if self.differences else 3 if self.unsettled else 0

    def print(self, out: TextIO) -> None:
        """One line for each fact, and one for each difference."""
        found = self.look
        for fact in FACTS:
            self._line(out, fact, f"{found.counts[fact]:,} {_NAMES[fact]}")
        total = f"{_usd(found.nano)} in the ledger, {_usd(found.cost)} on batches and jobs"
        print(f"{'ok   ' if found.nano == found.cost else 'WRONG' if self.differences else 'moved'}  {total}", file=out)
        for fact, reasons in self.again.items():
            left = ", ".join(f"{count:,} {why}" for why, count in sorted(reasons.items()) if why)
            source = "their tokens" if fact == "prices" else "the provider's predictions"
            not_told = f"; not recomputable: {left}" if left else ""
            word = "none" if left and not reasons[""] else "ok"
            self._line(out, fact, f"{reasons['']:,} amounts computed again from {source}{not_told}", word)
        for each in self.unsettled:
            print(f"moved  {each}; it changed with every look", file=out)

    def _line(self, out: TextIO, fact: str, text: str, word: str = "ok") -> None:
        wrong = [each for each in self.differences if each.fact == fact]
        print(f"{'WRONG' if wrong else word:5}  {text}", file=out)
        for each in wrong:
            print(f"         {each}", file=out)


def check(app: App, *, objects: bool = False, pause: Callable[[float], object] = time.sleep) -> Report:
    """Look at the store, and again at whatever differs."""
    report = Report()
    report.look = look(app)
    suspects = {each.place: each for each in report.look.differences}
    for number in range(1, _LOOKS):
        if not suspects:
            break
        pause(_PAUSE * number if number > 1 else 0)
        before = _marks(app, suspects.values())
        report.look = look(app)
        after, now = _marks(app, suspects.values()), {each.place: each for each in report.look.differences}
        still: dict[tuple[str, str, str], Difference] = {}
        for place, suspect in suspects.items():
            if any(before[mark] != after[mark] for mark in suspect.marks):
                still[place] = now.get(place, suspect)
            elif place in now:
                report.differences.append(now[place])
        suspects = still
    report.unsettled = list(suspects.values())
    for fact, compute in (("prices", amounts), *((("predictions", predictions),) if objects else ())):
        report.again[fact] = Counter({"": 0})
        report.differences += compute(app, report.again[fact])
    return report


def _marks(app: App, suspects: Any) -> dict[Any, Any]:
    return {mark: app.documents.get(*mark) for mark in {mark for each in suspects for mark in each.marks}}


def _usd(nano: int) -> str:
    return f"${nano // 10**9:,}.{nano % 10**9:09d}" if nano >= 0 else f"{nano:,} nano-dollars"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    out = sys.stdout
    try:
        with redirect_stdout(sys.stderr):  # where the steps' own log belongs
            app = compose(read_settings(_environment(options), clients=False), keys=False)
            done = rebuild(app) if options.command == "rebuild" else check(app, objects=options.objects is not None)
    except Moving:
        print("ledger: batches are collected all the time: stop the stack, and do it again", file=sys.stderr)
        return 3
    except (ConfigError, Transient, OSError) as error:
        print(f"ledger: {error}", file=sys.stderr)
        return 2
    done.print(out)
    return done.code


def _environment(options: argparse.Namespace) -> dict[str, str]:
    """The settings of a data folder, or what the environment and the options say."""
    outside = {name: value for name, value in os.environ.items() if value}
    parts = {"OFFPEAK_DATA_BUCKET": DATA_BUCKET, "OFFPEAK_WORK_BUCKET": WORK_BUCKET, "OFFPEAK_BUS": "sqlite://"}
    if options.documents is not None:
        here = {"OFFPEAK_OBJECTS": f"file://{ROOT}/.offpeak/objects", **parts, **outside}
        here["OFFPEAK_DOCUMENTS"] = options.documents
    else:
        folder = options.data.absolute()
        if not (folder / "documents.db").is_file():
            raise ConfigError(f"there is no store in {options.data}: a data folder has a documents.db")
        here = {**outside, **parts, "OFFPEAK_OBJECTS": f"file://{folder}/objects"}
        here["OFFPEAK_DOCUMENTS"] = f"sqlite://{folder}/documents.db"
        if "OFFPEAK_CONFIG" not in outside and (folder / "config.yaml").is_file():
            here["OFFPEAK_CONFIG"] = str(folder / "config.yaml")
    if options.objects:
        here["OFFPEAK_OBJECTS"] = options.objects
    if options.config:
        here["OFFPEAK_CONFIG"] = options.config
    return here


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="infra/dev ledger", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("check", "rebuild"))
    parser.add_argument("--data", type=Path, default=ROOT / ".offpeak", help="folder of a stack on one machine")
    parser.add_argument("--documents", help="instead: sqlite:///PATH or firestore://PROJECT/DATABASE")
    parser.add_argument(
        "--objects",
        nargs="?",
        const="",
        metavar="URL",
        help="check: compute amounts from predictions, too; they are in the data folder, or at gcs or file:///DIR",
    )
    parser.add_argument("--config", help="configuration: deployments and prices; default: as the stack has it")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
