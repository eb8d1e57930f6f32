"""What the configuration gives to those who ask for nothing, and the most that any key gets."""

from dataclasses import replace
from typing import Any

import pytest

from shared.admin import keys, teams, users
from shared.admin.keys import account_of
from shared.app import App
from shared.config import Config
from shared.domain.access import ADMIN
from shared.domain.clock import DAY
from shared.domain.cost import nano
from shared.domain.errors import BadRequest
from shared.terms import KeyBounds, KeyDefaults, TeamDefaults, Terms, UserDefaults

UPPER = KeyBounds(max_budget=10, duration="30d", budget_duration="7d", rpm_limit=60, tpm_limit=1_000)


def having(app: App, **terms: Any) -> App:
    return replace(app, config=Config(terms=Terms(**terms)))


@pytest.mark.parametrize(
    "asked",
    [
        {"max_budget": 10.01},
        {"rpm_limit": 61},
        {"tpm_limit": 1_001},
        {"duration": "31d"},
        {"duration": "-1"},
        {"budget_duration": "1mo"},
    ],
    ids=str,
)
def test_too_much_is_refused_of_every_key(app: App, asked: dict[str, Any]) -> None:
    app = having(app, upper=UPPER)
    made = keys.generate(app, ADMIN, {})
    acts: dict[str, Any] = {
        "generate": lambda: keys.generate(app, ADMIN, asked),
        "update": lambda: keys.update(app, ADMIN, made.key, asked),
        "regenerate": lambda: keys.regenerate(app, ADMIN, made.key, asked),
    }
    if "duration" in asked:
        acts["user"] = lambda: users.create(app, ADMIN, asked)
    ((name, value),) = asked.items()
    for act in acts.values():
        with pytest.raises(
            BadRequest, match=rf"{name} is over max limit set in config - user_value={value}"
        ) as refused:
            act()
        assert refused.value.param == name


def test_what_asks_for_nothing_gets_the_most(app: App) -> None:
    app = having(app, upper=UPPER)
    user = users.create(app, ADMIN, {}).made
    assert user is not None
    for made in (keys.generate(app, ADMIN, {"max_budget": None, "duration": ""}), user):
        account = account_of(app, made.key.key_id)
        assert (account.max_budget, account.budget_duration, made.key.rpm_limit) == (nano("10"), "7d", 60)
        assert made.key.expires_at == app.now() + 30 * DAY
        assert '"tpm_limit":1000' in made.key.fields


def test_a_change_lifts_no_bound(app: App) -> None:
    app = having(app, upper=UPPER)
    made = keys.generate(app, ADMIN, {"max_budget": 1, "rpm_limit": 1})
    key, account = keys.update(app, ADMIN, made.key, {"max_budget": None, "models": ["m"]})
    assert (account.max_budget, key.rpm_limit, key.models) == (nano("10"), 1, ("m",))


def test_a_new_key_gets_what_it_does_not_ask_for(app: App) -> None:
    teams.create(app, ADMIN, {"team_id": "t"})
    given = KeyDefaults(max_budget=2, models=["m"], metadata={"a": 1}, team_id="t", user_id="u", budget_duration="1d")
    app = having(app, key=given)
    made = keys.generate(app, ADMIN, {"metadata": {}, "max_budget": None})
    assert (made.key.models, made.key.team_id, made.key.user_id) == (("m",), "t", "u")
    assert (made.account.max_budget, made.account.budget_duration) == (nano("2"), "1d")
    assert '"metadata":{"a":1}' in made.key.fields
    asked = {"max_budget": 3, "models": ["n"], "user_id": None, "budget_duration": None, "metadata": {"b": 2}}
    other = keys.generate(app, ADMIN, asked)
    assert (other.key.models, other.key.user_id) == (("n",), None)
    assert (other.account.max_budget, other.account.budget_duration) == (nano("3"), None)
    assert keys.update(app, ADMIN, other.key, {"max_budget": None})[1].max_budget is None


def test_a_default_over_the_bound_is_refused_as_if_it_were_asked_for(app: App) -> None:
    app = having(app, key=KeyDefaults(max_budget=20), upper=UPPER)
    with pytest.raises(BadRequest, match="max_budget is over max limit"):
        keys.generate(app, ADMIN, {})


def test_a_new_user_gets_what_is_not_asked_for_unless_he_is_an_admin(app: App) -> None:
    teams.create(app, ADMIN, {"team_id": "t"})
    app = having(app, user=UserDefaults(max_budget=2, user_role="internal_user_viewer", models=["m"], teams=["t"]))
    plain = users.create(app, ADMIN, {"user_id": "u", "models": []})
    assert (plain.user.user_role, plain.user.models, plain.user.teams) == ("internal_user_viewer", ("m",), ("t",))
    assert plain.account.max_budget == nano("2")
    assert users.create(app, ADMIN, {"user_id": "v", "max_budget": 5}).account.max_budget == nano("5")
    admin = users.create(app, ADMIN, {"user_id": "w", "user_role": "proxy_admin"})
    assert (admin.account.max_budget, admin.user.teams) == (None, ())


def test_internal_users_have_a_budget(app: App) -> None:
    app = having(app, internal_user=TeamDefaults(max_budget=4, budget_duration="1mo"))
    made = users.create(app, ADMIN, {"user_id": "u", "user_role": "internal_user"})
    assert (made.account.max_budget, made.account.budget_duration) == (nano("4"), "1mo")
    assert users.create(app, ADMIN, {"user_id": "v"}).account.max_budget is None
    assert users.update(app, ADMIN, "v", {"user_role": "internal_user"})[1].max_budget == nano("4")
    assert users.update(app, ADMIN, "v", {"user_role": "internal_user", "max_budget": 9})[1].max_budget == nano("9")


def test_a_new_team_gets_what_it_does_not_ask_for(app: App) -> None:
    app = having(app, team=TeamDefaults(max_budget=3, budget_duration="1mo", rpm_limit=6))
    made = teams.create(app, ADMIN, {"team_id": "t"})
    assert (made.account.max_budget, made.account.budget_duration, made.team.rpm_limit) == (nano("3"), "1mo", 6)
    other = teams.create(app, ADMIN, {"team_id": "s", "max_budget": 1, "budget_duration": None})
    assert (other.account.max_budget, other.account.budget_duration) == (nano("1"), None)
