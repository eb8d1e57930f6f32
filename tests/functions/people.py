"""Who asks, with real keys: two teams that have nothing to do with each other, and those who may do everything."""

from dataclasses import dataclass, field
from typing import Any

from shared.admin.keyring import KeyRing
from shared.app import App
from shared.domain.keys import ADMIN_ROLE, Key, Member, Team, User, team_account, user_account
from shared.domain.secret_key import hashed, mint, shown
from shared.storage.ports import Transaction
from tests.functions.conftest import Api

__all__ = ["COLUMNS", "People", "bearer"]

COLUMNS = ("none", "wrong", "expired", "blocked", "stranger", "mate", "owner", "admin")
MODEL = "gemini-2.5-flash"


def bearer(key: str | None) -> dict[str, str]:
    return {} if key is None else {"authorization": f"Bearer {key}"}


@dataclass
class People:
    """`owner` and `mate` are of team one, `stranger` of team two, `other` of team three."""

    api: Api
    keys: dict[str, str | None] = field(default_factory=dict)
    records: dict[str, Key] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)  # of providers, where a test puts them on record

    def __post_init__(self) -> None:
        now = self.api.clock()
        for who, team in {"owner": "one", "mate": "one", "stranger": "two", "other": "three"}.items():
            self.join(who, team, models=(MODEL,))
        self.join("admin", None, role=ADMIN_ROLE)
        self.add_key("expired", user="owner", team="one", expires_at=now - 1)
        self.add_key("blocked", user="owner", team="one", blocked=True)
        self.keys |= {"none": None, "wrong": mint()}

    @property
    def app(self) -> App:
        return self.api.app

    def join(self, who: str, team: str | None, *, role: str | None = None, **key: Any) -> None:
        """A user with a key, and the team, if it is not there."""
        now = self.api.clock()
        teams = () if team is None else (team,)
        self.put(User(id=user_account(who), user_id=who, user_role=role, teams=teams, created_at=now, updated_at=now))
        known = None if team is None else self.app.documents.get(Team, team_account(team))
        if team is not None:
            members = (*(() if known is None else known.members), Member(user_id=who))
            self.put(Team(id=team_account(team), team_id=team, members=members, created_at=now, updated_at=now))
        self.add_key(who, user=who, team=team, **key)

    def add_key(self, who: str, *, user: str | None, team: str | None, **more: Any) -> str:
        """A key, called by the name of whoever has it."""
        key, now = mint(), self.api.clock()
        record = Key(
            id=hashed(self.app.key_pepper, key),
            key_id=f"key-{who.ljust(24, 'x')[:24]}",
            key_name=shown(key),
            user_id=user,
            team_id=team,
            created_at=now,
            created_by="admin",
            updated_at=now,
            **more,
        )
        self.put(record)
        self.keys[who], self.records[who] = key, record
        return key

    def put(self, record: Any) -> None:
        def body(tx: Transaction) -> None:
            tx.put(record)

        self.app.documents.transact(body)

    def change(self, record: Any) -> None:
        """Put a record as it is now, and have it seen at once."""
        self.put(record)
        self.app.remembered(KeyRing).forget(type(record), record.id)

    def as_(self, who: str) -> Api:
        """The api, called with somebody's key."""
        self.api.headers = bearer(self.keys[who])
        return self.api

    def everything(self) -> tuple[list[tuple[str, ...]], list[str], list[str]]:
        """All documents, all objects, and all calls of providers: what a request without effect leaves alone."""
        documents: Any = self.app.documents
        with documents._database.reading() as connection:
            rows = connection.execute("SELECT kind, id, data FROM documents ORDER BY kind, id").fetchall()
        return [tuple(row) for row in rows if row[0] != "Rate"], self.api.stored(), [*self.calls]
