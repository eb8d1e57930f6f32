"""What a request costs in a batch: `/spend/calculate`, before it is made or after."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from shared.admin.reports.sums import exact
from shared.app import App
from shared.config import Deployment
from shared.domain.cost import dollars
from shared.domain.usage import TOKEN, Tokens
from shared.pricing.book import Book
from shared.pricing.meter import Meter

__all__ = ["priced", "tokens_of_messages", "tokens_of_usage"]

_PUBLIC: Final = ("openai", "azure")  # in front of names that the book has from there
_OUTPUT: Final = ("completion_tokens", "output_tokens")
_UNKNOWN: Final = "The batch price of this model is not known, so neither is the cost. An unknown cost is not zero."


def priced(app: App, model: str, group: str | None, tokens: Tokens, *, about: bool) -> dict[str, Any]:
    """`{"cost"}` and what is to be said of it. `group`: the caller's own that the model names; None: the book's alone.

    A group with several deployments costs what its dearest does. `about`: the tokens are an estimate.
    """
    costs = [cost for each in _meters(app, model, group) if (cost := _cost(each, tokens, app.today())) is not None]
    found = max(costs, default=None)
    said = {"prompt_tokens": tokens.prompt, "completion_tokens": tokens.output + tokens.thinking, "estimated": about}
    if found is None:
        return {"cost": None, "cost_exact": None, "message": _UNKNOWN, **said}
    return {"cost": dollars(found), "cost_exact": exact(found), **said}


def tokens_of_messages(messages: Any) -> Tokens:
    """About so many are in messages, from their length; what will be answered nobody knows yet."""
    return Tokens(text=-(-len(msgspec.json.encode(messages)) // TOKEN))


def tokens_of_usage(usage: Mapping[str, Any]) -> Tokens | None:
    """What an answer of OpenAI's shape says that it used; None where it does not say, or cannot be right."""
    prompt = _count(usage, "prompt_tokens", "input_tokens")
    said = any(usage.get(name) is not None for name in _OUTPUT)
    output = _count(usage, *_OUTPUT) if said else 0  # OpenAI's usage of embeddings has none
    if prompt is None or output is None:
        return None
    of_prompt = _details(usage, "prompt_tokens_details", "input_tokens_details")
    of_output = _details(usage, "completion_tokens_details", "output_tokens_details")
    cached, audio = _count(of_prompt, "cached_tokens") or 0, _count(of_prompt, "audio_tokens") or 0
    thinking = _count(of_output, "reasoning_tokens") or 0
    if prompt < cached + audio or output < thinking:
        return None
    return Tokens(
        text=prompt - cached - audio, audio=audio, cached_text=cached, output=output - thinking, thinking=thinking
    )


def _meters(app: App, model: str, group: str | None) -> list[Meter]:
    """A stranger's model has the prices that everybody can read; the configuration's own are those of its groups."""
    if group is None:
        return [Meter(Book.load(), name, "global") for name in (model, *(f"{each}/{model}" for each in _PUBLIC))]
    return [_meter(app, each) for each in app.config.deployments_of(group, model=model)]


def _meter(app: App, deployment: Deployment) -> Meter:
    return Meter(app.book, deployment.price_name or deployment.model, deployment.location or "global")


def _cost(meter: Meter, tokens: Tokens, day: str) -> int | None:
    return meter.cost().nano if meter.add(tokens, day) else None


def _count(found: Mapping[str, Any], *names: str) -> int | None:
    value = next((found[name] for name in names if found.get(name) is not None), None)
    if isinstance(value, float) and value.is_integer():  # 5.0 is a whole number of JSON's, too
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def _details(found: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    return next((found[name] for name in names if isinstance(found.get(name), dict)), {})
