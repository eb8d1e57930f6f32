"""How much a model thinks: OpenAI's effort, or Gemini's own thinking configuration."""

from typing import Any, Final

from shared.lines.checks import flag, integer, object_, one_of, only, text, unsupported, wrong_value
from shared.providers.vertex.abilities import EFFORTS
from shared.providers.vertex.draft import Draft

__all__ = ["read_thinking"]

_LEVELS: Final = frozenset({"MINIMAL", "LOW", "MEDIUM", "HIGH"})
_NAMES: Final = {  # both spellings that Google's APIs take
    "include_thoughts": "includeThoughts",
    "includeThoughts": "includeThoughts",
    "thinking_budget": "thinkingBudget",
    "thinkingBudget": "thinkingBudget",
    "thinking_level": "thinkingLevel",
    "thinkingLevel": "thinkingLevel",
}
_BUDGET_MAX: Final = 2**31 - 1


def read_thinking(draft: Draft, effort: Any, config: Any, param: str) -> None:
    """Fill in `thinkingConfig`; `param` is where `config` stood."""
    thinking = {} if config is None else _configured(draft, config, param)
    if effort is not None:
        if "thinkingBudget" in thinking or "thinkingLevel" in thinking:
            raise unsupported("reasoning_effort", "it cannot be combined with a thinking configuration.")
        thinking |= _effort(draft, one_of(effort, "reasoning_effort", frozenset(EFFORTS)))
    if thinking.get("includeThoughts"):
        draft.hint("thoughts")
    if thinking:
        draft.config["thinkingConfig"] = thinking


def _effort(draft: Draft, effort: str) -> dict[str, Any]:
    """A budget or a level, never both: together they are refused."""
    if draft.profile.budgets is not None:
        return {"thinkingBudget": draft.profile.budgets[effort]}
    if draft.profile.levels is not None:
        return {"thinkingLevel": draft.profile.levels[effort]}
    if effort == "none":
        return {}
    raise unsupported("reasoning_effort", "this model does not think.")


def _configured(draft: Draft, config: Any, param: str) -> dict[str, Any]:
    only(object_(config, param), _NAMES.keys(), param)
    thinking: dict[str, Any] = {}
    for name, value in config.items():
        if value is None:
            continue
        if _NAMES[name] in thinking:
            raise wrong_value(f"{param}.{name}", "it is given twice.")
        thinking[_NAMES[name]] = _value(draft, name, value, f"{param}.{name}")
    if "thinkingBudget" in thinking and "thinkingLevel" in thinking:
        raise wrong_value(param, "a budget and a level cannot be combined.")
    return thinking


def _value(draft: Draft, name: str, value: Any, param: str) -> Any:
    match _NAMES[name]:
        case "includeThoughts":
            return flag(value, param)
        case "thinkingBudget":
            return integer(value, param, -1, _BUDGET_MAX)  # -1: the model decides
        case _:
            if draft.profile.levels is None:
                raise unsupported(param, "this model takes a thinking budget only.")
            return one_of(text(value, param).upper(), param, _LEVELS)
