"""Somebody who has spent something: keys with their users and teams, and entries in the ledger."""

from dataclasses import dataclass
from typing import Any

from shared.domain.access import MASTER
from shared.domain.batch import Counts
from shared.domain.clock import DAY, HOUR
from shared.domain.cost import Cost
from shared.domain.keys import Key, Member, Team, User, team_account, user_account
from shared.domain.ledger import LedgerEntry
from shared.domain.secret_key import hashed
from shared.steps.books import Books
from shared.steps.commit import commit
from tests.functions.conftest import Answer, Api

__all__ = [
    "ANN",
    "ANNS",
    "BARE",
    "BOB",
    "LEA",
    "MASTERS",
    "SPAN",
    "TODAY",
    "VIEWER",
    "YESTERDAY",
    "People",
    "charge",
    "spenders",
]

ANN, BOB, LEA, VIEWER, BARE = (f"sk-test-{name}-{name}-key" for name in ("ann", "bob", "lea", "view", "bare"))
ANNS = "key-" + "a" * 24
TODAY, YESTERDAY = "2027-01-15", "2027-01-14"  # of the fixture's clock
SPAN = f"start_date={YESTERDAY}&end_date={TODAY}"
MASTERS = "litellm_proxy_master_key"


@dataclass
class People:
    """Ann and Lea are in blue, which Lea leads; Bob is in red; the bare key has no user. Each has spent something."""

    api: Api
    hashes: dict[str, str]

    def get(self, key: str, path: str, **options: Any) -> Answer:
        return self.api.get(path, headers={"authorization": f"Bearer {key}", **options.pop("headers", {})}, **options)


def charge(api: Api, batch: str, nano: int, *, shard: int = 1, **more: Any) -> LedgerEntry:
    given: dict[str, Any] = {
        "owner": "o",
        "team": None,
        "group": "gemini-2.5-flash",
        "deployment": api.app.config.deployments[0].id,
        "provider": "vertex_ai",
        "model": "gemini-2.5-flash",
        "book": "b",
        "tokens": {"text": 70, "cached_text": 30, "output": 20, "thinking": 5},
        "counts": Counts(completed=2, failed=1),
        "cost": Cost(nano=nano, priced_lines=2),
        "started_at": api.clock() - HOUR,
        **more,
    }
    entry = LedgerEntry(id=f"{batch}-{shard:04d}", batch=batch, created_at=api.clock(), **given)
    commit(api.app, lambda turn: Books(api.app, turn, entry, ()).write(released=0))
    return entry


def spenders(api: Api) -> People:
    """These people, on a server."""
    now, hashes, records = api.clock(), dict[str, str](), list[Any]()
    for name, key, user, team in (
        ("ann", ANN, "ann", "blue"),
        ("lea", LEA, "lea", "blue"),
        ("bob", BOB, "bob", "red"),
        ("bare", BARE, None, None),
        ("view", VIEWER, "view", None),
    ):
        hashes[name] = hashed(api.app.key_pepper, key)
        records.append(
            Key(
                id=hashes[name],
                key_id=f"key-{'n' * 24 if name == 'bare' else name[0] * 24}",
                key_name=f"sk-...{name}",
                key_alias=f"{name}'s",
                user_id=user,
                team_id=team,
                created_at=now,
                created_by="x",
                updated_at=now,
            )
        )
        if user is not None:
            role = "proxy_admin_viewer" if name == "view" else None
            teams = () if team is None else (team,)
            records.append(
                User(id=user_account(user), user_id=user, user_role=role, teams=teams, created_at=now, updated_at=now)
            )
    for team, members in (("blue", (Member(user_id="ann"), Member(user_id="lea", role="admin"))), ("red", ())):
        records.append(
            Team(
                id=team_account(team),
                team_id=team,
                team_alias=f"Team {team}",
                members=members,
                created_at=now,
                updated_at=now,
            )
        )

    def put(tx: Any) -> None:
        for record in records:
            tx.put(record)

    api.app.documents.transact(put)
    api.clock.pass_by(-DAY)
    anns: dict[str, Any] = {
        "key": ANNS,
        "user": "ann",
        "team": "blue",
        "tags": ("night",),
        "started_at": api.clock() - HOUR,
    }
    charge(api, "batch_a", 1_000_000_001, **anns)
    charge(api, "batch_b", 5, key="key-" + "b" * 24, user="bob", team="red", tags=("night", "=red"))
    api.clock.pass_by(DAY)
    charge(api, "batch_a", 2, shard=2, **anns)
    charge(api, "batch_l", 30, key="key-" + "l" * 24, user="lea", team="blue", model="gemini-2.5-pro", group="pro")
    charge(api, "batch_n", 400, key="key-" + "n" * 24)
    charge(api, "batch_m", 6_000, cost=Cost(unpriced_lines=1), key=MASTER)
    return People(api, hashes)
