"""Limits in metadata may be strings of digits: Terraform's `metadata` is a map of strings."""

from typing import Any

import pytest

from shared.domain.account import Account, Caps
from shared.domain.keys import team_account, user_account
from tests.functions.conftest import Api
from tests.functions.office import key_of, ok, told

WHOLE = (
    "max_batch_file_records",
    "max_batch_file_uploads_per_day",
    "batch_enqueued_token_limit",
    "max_open_batches",
    "max_batches_per_hour",
)
LIMITS = {name: str(number) for number, name in enumerate((*WHOLE, "max_batch_file_size_mb"))}
HELD = Caps(
    lines_per_batch=0, files_per_day=1, enqueued_tokens=2, open_batches=3, batches_per_hour=4, file_bytes=5 * 2**20
)


def caps(api: Api, id: str) -> Caps:
    account = api.app.documents.get(Account, id)
    assert account is not None
    return account.caps


def test_whole_numbers_in_digits_are_held_and_given_back_as_they_came(api: Api) -> None:
    made = key_of(api, metadata=LIMITS)
    ok(api.post("/user/new", json={"user_id": "u", "metadata": LIMITS}))
    ok(api.post("/team/new", json={"team_id": "t", "metadata": LIMITS}))

    assert [caps(api, id) for id in (made["key_id"], user_account("u"), team_account("t"))] == [HELD] * 3
    assert made["metadata"] == LIMITS


def test_of_a_field_and_its_namesake_the_smaller_one_holds(api: Api) -> None:
    made = key_of(api, metadata={"max_open_batches": "5"}, max_open_batches="10")
    assert caps(api, made["key_id"]).open_batches == 5


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize(
    "wrong", ["", " ", "many", "-1", "+1", "1.5", "1e3", "1_000", " 5", "5\n", "\u0665", "0x5", "9" * 20, True, [5], {}]
)
def test_all_else_is_refused_as_before(api: Api, name: str, wrong: Any) -> None:
    kind = "a whole number" if name in WHOLE else "a number"
    message = f"Invalid 'metadata.{name}': expected {kind} of 0 or more, or null."
    assert told(api.post("/key/generate", json={"metadata": {name: wrong}})) == (400, f"metadata.{name}", message)
