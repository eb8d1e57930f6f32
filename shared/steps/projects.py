"""Which project a number stands for: the names that Google gives to jobs have numbers, and a configuration has ids.

One small document for each number, written in the transaction in which a job learns its name, so that every process
knows the number as soon as a client can have seen it. What is found is remembered, for a number never changes its
meaning; what is not found is asked for again each time, which is one read, and delays nobody else.
"""

import re
from typing import Final

from shared.app import App
from shared.domain.passthrough import ProjectNumber
from shared.steps.commit import Turn

__all__ = ["project_of", "unheard"]

_NUMBER: Final = re.compile(r"[0-9]{6,20}")


class _Known(dict[str, str]):
    """Projects by their numbers: what this process has found."""


def unheard(turn: Turn, name: str, project: str) -> list[ProjectNumber]:
    """What is still to be put for a job of this name; nothing where the number is known. It reads: call it early."""
    number = name.split("/")[1]
    if number == project or _NUMBER.fullmatch(number) is None or turn.get(ProjectNumber, number) is not None:
        return []
    return [ProjectNumber(id=number, project=project)]


def project_of(app: App, number: str) -> str | None:
    """The project's id; None where this is no number, or no job has told it yet."""
    known = app.remembered(_Known)
    if number not in known and _NUMBER.fullmatch(number):
        found = app.documents.get(ProjectNumber, number)
        if found is not None:
            known[number] = found.project
    return known.get(number)
