"""Routing hints: where lines are to run, as far as a request says so beside them. LiteLLM's clients say it anywhere.

Each place is read on each route that makes or lists something. What exists already is found by its id alone, and hints
about it have no effect. Where several places say something, the first counts:

| hint        | order                                                                                          |
|-------------|------------------------------------------------------------------------------------------------|
| models      | `model` of the body > `?model=` > header `x-litellm-model`                                     |
|             | > `target_model_names` of the body > `?target_model_names=` > the lines' own `model`           |
| provider    | path > `?provider=` > header `custom-llm-provider` > `?custom_llm_provider=` > body            |
| … of a new  | path > `?provider=` > body > header `custom-llm-provider` > `?custom_llm_provider=`            |
|   batch     |                                                                                                |
| native rows | `passthrough` of the body > `?passthrough=`                                                    |

The body is a form or JSON, and says its provider as `custom_llm_provider` or as `provider`. A provider only narrows the
choice of deployments. A wrong hint is refused also where another one goes before it, so that it does not matter how
much of a form has been read. All else that a body may say of a connection (`api_base`, `api_key`, …) is never read.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from functions.body import json_object
from functions.checks import invalid_value, string
from functions.http import Call
from shared.config import PROVIDERS
from shared.domain.batch import Batch
from shared.domain.errors import BadRequest, Forbidden
from shared.domain.files import File
from shared.domain.hints import Hints

__all__ = ["group_of_batch", "group_of_hints", "hints_of", "listed_by", "native_of"]

_MODEL, _TARGETS, _PROVIDER, _SHORT, _NATIVE = (
    "model",
    "target_model_names",
    "custom_llm_provider",
    "provider",
    "passthrough",
)
_HEADERS: Final = {_MODEL: "x-litellm-model", _PROVIDER: "custom-llm-provider"}
_NONE: Final = "litellm_proxy"  # LiteLLM's SDK calls a gateway so: it says nothing of who is behind it
_CALLED: Final = {"vllm": "hosted_vllm"}
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}
_INDEX: Final = re.compile(r"\[\d*\]")  # `name[]` and `name[0]`: how SDKs write lists in forms and queries
_MOST_NAMES: Final = 100
_LONGEST_NAME: Final = 256

Place = Mapping[str, Any]  # a JSON object, or texts by name: what a form, a query or the headers say


def hints_of(call: Call, body: Place, *, body_first: bool = False) -> Hints:
    """All hints of a request; BadRequest where one of them is wrong. `body_first`: whether its provider beats headers.

    `body` is a JSON object, or the fields of a form as far as they have been read.
    """
    query, headers = _query(call), _headers(call)
    near, far = _provider(headers, _PROVIDER), _provider(query, _PROVIDER)
    said = _provider(body, _PROVIDER), _provider(body, _SHORT)
    order = (call.provider, _provider(query, _SHORT), *((*said, near, far) if body_first else (near, far, *said)))
    provider = next(filter(None, order), None)
    models = [_model(call, place, provider) for place in (body, query, headers)]
    targets = [_targets(call, place, provider) for place in (body, query)]
    return Hints(
        models=next(filter(None, [*models, *targets]), ()),
        provider=provider or next(filter(None, (_in_front(call, place) for place in (body, query, headers))), None),
    )


def native_of(call: Call, body: Place) -> bool:
    """Whether the lines are said to be the provider's own rows."""
    said = [_boolean(place) for place in (body, _query(call))]
    return next((each for each in said if each is not None), False)


def listed_by(call: Call) -> frozenset[str] | None:
    """The groups whose records a list is asked for; None for all. A provider may be named, and changes nothing."""
    return frozenset(hints_of(call, json_object(call.request)).models) or None


def group_of_hints(record: File | Batch) -> str | None:
    """The one group that was named for a record's lines; None where it was none, or several."""
    return record.hints.models[0] if len(record.hints.models) == 1 else None


def group_of_batch(call: Call, batch: Batch) -> str | None:
    """The one group that a batch runs in, as far as that is known. Lines may name a hinted group's deployment, too."""
    found, named = None if batch.model is None else call.app.config.group_of(batch.model), batch.hints.models
    return found if found is not None and (not named or found in named) else group_of_hints(batch)


def _query(call: Call) -> Place:
    return call.request.args.to_dict(flat=False)


def _headers(call: Call) -> Place:
    """WSGI joins headers of one name with commas."""
    return {name: call.request.headers.get(header, "").split(",") for name, header in _HEADERS.items()}


def _model(call: Call, place: Place, provider: str | None) -> tuple[str, ...]:
    name = _only(place, _MODEL)
    return () if name is None else (_group(call, name, _MODEL, provider),)


def _in_front(call: Call, place: Place) -> str | None:
    """The provider in front of a model's name that only patterns fit: without it nobody would know which."""
    name = _only(place, _MODEL) or ""
    prefix, slash, _ = name.partition("/")
    by_pattern = call.app.config.group_of(name) not in call.groups()
    return prefix if slash and prefix in PROVIDERS and by_pattern else None


def _targets(call: Call, place: Place, provider: str | None) -> tuple[str, ...]:
    """The groups of one list of names: repeated, indexed, or in one text with commas."""
    listed = (text.split(",") for key in place if _INDEX.sub("", key) == _TARGETS for text in _texts(place, key))
    names = dict.fromkeys(name.strip() for texts in listed for name in texts if name.strip())
    if len(names) > _MOST_NAMES:
        raise BadRequest(f"'{_TARGETS}' may name {_MOST_NAMES} models.", param=_TARGETS)
    return tuple(dict.fromkeys(_group(call, name, _TARGETS, provider) for name in names))


def _group(call: Call, name: str, param: str, provider: str | None) -> str:
    """The group that a name means, perhaps only with its provider in front. One that the key may not use is refused in
    the same words as one that is not there, which as at LiteLLM are others where the key may use all.
    """
    found = call.group(string(name, param, longest=_LONGEST_NAME))
    if found is None and provider is not None:
        found = call.group(f"{provider}/{name}")
    if found is not None:
        return found
    listed = f"Call `/v1/models` to view available models for your key. They are: {', '.join(call.groups()) or 'none'}."
    if call.caller.models is not None:
        raise Forbidden(
            f"The requested model '{name}' is not available for this API key, or the model name is invalid. {listed}",
            param=param,
            code="model_not_found",
            type="key_model_access_denied",
        )
    raise BadRequest(f"Invalid model name passed in model={name}. {listed}", param=param, code="model_not_found")


def _provider(place: Place, name: str) -> str | None:
    said = _only(place, name)
    if said is None or said == _NONE:
        return None
    provider = _CALLED.get(said, said)
    if provider not in PROVIDERS:
        raise invalid_value(said, name, tuple(PROVIDERS))
    return provider


def _boolean(place: Place) -> bool | None:
    given = place.get(_NATIVE)
    if isinstance(given, int):  # of JSON: true, or 1
        given = str(given)
    said = _only({_NATIVE: given}, _NATIVE)
    if said is None:
        return None
    if said.lower() not in _BOOLEANS:
        raise invalid_value(said, _NATIVE, ("true", "false"))
    return _BOOLEANS[said.lower()]


def _only(place: Place, name: str) -> str | None:
    """The one value of a hint in a place; None where it says nothing."""
    texts = dict.fromkeys(text.strip() for text in _texts(place, name) if text.strip())
    if len(texts) > 1:
        raise BadRequest(f"'{name}' has several values that differ. Send one.", param=name)
    return next(iter(texts), None)


def _texts(place: Place, name: str) -> list[str]:
    """All values of a hint in a place. JSON may have one text or several, or null, which says nothing."""
    given = place.get(name)
    listed = given if isinstance(given, list) else [given]
    return [string(each, name, longest=_MOST_NAMES * _LONGEST_NAME) for each in listed if each not in (None, "")]
