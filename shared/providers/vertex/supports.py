"""What Gemini can do, in LiteLLM's words: `supports_…` of `model_info`, for deployments that do not say it themselves.

Of text models alone, whose names are known; those for images, speech and the like can less, and each something else.
"What it can do" means here as well: a tool that Google runs, such as a web search, is refused in lines.
"""

import re
from collections.abc import Mapping
from typing import Final

from shared.config import Deployment
from shared.providers.vertex.abilities import profile_for
from shared.providers.vertex.profile import bare

__all__ = ["supports"]

_TEXT: Final = re.compile(r"gemini-[0-9]+(\.[0-9]+)?-(pro|flash|flash-lite)(-preview(-[0-9-]+)?|-[0-9]{3})?(@[\w.-]+)?")
_ALL: Final = ("supports_vision", "supports_function_calling", "supports_parallel_function_calling")


def supports(deployment: Deployment) -> Mapping[str, bool]:
    """What is known of the deployment's model; what is not named is not known."""
    name = bare(deployment.model).lower()
    if _TEXT.fullmatch(name) is None or name.startswith("gemini-1"):
        return {}
    profile = profile_for(name)
    thinks = profile.budgets is not None or profile.levels is not None
    return {**dict.fromkeys(_ALL, True), "supports_reasoning": thinks}
