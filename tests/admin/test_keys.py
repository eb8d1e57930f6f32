"""What a key has become since somebody looked at it."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.admin import keys, teams
from shared.app import App
from shared.domain.access import ADMIN
from shared.domain.errors import Conflict
from shared.domain.keys import Key

ACTS: dict[str, Callable[[App, Key], Any]] = {
    "update": lambda app, key: keys.update(app, ADMIN, key, {"max_budget": 1}),
    "regenerate": lambda app, key: keys.regenerate(app, ADMIN, key, {}),
    "block": lambda app, key: keys.block(app, ADMIN, key, blocked=True),
    "reset_spend": lambda app, key: keys.reset_spend(app, ADMIN, key, 0),
}


@pytest.mark.parametrize("change", [{"user_id": "v"}, {"user_id": None}, {"team_id": "s"}, {"team_id": None}])
@pytest.mark.parametrize("act", ACTS)
def test_who_may_was_judged_of_another_key_if_it_is_somebody_elses_now(app: App, act: str, change: Any) -> None:
    for team in ("t", "s"):
        teams.create(app, ADMIN, {"team_id": team})
    made = keys.generate(app, ADMIN, {"team_id": "t", "user_id": "u"})
    moved, _ = keys.update(app, ADMIN, made.key, change)

    with pytest.raises(Conflict, match="changed"):
        ACTS[act](app, made.key)

    assert app.documents.get(Key, made.key.id) == moved
    ACTS[act](app, moved)


def test_a_key_that_is_somebody_elses_now_is_not_deleted_with_the_others(app: App) -> None:
    one, two = (keys.generate(app, ADMIN, {"user_id": "u"}).key for _ in range(2))
    moved, _ = keys.update(app, ADMIN, one, {"user_id": "v"})

    assert keys.delete(app, ADMIN, [one, two]) == 1

    assert app.documents.get(Key, one.id) == moved
    assert app.documents.get(Key, two.id) is None
