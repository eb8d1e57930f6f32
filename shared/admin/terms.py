"""What the configuration gives to new keys, users and teams that ask for nothing, and the most that a key may ask for.

As at LiteLLM 1.106.2: `_common_key_generation_helper`, `_enforce_upperbound_key_params`,
`_update_internal_new_user_params`, `new_team`. But for one thing: a change that takes a limit away gives the most.
"""

from collections.abc import Mapping
from typing import Any, Final

from shared.admin.asked import Asked
from shared.app import App
from shared.domain.durations import duration
from shared.domain.errors import BadRequest
from shared.domain.keys import ADMIN_ROLE

__all__ = ["bounded", "changed_key", "changed_user", "new_key", "new_team", "new_user"]

_LASTING: Final = frozenset({"duration", "budget_duration"})
_NOBODYS: Final = "user_id"  # null says that a key is nobody's
_INTERNAL: Final = "internal_user"


def new_key(app: App, asked: Asked) -> Asked:
    """What is asked for a new key, with the rest. BadRequest where it is too much."""
    return bounded(app, _filled(asked, app.config.terms.key.said, null=("budget_duration", _NOBODYS)))


def bounded(app: App, asked: Asked) -> Asked:
    """The same, without what keys are given that ask for nothing: of a key that a user comes with."""
    upper = app.config.terms.upper.said
    _refuse_more(asked, upper)
    return _filled(asked, upper)


def changed_key(app: App, asked: Asked) -> Asked:
    """What is asked of a key that there is."""
    upper = app.config.terms.upper.said
    _refuse_more(asked, upper)
    return {**asked, **{name: most for name, most in upper.items() if name in asked and asked[name] is None}}


def new_user(app: App, asked: Asked) -> Asked:
    terms = app.config.terms
    if asked.get("user_role") != ADMIN_ROLE:
        said = terms.user.said
        if "teams" in said:
            said["teams"] = [each if isinstance(each, dict) else {"team_id": each} for each in said["teams"]]
        asked = _filled(asked, said)
    return _filled(asked, terms.internal_user.said) if asked.get("user_role") == _INTERNAL else asked


def changed_user(app: App, asked: Asked) -> Asked:
    """What is asked of a user: who becomes an internal user has that one's limits, unless others are named."""
    said = app.config.terms.internal_user.said if asked.get("user_role") == _INTERNAL else {}
    return {**said, **asked}


def new_team(app: App, asked: Asked) -> Asked:
    return _filled(asked, app.config.terms.team.said, null=("budget_duration",))


def _filled(asked: Asked, said: Mapping[str, Any], null: tuple[str, ...] = ()) -> Asked:
    """What is asked, with what is said of what nothing is asked about; of `null` only absence is nothing."""
    nothing = {name for name in said if asked.get(name) in (None, "", [], {}) and not (name in null and name in asked)}
    return {**asked, **{name: said[name] for name in nothing}}


def _refuse_more(asked: Asked, upper: Mapping[str, Any]) -> None:
    for name, most in upper.items():
        value = asked.get(name)
        if value in (None, ""):
            continue
        if _more(name, value, most):
            message = f"{name} is over max limit set in config - user_value={value}; max_value={most}"
            raise BadRequest(message, param=name, code="invalid_value")


def _more(name: str, value: Any, most: Any) -> bool:
    if name not in _LASTING:
        return isinstance(value, int | float) and value > most
    if value == "-1":
        return True
    length = duration(str(value))
    return length is not None and length > (duration(most) or 0)
