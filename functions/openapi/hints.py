"""Routing hints, as every route that makes or lists something takes them: see functions/hints.py."""

from typing import Final

from functions.openapi.words import BOOLEAN, TEXT, enum, header, listed, nullable, query, text
from shared.config import PROVIDERS

__all__ = ["AFTER", "IN_BODY", "IN_FORM", "IN_HEADERS", "IN_QUERY", "NATIVE"]

_LONGEST_NAME: Final = 256
_PROVIDERS: Final = (*PROVIDERS, "vllm", "litellm_proxy")
_NAME: Final = text(most=_LONGEST_NAME)
IN_QUERY: Final = (
    query("model", _NAME, "The model group that lines are to run in."),
    query("target_model_names", text(most=1024), "Several such groups, with commas between."),
    query("provider", enum(_PROVIDERS), "Narrows the choice of deployments."),
    query("custom_llm_provider", enum(_PROVIDERS), "The same, as other clients call it."),
)
IN_HEADERS: Final = (
    header("x-litellm-model", _NAME, "The model group that lines are to run in."),
    header("custom-llm-provider", enum(_PROVIDERS), "Narrows the choice of deployments."),
)
NATIVE: Final = query("passthrough", BOOLEAN, "Whether the lines are the provider's own rows.")
IN_BODY: Final = {
    "model": nullable(_NAME),
    "target_model_names": {"anyOf": [text(most=1024), listed(_NAME, maxItems=100), {"type": "null"}]},
    "provider": nullable(enum(_PROVIDERS)),
    "custom_llm_provider": nullable(enum(_PROVIDERS)),
}
IN_FORM: Final = {
    "model": _NAME,
    "target_model_names": text(most=1024),
    "custom_llm_provider": enum(_PROVIDERS),
    "passthrough": enum(["true", "false"]),
}
AFTER: Final = query("after", TEXT, "The id of the last one on the page before.")
