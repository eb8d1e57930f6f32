"""What each Gemini model can do. Facts only; the first pattern that fits a model's name holds for it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from shared.providers.vertex.profile import bare

__all__ = ["EFFORTS", "Profile", "profile_for"]

EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")  # OpenAI's reasoning_effort


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The abilities of a family of models, as far as a request must know them."""

    budgets: Mapping[str, int] | None = None  # reasoning_effort -> thinkingBudget
    levels: Mapping[str, str] | None = None  # reasoning_effort -> thinkingLevel; never sent together with a budget
    sampling: bool = True  # False: the model takes no notice of temperature and top_p, and its successors refuse them
    penalties: bool = True  # presence and frequency
    candidates: int = 8


def _budgets(none: int, minimal: int) -> dict[str, int]:
    """The values of Google's own OpenAI layer; what goes beyond `high` is `high`."""
    high = 24576
    return dict(zip(EFFORTS, (none, minimal, 1024, 8192, high, high, high), strict=True))


def _levels(*offered: str) -> dict[str, str]:
    """Each effort's own level where the model offers it, else the next one up; `none` is the least there is."""
    order = ("MINIMAL", "LOW", "MEDIUM", "HIGH")
    wanted = ("MINIMAL", "MINIMAL", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH")
    nearest = {level: next(up for up in order[order.index(level) :] if up in offered) for level in order}
    return {effort: nearest[level] for effort, level in zip(EFFORTS, wanted, strict=True)}


_BUDGET: Final = Profile(budgets=_budgets(none=0, minimal=512))
_THREE: Final = Profile(levels=_levels("LOW", "MEDIUM", "HIGH"), penalties=False)
_THREE_SMALL: Final = replace(_THREE, levels=_levels("MINIMAL", "LOW", "MEDIUM", "HIGH"))
_NEWEST: Final = replace(_THREE, sampling=False)

_PROFILES: Final[tuple[tuple[re.Pattern[str], Profile], ...]] = tuple(
    (re.compile(pattern), profile)
    for pattern, profile in (
        (r"gemini-[12]\.0-", Profile()),  # does not think
        (r"gemini-2\.5-pro", replace(_BUDGET, budgets=_budgets(none=128, minimal=128))),  # cannot stop thinking
        (r"gemini-2\.5-", _BUDGET),
        (r"gemini-3(?:\.0)?-pro", replace(_THREE, levels=_levels("LOW", "HIGH"))),
        (r"gemini-3(?:\.[0-4])?-flash", _THREE_SMALL),
        (r"gemini-3(?:\.[0-4])?-", _THREE),
        (r"gemini-3\.5-flash-lite", replace(_THREE_SMALL, sampling=False)),
        (r"gemini-3\.5-", _THREE),
        (r"gemini-", _NEWEST),  # 3.6 and later, 4, and names without a number such as gemini-flash-latest
    )
)
_TUNED: Final = _BUDGET  # a tuned model says nothing of its base; a budget is what all that think understand


def profile_for(model: str) -> Profile:
    name = bare(model).lower()
    return next((profile for pattern, profile in _PROFILES if pattern.match(name)), _TUNED)
