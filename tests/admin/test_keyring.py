from dataclasses import replace
from typing import Any

import pytest

from shared.admin import keys, teams, users
from shared.admin.keyring import KeyRing
from shared.app import App
from shared.config import Config
from shared.domain.access import ADMIN
from shared.domain.clock import SECOND
from shared.domain.errors import Unauthenticated
from shared.domain.keys import Key, Team, User, member_account, team_account, user_account
from shared.domain.secret_key import mint
from tests.admin.conftest import Clock
from tests.functions.office import count_calls


@pytest.fixture
def ring() -> KeyRing:
    return KeyRing()


def made(app: App, **asked: Any) -> keys.Made:
    return keys.generate(app, ADMIN, asked)


def test_what_a_look_up_reads(app: App, ring: KeyRing) -> None:
    """One document for a key alone, one more for its team and its user each; then none for half a minute."""
    teams.create(app, ADMIN, {"team_id": "t"})
    bare, full = made(app).secret, made(app, team_id="t", user_id="u").secret
    spy = count_calls(app.documents)
    seen = replace(app, documents=spy)

    assert ring.find(seen, bare) is not None
    assert spy.calls == ["get Key"]
    assert ring.find(seen, full) is not None
    assert spy.calls == ["get Key", "get Key", "get Team", "get User"]
    ring.find(seen, full)
    assert len(spy.calls) == 4


def test_a_mistyped_key_reads_nothing_and_an_unknown_one_is_not_remembered(app: App, ring: KeyRing) -> None:
    spy = count_calls(app.documents)
    seen = replace(app, documents=spy)
    good = mint()

    assert ring.find(seen, good[:-1] + ("0" if good[-1] != "0" else "1")) is None
    assert spy.calls == []
    assert ring.find(seen, good) is None
    assert keys.generate(app, ADMIN, {"key": good}).secret == good
    assert ring.find(seen, good) is not None


def test_what_was_found_is_believed_for_half_a_minute(app: App, ring: KeyRing, clock: Clock) -> None:
    one = made(app)
    assert ring.find(app, one.secret) is not None
    app.documents.transact(lambda tx: tx.delete(Key, one.key.id))  # elsewhere

    clock.at += 30 * SECOND - 1
    assert ring.find(app, one.secret) is not None
    clock.at += 1
    assert ring.find(app, one.secret) is None


def test_what_was_forgotten_is_read_again(app: App, ring: KeyRing) -> None:
    one = made(app)
    ring.find(app, one.secret)
    app.documents.transact(lambda tx: tx.put(replace(one.key, blocked=True)))
    assert ring.find(app, one.secret) is not None
    ring.forget(Key, one.key.id)
    with pytest.raises(Unauthenticated, match="blocked"):
        ring.find(app, one.secret)


def test_a_clock_that_is_set_back_does_not_prolong_belief(app: App, ring: KeyRing, clock: Clock) -> None:
    one = made(app)
    ring.find(app, one.secret)
    app.documents.transact(lambda tx: tx.delete(Key, one.key.id))
    clock.at -= SECOND
    assert ring.find(app, one.secret) is None


@pytest.mark.parametrize("what", ["expired", "blocked", "team", "user", "no team", "no user"])
def test_a_key_that_may_not_be_used_says_why(app: App, ring: KeyRing, clock: Clock, what: str) -> None:
    teams.create(app, ADMIN, {"team_id": "t"})
    one = made(app, team_id="t", user_id="u", duration="1m")
    team, user = app.documents.get(Team, team_account("t")), app.documents.get(User, user_account("u"))
    assert team is not None
    assert user is not None
    match what:
        case "expired":
            clock.at += 60 * SECOND
        case "blocked":
            app.documents.transact(lambda tx: tx.put(replace(one.key, blocked=True)))
        case "team":
            app.documents.transact(lambda tx: tx.put(replace(team, blocked=True)))
        case "user":
            app.documents.transact(lambda tx: tx.put(replace(user, blocked=True)))
        case "no team":
            app.documents.transact(lambda tx: tx.delete(Team, team.id))
        case _:
            app.documents.transact(lambda tx: tx.delete(User, user.id))

    with pytest.raises(Unauthenticated) as refused:
        ring.find(app, one.secret)
    assert refused.value.kind == ("expired_key" if what == "expired" else "auth_error")


def test_who_a_key_is(app: App, ring: KeyRing) -> None:
    teams.create(app, ADMIN, {"team_id": "t", "models": ["a*"], "team_member_budget": 1, "tags": ["y", "x"]})
    users.create(app, ADMIN, {"user_id": "u", "models": ["b"], "auto_create_key": False})
    one = made(app, team_id="t", user_id="u", models=["all-team-models"], tags=["x"], key_alias="k", rpm_limit=5)
    found = ring.find(app, one.secret)

    assert found is not None
    caller = found.caller
    assert (caller.owner, caller.team, caller.user, caller.name) == ("user:u", "t", "u", "k")
    assert caller.models == (("a*",), ("b",))
    assert caller.payers == (one.key.key_id, user_account("u"), team_account("t"), member_account("t", "u"))
    assert caller.tags == ("x", "y")
    assert (caller.admin, caller.viewer, caller.shares) == (False, False, True)


def test_a_namesakes_key_is_his_own_wherever_the_other_one_is_still_remembered(app: App, clock: Clock) -> None:
    """Processes remember users and teams for half a minute."""
    users.create(app, ADMIN, {"user_id": "u", "auto_create_key": False})
    teams.create(app, ADMIN, {"team_id": "t"})
    elsewhere = KeyRing()
    assert elsewhere.find(app, made(app, team_id="t", user_id="u").secret) is not None
    clock.at += 5_000
    users.delete(app, ADMIN, ["u"])
    teams.delete(app, ADMIN, ["t"])
    clock.at += 1_000
    users.create(app, ADMIN, {"user_id": "u", "auto_create_key": False})
    teams.create(app, ADMIN, {"team_id": "t"})

    found = elsewhere.find(app, made(app, team_id="t", user_id="u").secret)

    assert found is not None
    assert (found.caller.since, found.caller.team_since) == (clock.at, clock.at)
    assert user_account("u") not in found.caller.payers


def test_a_key_without_a_user_owns_as_itself_also_when_it_is_made_anew(app: App, ring: KeyRing) -> None:
    one = made(app)
    again = keys.regenerate(app, ADMIN, one.key, {})
    found = ring.find(app, again.secret)
    assert found is not None
    assert found.caller.owner == f"key:{one.key.key_id}"
    assert ring.find(app, one.secret) is None


@pytest.mark.parametrize(("key", "everybody"), [("own", "team"), (None, "own"), ("own", "own")])
def test_a_key_may_be_kept_to_its_own(app: App, ring: KeyRing, key: str | None, everybody: Any) -> None:
    app = replace(app, config=Config(visibility=everybody))
    one = made(app, metadata={"visibility": key} if key else {})
    found = ring.find(app, one.secret)
    assert found is not None
    assert not found.caller.shares


@pytest.mark.parametrize(("role", "may"), [("proxy_admin", (True, False)), ("proxy_admin_viewer", (False, True))])
def test_roles_of_users(app: App, ring: KeyRing, role: str, may: tuple[bool, bool]) -> None:
    welcome = users.create(app, ADMIN, {"user_id": "u", "user_role": role})
    assert welcome.made is not None
    found = ring.find(app, welcome.made.secret)
    assert found is not None
    assert (found.caller.admin, found.caller.viewer) == may


@pytest.mark.parametrize("role", [None, "internal_user", "internal_user_viewer", "proxy_admin"])
def test_a_user_who_may_only_look_has_keys_that_may_only_read(app: App, ring: KeyRing, role: str | None) -> None:
    users.create(app, ADMIN, {"user_id": "u", "user_role": role, "auto_create_key": False})
    found = ring.find(app, made(app, user_id="u").secret)
    assert found is not None
    assert found.caller.reads_only == (role == "internal_user_viewer")


def test_without_a_pepper_no_key_is_known(app: App, ring: KeyRing) -> None:
    one = made(app)
    assert ring.find(replace(app, key_pepper=""), one.secret) is None
    assert ring.find(replace(app, key_pepper="another"), one.secret) is None
