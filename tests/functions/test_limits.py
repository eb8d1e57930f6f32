"""What a key, its team and its user may see, use and have open, over HTTP and with real keys."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest

from shared.domain.account import Account, Caps
from shared.domain.batch import Batch
from shared.domain.clock import DAY, HOUR, MINUTE
from shared.domain.keys import Key, Team, User, team_account, user_account
from shared.domain.secret_key import hashed, mint
from shared.steps.cancel import cancel
from shared.storage.ports import Record, Transaction
from tests.functions.conftest import Api
from tests.functions.wire import KEY, WORK, envelope

Facts = Callable[[], list[dict[str, Any]]]
BATCH = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}


def _put(record: Record, tx: Transaction) -> None:
    tx.put(record)


class Desk:
    """Puts keys, teams and users into the documents."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def key(
        self, name: str, *, caps: Caps | None = None, max_budget: int | None = None, **fields: Any
    ) -> dict[str, str]:
        """The headers of a new key."""
        secret = mint()
        app = self.api.app
        key = Key(
            id=hashed(app.key_pepper, secret),
            key_id=f"key-{name}",
            key_name="sk-...",
            key_alias=name,
            created_at=1,
            created_by="master",
            updated_at=1,
            **fields,
        )
        account = Account(id=key.key_id, name=f"Key={name}", caps=caps or Caps(), max_budget=max_budget)
        self.put(key, account)
        return {"authorization": f"Bearer {secret}"}

    def team(self, team_id: str, caps: Caps | None = None, **fields: Any) -> str:
        team = Team(id=team_account(team_id), team_id=team_id, **{"created_at": 1, "updated_at": 1, **fields})
        account = Account(id=team.id, name=f"Team={team_id}", caps=caps or Caps())
        self.put(team, account)
        return team_id

    def user(self, user_id: str, caps: Caps | None = None, **fields: Any) -> str:
        user = User(id=user_account(user_id), user_id=user_id, **{"created_at": 1, "updated_at": 1, **fields})
        account = Account(id=user.id, name=f"User={user_id}", caps=caps or Caps())
        self.put(user, account)
        return user_id

    def put(self, *records: Record) -> None:
        for record in records:
            self.api.app.documents.transact(partial(_put, record))

    def account(self, id: str) -> Account:
        account = self.api.app.documents.get(Account, id)
        assert account is not None
        return account


@pytest.fixture
def desk(api: Api) -> Desk:
    return Desk(api)


def uploaded(api: Api, headers: dict[str, str], content: bytes = b"{}\n") -> str:
    api.headers = headers
    return api.upload_file(content)


def created(api: Api, headers: dict[str, str], file: str, **more: Any) -> Any:
    return api.post(
        "/v1/batches", json={"input_file_id": file, **BATCH, **more.pop("body", {})}, headers=headers, **more
    )


def listed(api: Api, headers: dict[str, str], path: str) -> list[str]:
    answer = api.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json["data"]]


# ---- what is seen


def test_a_key_lists_its_own_and_its_teams_things_each_once_and_newest_first(api: Api, desk: Desk) -> None:
    team = desk.team("one")
    ann, bob, eve = (
        desk.key("ann", team_id=team),
        desk.key("bob", team_id=team),
        desk.key("eve", team_id=desk.team("two")),
    )
    files = []
    for who in (ann, bob, eve, ann, bob):
        api.clock.pass_by(1_000)
        files.append(uploaded(api, who))

    theirs = [files[4], files[3], files[1], files[0]]
    assert listed(api, ann, "/v1/files") == listed(api, bob, "/v1/files") == theirs
    assert listed(api, eve, "/v1/files?purpose=batch") == [files[2]]
    page = api.get("/v1/files?limit=2", headers=ann).json
    assert [each["id"] for each in page["data"]] == theirs[:2]
    assert page["has_more"]
    assert listed(api, ann, f"/v1/files?limit=2&after={theirs[1]}") == theirs[2:]
    assert listed(api, ann, "/v1/files?order=asc") == theirs[::-1]
    batches = [created(api, who, file).json["id"] for who, file in ((ann, files[0]), (bob, files[0]), (eve, files[2]))]
    assert sorted(listed(api, ann, "/v1/batches")) == sorted(batches[:2])
    assert listed(api, eve, "/v1/batches") == batches[2:]
    assert api.get(f"/v1/files?after={files[2]}", headers=ann).status_code == 404


def test_a_key_that_does_not_share_sees_its_own_alone(api: Api, desk: Desk) -> None:
    team = desk.team("one")
    ann, bob = desk.key("ann", team_id=team), desk.key("bob", team_id=team, visibility="own")
    file = uploaded(api, ann)

    assert listed(api, bob, "/v1/files") == []
    assert api.get(f"/v1/files/{file}", headers=bob).status_code == 404
    mine = uploaded(api, bob)
    assert listed(api, ann, "/v1/files") == [mine, file] or listed(api, ann, "/v1/files") == [file, mine]


def test_a_user_sees_what_all_keys_of_the_user_have_made(api: Api, desk: Desk) -> None:
    user = desk.user("ann@example.com")
    one, other = desk.key("one", user_id=user), desk.key("other", user_id=user, team_id=desk.team("t"))
    file = uploaded(api, one)

    assert listed(api, other, "/v1/files") == [file]


def test_a_user_called_like_the_admin_is_nobody_special(api: Api, desk: Desk) -> None:
    file = api.upload_file()
    for name in ("admin", "master", "key:master", "user:admin"):
        key = desk.key(f"of-{name}", user_id=desk.user(name))
        assert api.get(f"/v1/files/{file}", headers=key).status_code == 404
        assert listed(api, key, "/v1/files") == []


def test_a_new_user_or_team_of_an_old_name_inherits_nothing(api: Api, desk: Desk) -> None:
    def people(at: int) -> dict[str, str]:
        user, team = desk.user("alice", since=at), desk.team("t", since=at)
        return desk.key(f"k{at}", user_id=user, team_id=team)

    before = people(api.clock.at)
    file = uploaded(api, before)
    batch = created(api, {**before, "idempotency-key": "once"}, file).json["id"]
    api.clock.pass_by(5 * MINUTE)
    after = people(api.clock.at)
    mine = uploaded(api, after)

    assert listed(api, after, "/v1/files") == [mine]
    assert listed(api, after, "/v1/batches") == []
    assert api.get(f"/v1/files/{file}", headers=after).status_code == 404
    again = created(api, {**after, "idempotency-key": "once"}, mine)
    assert again.status_code == 400 or again.json["id"] != batch
    assert listed(api, {"authorization": f"Bearer {KEY}"}, "/v1/files") == [mine, file]


def test_only_who_has_a_namesake_begins_at_a_moment(api: Api, desk: Desk) -> None:
    """Else a clock that is behind would hide from somebody what is his own."""
    assert api.post("/user/new", json={"user_id": "bea", "auto_create_key": False}).status_code == 200
    assert api.post("/team/new", json={"team_id": "b"}).status_code == 200
    key = desk.key("bea", user_id="bea", team_id="b")
    api.clock.pass_by(-HOUR)
    file = uploaded(api, key)
    assert listed(api, key, "/v1/files") == [file]
    api.clock.pass_by(HOUR)
    admin = {"authorization": f"Bearer {KEY}"}
    assert api.post("/user/delete", json={"user_ids": ["bea"]}, headers=admin).status_code == 200
    assert api.post("/team/delete", json={"team_ids": ["b"]}, headers=admin).status_code == 200
    for path, body in (("/user/new", {"user_id": "bea", "auto_create_key": False}), ("/team/new", {"team_id": "b"})):
        assert api.post(path, json=body, headers=admin).status_code == 200
    assert listed(api, desk.key("new", user_id="bea", team_id="b"), "/v1/files") == []


def test_a_foreign_input_is_put_on_record(api: Api, desk: Desk, facts: Facts) -> None:
    ann, bob = desk.key("ann"), desk.key("bob")
    file = uploaded(api, ann)
    facts()
    assert created(api, bob, file).status_code == 200
    [told] = [fact for fact in facts() if fact.get("audit")]
    assert (told["key_id"], told["not_theirs"]) == ("key-bob", file)


@pytest.mark.parametrize("times", [0, 1, 2, 3])
def test_a_file_may_be_called_by_its_object_and_that_changes_nothing(api: Api, desk: Desk, times: int) -> None:
    ann, bob = desk.key("ann"), desk.key("bob")
    file = uploaded(api, ann, b'{"a": 1}\n')
    name = f"gs://data/files/{file}"
    for _ in range(times):
        name = quote(name, safe="")

    assert api.get(f"/v1/files/{name}", headers=ann).json["id"] == file
    assert api.get(f"/v1/files/{name}/content", headers=ann).data == b'{"a": 1}\n'
    assert api.get(f"/v1/files/{name}", headers=bob).status_code == 404
    assert created(api, ann, name).json["input_file_id"] == file
    foreign = created(api, bob, name).json
    record = api.app.documents.get(Batch, foreign["id"])
    assert record is not None
    assert record.input_object is None
    for other in (
        f"gs://{WORK}/in/x",
        "gs://other/files/x",
        f"gs://data/parts/{file}",
        f"gs://data/files/../files/{file}",
    ):
        assert api.get(f"/v1/files/{other}", headers=ann).status_code == 404


# ---- what is used


def test_a_model_has_to_be_allowed_by_the_key_its_team_and_its_user(api: Api, desk: Desk) -> None:
    def seen(**fields: Any) -> list[str]:
        return listed(api, desk.key(f"k{len(json.dumps(fields))}", **fields), "/v1/models")

    gemini, both = ["gemini-2.5-flash"], ["gemini-2.5-flash", "team/embeddings"]
    narrow = desk.team("narrow", models=("gemini-*",))
    modest = desk.user("modest", models=("team/*",))
    assert seen() == both
    assert seen(models=("gemini*",)) == gemini
    assert seen(models=("vertex_ai/gemini-2.5-flash",)) == gemini
    assert seen(models=("all-proxy-models",)) == both
    assert seen(models=("no-default-models",)) == []
    assert seen(models=(".*",)) == seen(models=("gemini-2.5-flas?",)) == []
    assert seen(team_id=narrow) == seen(team_id=narrow, models=("all-team-models",)) == gemini
    assert seen(team_id=narrow, models=("team/embeddings",)) == seen(team_id=narrow, user_id=modest) == []


# ---- what is counted


def test_requests_of_a_minute_are_counted_for_key_and_team(api: Api, desk: Desk) -> None:
    team = desk.team("t", rpm_limit=5)
    ann, bob = desk.key("ann", team_id=team, rpm_limit=3), desk.key("bob", team_id=team)
    api.clock.at -= api.clock.at % MINUTE

    said = [api.get("/v1/models", headers=ann) for _ in range(4)]
    assert [each.status_code for each in said] == [200, 200, 200, 429]
    assert "Key=ann may send 3 a minute" in envelope(said[-1].data)["message"]
    assert said[-1].headers["retry-after"] == "60"
    assert [api.get("/v1/models", headers=bob).status_code for _ in range(3)] == [200, 200, 429]
    api.clock.pass_by(MINUTE)
    assert api.get("/v1/models", headers=ann).status_code == 200


def test_many_threads_get_exactly_as_many_requests_as_a_minute_has(api: Api, desk: Desk) -> None:
    ann = desk.key("ann", rpm_limit=40)
    with ThreadPoolExecutor(8) as threads:
        said = list(threads.map(lambda _: api.get("/v1/models", headers=ann).status_code, range(80)))
    assert said.count(200) == 40
    assert said.count(429) == 40


def test_open_batches_and_batches_an_hour_are_counted(api: Api, desk: Desk) -> None:
    ann = desk.key("ann", caps=Caps(open_batches=2, batches_per_hour=3))
    file = uploaded(api, ann)
    first, second, third = (created(api, ann, file) for _ in range(3))
    assert (first.status_code, second.status_code, third.status_code) == (200, 200, 429)
    assert "Key=ann may have 2" in envelope(third.data)["message"]
    assert int(third.headers["retry-after"]) > 0

    assert api.post(f"/v1/batches/{first.json['id']}/cancel", headers=ann).status_code == 200
    cancel(api.app, first.json["id"])
    assert desk.account("key-ann").open_batches == 1
    assert created(api, ann, file).status_code == 200
    again = api.post(f"/v1/batches/{second.json['id']}/cancel", headers=ann)
    cancel(api.app, again.json["id"])
    refused = created(api, ann, file)
    assert refused.status_code == 429
    assert "3 an hour" in envelope(refused.data)["message"]
    api.clock.pass_by(HOUR)
    assert created(api, ann, file).status_code == 200


def test_the_same_request_twice_counts_once(api: Api, desk: Desk) -> None:
    ann = desk.key("ann", caps=Caps(open_batches=1))
    file = uploaded(api, ann)
    said = [created(api, {**ann, "idempotency-key": "once"}, file) for _ in range(3)]
    assert len({each.json["id"] for each in said}) == 1
    assert desk.account("key-ann").open_batches == 1


def test_enqueued_tokens_are_counted(api: Api, desk: Desk) -> None:
    ann = desk.key("ann", caps=Caps(enqueued_tokens=1_000))
    file = uploaded(api, ann, b"{}" + b" " * 2_400 + b"\n")
    assert created(api, ann, file).status_code == 200
    refused = created(api, ann, file)
    assert refused.status_code == 429
    assert "Enqueued token limit reached for Key=ann" in envelope(refused.data)["message"]


def test_files_of_a_day_and_their_size_are_limited(api: Api, desk: Desk) -> None:
    ann = desk.key("ann", team_id=desk.team("t", caps=Caps(files_per_day=2, file_bytes=100)))
    uploaded(api, ann)
    begun = api.post(
        "/v1/uploads", json={"filename": "f.jsonl", "purpose": "batch", "bytes": 3, "mime_type": "m"}, headers=ann
    )
    assert begun.status_code == 200
    before = api.stored()
    refused = api.form("/v1/files", ("purpose", "batch"), ("file", b"{}\n", "in.jsonl"))
    assert refused.status_code == 429
    assert "Team=t may upload 2 a day" in envelope(refused.data)["message"]
    assert api.stored() == before
    api.clock.pass_by(DAY)
    large = api.form("/v1/files", ("purpose", "batch"), ("file", b"{}" + b" " * 200, "in.jsonl"))
    assert large.status_code == 413
    assert uploaded(api, ann)


def test_a_budget_that_is_used_up_refuses_new_batches_with_the_numbers(api: Api, desk: Desk) -> None:
    ann = desk.key("ann", max_budget=0)
    refused = created(api, ann, uploaded(api, ann))
    assert refused.status_code == 422
    error = envelope(refused.data)
    assert (error["type"], error["code"]) == ("budget_exceeded", "budget_exceeded")
    assert error["message"] == "Budget has been exceeded! Key=ann Current cost: $0.00, Max budget: $0.00"
    assert refused.headers["x-should-retry"] == "false"


def test_tags_come_from_the_request_its_headers_and_the_key(api: Api, desk: Desk) -> None:
    ann = desk.key("ann", tags=("blue",))
    file = uploaded(api, ann)
    body = {"litellm_metadata": {"tags": ["red", "red"]}}
    made = created(api, {**ann, "x-litellm-tags": "green, red,"}, file, body=body)
    batch = api.app.documents.get(Batch, made.json["id"])
    assert batch is not None
    assert batch.tags == ("red", "green", "blue")
    for wrong in ({"tags": "red"}, {"tags": [1]}, {"tags": ["x" * 129]}, {"tags": [str(n) for n in range(11)]}):
        assert created(api, ann, file, body={"litellm_metadata": wrong}).status_code == 400


def test_refusals_are_put_on_record_without_a_secret(api: Api, desk: Desk, facts: Facts) -> None:
    ann, bob = desk.key("ann"), desk.key("bob", key_type="read_only")
    file = uploaded(api, ann)
    facts()
    assert api.get(f"/v1/files/{file}", headers=bob).status_code == 404
    assert api.delete(f"/v1/files/{file}", headers=bob).status_code == 403
    assert api.get("/v1/files", headers={"authorization": "Bearer sk-wrong-wrong-wrong"}).status_code == 401

    told = [fact for fact in facts() if fact.get("audit")]
    assert [(fact["message"], fact.get("status")) for fact in told] == [
        ("refused", None),
        ("refused", 403),
        ("refused", 401),
    ]
    assert told[0]["not_theirs"] == file
    assert told[0]["key_id"] == told[1]["key_id"] == "key-bob"
    assert "sk-wrong" not in json.dumps(told)


def test_a_team_may_say_that_its_keys_see_their_own_alone(api: Api, desk: Desk) -> None:
    made = api.post("/team/new", json={"team_id": "shy", "metadata": {"visibility": "own"}})
    assert made.status_code == 200, made.text
    ann, bob = desk.key("ann", team_id="shy"), desk.key("bob", team_id="shy")
    uploaded(api, ann)
    assert listed(api, bob, "/v1/files") == []
