"""Many uploads and creates at once over HTTP: exactly as many pass as a day, an hour or a budget has room for."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from shared.domain.account import Account, Caps
from shared.domain.keys import team_account
from tests.functions.conftest import Answer, Api
from tests.functions.test_limits import BATCH, Desk
from tests.functions.wire import envelope, multipart

LINE = b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"gemini-2.5-flash"}}\n'


@pytest.fixture
def desk(api: Api) -> Desk:
    return Desk(api)


def at_once(count: int, act: Callable[[Api, int], Answer], api: Api) -> list[Answer]:
    """Each thread with a client of its own: one is not for several."""
    application = api.client.application

    def one(number: int) -> Answer:
        return act(replace(api, client=application.test_client()), number)

    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(one, range(count)))


def refused(answers: list[Answer], status: int) -> Counter[str]:
    told = [answer for answer in answers if answer.status_code == status]
    assert all(status != 429 or int(answer.headers["retry-after"]) > 0 for answer in told)
    return Counter(envelope(answer.data)["type"] for answer in told)


def test_files_and_uploads_of_a_team_are_counted_together(api: Api, desk: Desk) -> None:
    """Two keys, one team: files and multi-part uploads share its day, and of what was refused no byte stays."""
    team = desk.team("red", caps=Caps(files_per_day=7))
    keys = [desk.key(name, team_id=team) for name in ("ann", "bob")]

    def upload(client: Api, number: int) -> Answer:
        headers = keys[number % 2]
        if number % 3 == 0:
            new = {"purpose": "batch", "filename": "a.jsonl", "bytes": 5, "mime_type": "application/jsonl"}
            return client.post("/v1/uploads", json=new, headers=headers)
        body, kind = multipart(("purpose", "batch"), ("file", LINE, "a.jsonl"))
        return client.post("/v1/files", data=body, headers={**headers, "content-type": kind})

    answers = at_once(24, upload, api)
    assert Counter(answer.status_code for answer in answers) == {200: 7, 429: 17}
    assert refused(answers, 429) == {"files_per_day": 17}
    assert desk.account(team_account("red")).day.used == 7
    files = sum(answer.json["object"] == "file" for answer in answers if answer.status_code == 200)
    assert len(api.stored()) == files


def test_batches_of_two_keys_share_what_their_team_may_have_open(api: Api, desk: Desk) -> None:
    team = desk.team("red", caps=Caps(open_batches=5))
    keys = [desk.key(name, team_id=team) for name in ("ann", "bob")]
    body, kind = multipart(("purpose", "batch"), ("file", LINE, "a.jsonl"))
    file = api.post("/v1/files", data=body, headers={**keys[0], "content-type": kind}).json["id"]

    def create(client: Api, number: int) -> Answer:
        return client.post("/v1/batches", json={"input_file_id": file, **BATCH}, headers=keys[number % 2])

    answers = at_once(20, create, api)
    assert Counter(answer.status_code for answer in answers) == {200: 5, 429: 15}
    assert refused(answers, 429) == {"open_batches": 15}
    assert desk.account(team_account("red")).open_batches == 5


def test_nobody_creates_on_a_budget_that_is_used_up(api: Api, desk: Desk) -> None:
    ann = desk.key("ann", max_budget=10)
    body, kind = multipart(("purpose", "batch"), ("file", LINE, "a.jsonl"))
    file = api.post("/v1/files", data=body, headers={**ann, "content-type": kind}).json["id"]
    spent = replace(desk.account("key-ann"), spent=10)
    api.app.documents.transact(lambda tx: tx.put(spent))

    def create(client: Api, number: int) -> Answer:
        return client.post("/v1/batches", json={"input_file_id": file, **BATCH}, headers={**ann, "x-n": str(number)})

    answers = at_once(8, create, api)
    assert refused(answers, 422) == {"budget_exceeded": 8}
    assert "Key=ann Current cost: $0.00000001, Max budget: $0.00000001" in answers[0].text
    found: Account = desk.account("key-ann")
    assert (found.open_batches, found.hour.used) == (0, 0)
