"""How long files live that keys of a team make: what the team says takes the place of what the caller asks for."""

import json
from typing import Any

import pytest

from shared.domain.clock import DAY, MINUTE
from shared.domain.keys import Team, team_account
from tests.functions.conftest import Api
from tests.functions.office import as_key, key_of, ok, told

FILE, OUTPUT = "enforced_file_expires_after", "enforced_batch_output_expires_after"
NAMES = (FILE, OUTPUT)
LEAST, MOST = 3_600, 2_592_000
RIGHT = (
    'expected {"anchor": "created_at", "seconds": N} with N from 3600, an hour, to 2592000, thirty days, or null '
    "to enforce nothing."
)


def after(seconds: Any) -> dict[str, Any]:
    return {"anchor": "created_at", "seconds": seconds}


def of_team(api: Api, **body: Any) -> dict[str, str]:
    """The headers of a key of a new team."""
    ok(api.post("/team/new", json={"team_id": "t", **body}))
    return as_key(key_of(api, team_id="t")["key"])


def life(file: Any) -> int | None:
    return None if file["expires_at"] is None else file["expires_at"] - file["created_at"]


def uploaded(api: Api, headers: dict[str, str], seconds: int | None = None, purpose: str = "batch") -> Any:
    """A file that came in one piece."""
    api.headers = headers
    asked = (
        () if seconds is None else tuple((f"expires_after[{name}]", str(each)) for name, each in after(seconds).items())
    )
    return ok(api.form("/v1/files", ("purpose", purpose), *asked, ("file", b"{}\n", "in.jsonl")))


def in_parts(api: Api, headers: dict[str, str], seconds: int | None = None, purpose: str = "batch") -> Any:
    """A file that came in parts, slowly."""
    api.headers = headers
    body: dict[str, Any] = {"purpose": purpose, "filename": "in.jsonl", "bytes": 3, "mime_type": "text/jsonl"}
    upload = ok(api.post("/v1/uploads", json=body | ({} if seconds is None else {"expires_after": after(seconds)})))
    part = ok(api.form(f"/v1/uploads/{upload['id']}/parts", ("data", b"{}\n", "part")))
    api.clock.pass_by(MINUTE)
    return ok(api.post(f"/v1/uploads/{upload['id']}/complete", json={"part_ids": [part["id"]]}))["file"]


def created(api: Api, headers: dict[str, str], file: str, **body: Any) -> Any:
    asked = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h", **body}
    return ok(api.post("/v1/batches", json=asked, headers=headers))


def held(api: Api) -> list[Any]:
    """What the team says, as it is read."""
    row = ok(api.get("/team/info?team_id=t"))["team_info"]
    return [row[name] and row[name]["seconds"] for name in NAMES]


@pytest.mark.parametrize("made", [uploaded, in_parts])
@pytest.mark.parametrize("purpose", ["batch", "user_data"])
@pytest.mark.parametrize("asked", [None, LEAST, MOST])
def test_a_file_lives_as_long_as_its_team_says(api: Api, made: Any, purpose: str, asked: int | None) -> None:
    headers = of_team(api, **{FILE: after(86_400)})
    assert life(made(api, headers, asked, purpose)) == 86_400


@pytest.mark.parametrize("asked", [{}, {"output_expires_after": after(LEAST)}, {"output_expires_after": after(MOST)}])
def test_so_does_what_a_batch_writes(api: Api, asked: dict[str, Any]) -> None:
    headers = of_team(api, **{OUTPUT: after(86_400)})
    file = uploaded(api, headers)

    assert life(file) == 30 * DAY // 1000
    batch = created(api, headers, file["id"], **asked)
    assert batch["output_expires_after"] == after(86_400)
    assert ok(api.get(f"/v1/batches/{batch['id']}"))["output_expires_after"] == after(86_400)


def test_each_of_the_two_says_nothing_of_the_other(api: Api) -> None:
    headers = of_team(api, **{FILE: after(LEAST)})
    file = uploaded(api, headers)
    assert created(api, headers, file["id"], output_expires_after=after(7_200))["output_expires_after"] == after(7_200)


def test_what_a_caller_asks_for_is_judged_all_the_same(api: Api) -> None:
    api.headers = of_team(api, **{FILE: after(LEAST), OUTPUT: after(LEAST)})
    body = {"input_file_id": "file-a", "endpoint": "/v1/embeddings", "completion_window": "24h"}
    wrong = told(api.post("/v1/batches", json={**body, "output_expires_after": after(1)}))
    assert wrong[:2] == (400, "output_expires_after.seconds")


def test_no_other_key_is_bound_by_it(api: Api) -> None:
    master = dict(api.headers)
    of_team(api, **{FILE: after(LEAST), OUTPUT: after(LEAST)})
    ok(api.post("/team/new", json={"team_id": "other"}))

    for headers in (master, as_key(key_of(api, team_id="other")["key"]), as_key(key_of(api)["key"])):
        file = uploaded(api, headers, 7_200)
        assert life(file) == 7_200
        assert created(api, headers, file["id"])["output_expires_after"] is None
        api.headers = master


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seconds", [LEAST, MOST, "86400"])
def test_a_field_and_its_namesake_in_metadata_are_one(api: Api, name: str, seconds: Any) -> None:
    """As at LiteLLM, where the field is written into the team's metadata."""
    for number, body in enumerate(({name: after(seconds)}, {"metadata": {name: after(seconds), "x": 1}})):
        made = ok(api.post("/team/new", json={"team_id": f"t{number}", **body}))
        assert made[name] == after(int(seconds))
        assert made["metadata"][name] == after(seconds)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", ["/team/new", "/team/update"])
@pytest.mark.parametrize("place", ["{}", "metadata.{}"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"anchor": "created_at"},
        {"seconds": 3600},
        {"anchor": "last_active_at", "seconds": 3600},
        {"anchor": "created_at", "days": 30},
        *map(
            after,
            (
                None,
                0,
                -1,
                3599,
                2_592_001,
                3600.5,
                True,
                "",
                "1e4",
                "an hour",
                "\u0663\u0666\u0660\u0660",
                [3600],
                10**40,
            ),
        ),
    ],
    ids=str,
)
def test_what_could_not_be_held_is_refused_when_it_is_set(
    api: Api, name: str, path: str, place: str, wrong: Any
) -> None:
    of_team(api, **{name: after(LEAST)})
    body: dict[str, Any] = {name: wrong} if place == "{}" else {"metadata": {name: wrong}}

    param = place.format(name)
    team = "t" if path == "/team/update" else "new"
    answer = told(api.post(path, json={"team_id": team, **body}))

    assert answer == (400, param, f"Invalid '{param}': {RIGHT}")
    assert held(api)[NAMES.index(name)] == LEAST
    assert api.get("/team/info?team_id=new").status_code == 404


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wrong", ["", "30d", 3600, [3600]])
def test_what_is_no_object_is_refused(api: Api, name: str, wrong: Any) -> None:
    assert told(api.post("/team/new", json={name: wrong}))[:2] == (400, name)
    assert told(api.post("/team/new", json={"metadata": {name: wrong}}))[:2] == (400, f"metadata.{name}")


@pytest.mark.parametrize("first", [{FILE: after(LEAST)}, {"metadata": {FILE: after(LEAST), "x": 1}}], ids=str)
@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({FILE: after(7_200)}, 7_200),
        ({FILE: None}, None),
        ({FILE: {}}, None),
        ({"metadata": {FILE: after(7_200)}}, 7_200),
        ({"metadata": {FILE: None}}, None),
        ({"metadata": {FILE: {}}}, None),
        ({"metadata": {"y": 1}}, None),
        ({"metadata": None}, None),
        ({"metadata": {FILE: after(7_200)}, FILE: after(MOST)}, MOST),
        ({"metadata": {FILE: after(7_200)}, FILE: None}, 7_200),
        ({"metadata": {"y": 1}, FILE: after(7_200)}, 7_200),
        ({OUTPUT: after(7_200)}, LEAST),
        ({"rpm_limit": 1_000}, LEAST),
        ({"tags": ["a"]}, LEAST),
    ],
    ids=str,
)
def test_who_writes_it_last_has_written_it(api: Api, first: Any, change: dict[str, Any], left: int | None) -> None:
    """Metadata are written as a whole, as at LiteLLM."""
    headers = of_team(api, **first)

    ok(api.post("/team/update", json={"team_id": "t", **change}))

    assert held(api)[0] == left
    assert life(uploaded(api, headers)) == (30 * DAY // 1000 if left is None else left)


def test_all_else_in_metadata_stays(api: Api) -> None:
    of_team(api, metadata={"max_open_batches": 3}, tags=["a"])
    changes: list[dict[str, Any]] = [{FILE: after(LEAST)}, {OUTPUT: after(MOST)}, {FILE: None}]
    row = [ok(api.post("/team/update", json={"team_id": "t", **each}))["data"] for each in changes][-1]
    assert row["metadata"] == {"max_open_batches": 3, "tags": ["a"], OUTPUT: after(MOST)}
    assert (row[FILE], row[OUTPUT]) == (None, after(MOST))


def test_a_team_that_says_nothing_enforces_nothing(api: Api) -> None:
    of_team(api, **{FILE: None, OUTPUT: {}})
    assert held(api) == [None, None]
    team = api.app.documents.get(Team, team_account("t"))
    assert team is not None
    assert (team.file_life, team.output_life) == (None, None)


def test_who_set_it_is_on_record_however_much_else_is_set(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    of_team(api)
    capsys.readouterr()
    noise = {f"a{number}": number for number in range(100)}
    ok(api.post("/team/update", json={"team_id": "t", FILE: after(LEAST), OUTPUT: None, **noise}))
    acts = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"admin_act"' in line]
    assert [(each["act"], set(NAMES) <= set(each["fields"])) for each in acts] == [("team/update", True)]
