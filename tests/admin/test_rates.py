from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from shared.admin import keys, teams, users
from shared.admin.keyring import Found, KeyRing
from shared.admin.rates import Rates
from shared.app import App
from shared.config import Config, Limits
from shared.domain.access import ADMIN
from shared.domain.clock import MINUTE, SECOND
from shared.domain.errors import RateLimited
from tests.admin.conftest import Clock
from tests.functions.office import count_calls


def found(app: App, **asked: Any) -> Found:
    it = KeyRing().find(app, keys.generate(app, ADMIN, asked).secret)
    assert it is not None
    return it


def taken(app: App, rates: Rates, who: Found, most: int = 1_000) -> int:
    """How many requests pass, up to the first that does not."""
    for number in range(most):
        try:
            rates.take(app, who)
        except RateLimited:
            return number
    return most


def test_so_many_and_no_more_pass_in_a_minute(app: App, clock: Clock) -> None:
    who, rates = found(app, rpm_limit=90), Rates()
    assert taken(app, rates, who) == 90
    clock.at += MINUTE
    assert taken(app, rates, who) == 90


def test_the_refusal_says_who_and_when(app: App, clock: Clock) -> None:
    clock.at += 45 * SECOND - clock.at % MINUTE
    who, rates = found(app, rpm_limit=1, key_alias="k"), Rates()
    rates.take(app, who)
    with pytest.raises(RateLimited, match="Key=k may send 1 a minute") as refused:
        rates.take(app, who)
    assert refused.value.retry_after == 15


def test_key_team_and_user_all_hold(app: App) -> None:
    teams.create(app, ADMIN, {"team_id": "t", "rpm_limit": 5})
    users.create(app, ADMIN, {"user_id": "u", "rpm_limit": 3, "auto_create_key": False})
    assert taken(app, Rates(), found(app, team_id="t")) == 5
    assert taken(app, Rates(), found(app, team_id="t")) == 0  # another key of the same team
    assert taken(app, Rates(), found(app, user_id="u", rpm_limit=4)) == 3


def test_processes_share_a_minute(app: App) -> None:
    who = found(app, rpm_limit=120)
    processes = [Rates() for _ in range(3)]
    passed = 0
    for number in range(600):
        with suppress(RateLimited):
            processes[number % 3].take(app, who)
            passed += 1
    assert passed == 120


def test_threads_share_a_minute(app: App) -> None:
    who, rates = found(app, rpm_limit=50), Rates()

    def one(_: int) -> int:
        with suppress(RateLimited):
            rates.take(app, who)
            return 1
        return 0

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(200))) == 50


def test_a_high_limit_writes_about_once_a_second(app: App) -> None:
    who, rates = found(app, rpm_limit=6_000), Rates()
    spy = count_calls(app.documents)
    assert taken(replace(app, documents=spy), rates, who, most=5_000) == 5_000
    assert spy.calls.count("transact") == 50


def test_without_a_limit_nothing_is_read(app: App) -> None:
    who = found(app)
    spy = count_calls(app.documents)
    assert taken(replace(app, documents=spy), Rates(), who) == 1_000
    assert spy.calls == []


def test_the_configurations_limit_is_every_keys(app: App) -> None:
    app = replace(app, config=Config(limits=Limits(requests_per_minute=7)))
    assert taken(app, Rates(), found(app)) == 7
    assert taken(app, Rates(), found(app, rpm_limit=5)) == 5
    assert taken(app, Rates(), found(app, rpm_limit=50)) == 7
