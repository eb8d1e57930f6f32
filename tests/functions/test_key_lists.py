from dataclasses import replace
from functools import partial

import pytest

from shared.domain.clock import SECOND
from shared.domain.keys import Key, Team, team_account
from shared.storage.ports import Transaction
from tests.functions.conftest import Api
from tests.functions.office import count_calls, key_of, ok, told


def put_all(records: list[Key], tx: Transaction) -> None:
    for each in records:
        tx.put(each)


def test_a_list_is_paged_filtered_and_sorted(api: Api) -> None:
    ok(api.post("/team/new", json={"team_id": "t"}))
    made = []
    for number in range(7):
        api.clock.pass_by(SECOND)
        body = {"key_alias": f"k{number}", **({"team_id": "t"} if number % 2 else {"user_id": "u"})}
        made.append(key_of(api, **body))

    first = ok(api.get("/key/list?size=3"))
    assert first == {
        "keys": [each["token"] for each in made[:3:-1]],
        "total_count": 7,
        "current_page": 1,
        "total_pages": 3,
    }
    assert ok(api.get("/key/list?size=3&page=3"))["keys"] == [made[0]["token"]]
    assert ok(api.get("/key/list?size=3&page=4"))["keys"] == []
    assert ok(api.get("/key/list?team_id=t"))["total_count"] == 3
    assert ok(api.get("/key/list?user_id=u"))["total_count"] == 4
    assert ok(api.get("/key/list?user_id=u&team_id=t"))["total_count"] == 0
    assert ok(api.get("/key/list?key_alias=k3"))["keys"] == [made[3]["token"]]
    assert ok(api.get("/key/list?key_alias=K&substring_matching=true"))["total_count"] == 7
    assert ok(api.get(f"/key/list?key_hash={made[2]['token']}"))["keys"] == [made[2]["token"]]
    assert ok(api.get("/key/list?search=k5"))["keys"] == [made[5]["token"]]
    up = ok(api.get("/key/list?sort_by=key_alias&sort_order=asc&size=2"))
    assert up["keys"] == [each["token"] for each in made[:2]]
    ok(api.post("/key/block", json={"key": made[6]["token"]}))
    assert ok(api.get("/key/list?status=revoked"))["keys"] == [made[6]["token"]]
    assert ok(api.get("/key/list?status=active"))["total_count"] == 6
    assert ok(api.get("/key/list?status=deleted"))["total_count"] == 0
    full = ok(api.get("/key/list?return_full_object=true&size=1"))["keys"][0]
    assert (full["token"], full["key_alias"], full["spend"]) == (made[6]["token"], "k6", 0)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("page=0", "page"),
        ("page=x", "page"),
        ("size=0", "size"),
        ("size=101", "size"),
        ("size=1e9", "size"),
        ("status=gone", "status"),
        ("expires=never", "expires"),
        ("sort_by=cost", "sort_by"),
        ("sort_by=created_at&sort_order=up", "sort_order"),
        ("sort_order=up", "sort_order"),
        ("return_full_object=perhaps", "return_full_object"),
        ("include_team_keys=perhaps", "include_team_keys"),
    ],
)
def test_a_wrong_parameter_of_a_list_is_named(api: Api, query: str, name: str) -> None:
    assert told(api.get(f"/key/list?{query}"))[:2] == (400, name)


def test_a_team_of_ten_thousand_keys_is_listed_with_bounded_reads(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    team = Team(id=team_account("t"), team_id="t", created_at=1, updated_at=1)
    template = Key(id="", key_id="", key_name="sk-...", team_id="t", created_at=1, created_by="master", updated_at=1)
    api.app.documents.transact(lambda tx: tx.put(team))
    for first in range(0, 10_000, 2_000):
        some = [
            replace(template, id=f"{number:064x}", key_id=f"key-{number}", created_at=number)
            for number in range(first, first + 2_000)
        ]
        api.app.documents.transact(partial(put_all, some))
    ok(api.post("/team/new", json={"team_id": "other"}))
    key_of(api, team_id="other")
    spy = count_calls(api.app.documents)
    seen = replace(api.app, documents=spy)
    monkeypatch.setattr("functions.http.app", lambda: seen)

    page = ok(api.get("/key/list?team_id=t&size=100&page=2&return_full_object=true"))
    assert (page["total_count"], page["total_pages"], len(page["keys"])) == (10_000, 100, 100)
    assert spy.calls.count("query Key") == 11
    assert spy.read == 10_000  # the team's, and nobody else's
    assert spy.calls.count("get Account") == 100

    spy.calls, spy.read = [], 0
    assert len(ok(api.get("/team/info?team_id=t"))["keys"]) == 100
    assert (len(spy.calls), spy.read) == (1 + 1 + 1 + 100, 100)
    spy.calls, spy.read = [], 0
    assert len(ok(api.get("/team/list"))) == 2
    assert spy.read <= 2 + 100 + 1
