"""Who runs models: LiteLLM's prefix, and the folder that it opens.

A folder has in `provider.py` an `open_provider(deployment, media)`, in `profile.py` a `refuse(deployment)` and perhaps
in `supports.py` a `supports(deployment)`. A line here is all that the rest of Offpeak is told of a provider.
"""

from typing import Final

__all__ = ["REGISTRY"]

REGISTRY: Final[dict[str, str]] = {
    "vertex_ai": "shared.providers.vertex",
    "openai": "shared.providers.openai",
    "azure": "shared.providers.azure",
    "hosted_vllm": "shared.providers.vllm",
}
