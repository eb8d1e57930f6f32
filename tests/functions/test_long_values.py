"""Values that no record can have, as long as no store would look for them: nothing is found, or they are refused."""

from typing import Any
from urllib.parse import quote

import pytest

from functions.openapi.document import document
from tests.functions.conftest import Api
from tests.functions.office import as_key, key_of, ok
from tests.functions.spending import TODAY, YESTERDAY

READ: dict[str, dict[str, Any]] = {
    path: methods["get"] for path, methods in document()["paths"].items() if "get" in methods
}
PLACES = [
    (path, each["in"], each["name"])
    for path, operation in READ.items()
    for each in operation.get("parameters", [])
    if each["in"] in {"path", "query"}
]
SPAN = {"start_date": YESTERDAY, "end_date": TODAY}
LONG = ("a" * 2_000, "é" * 1_000)  # Firestore and SQLite are asked for no more than 1,499 bytes


def asked(path: str, place: str, name: str, value: str) -> str:
    """The path and query with this value in one place, and what else the route wants."""
    known = {each["name"] for each in READ[path].get("parameters", []) if each["in"] == "query"}
    query = {each: text for each, text in SPAN.items() if each in known}
    for each in READ[path].get("parameters", []):
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", quote(value if (place, name) == ("path", each["name"]) else "x"))
    if place == "query":
        query[name] = value
    return f"{path}?{'&'.join(f'{each}={quote(text)}' for each, text in query.items())}"


@pytest.mark.parametrize(("path", "place", "name"), PLACES, ids=map(" ".join, PLACES))
def test_an_over_long_value_is_no_fault_of_the_server(api: Api, path: str, place: str, name: str) -> None:
    ok(api.post("/team/new", json={"team_id": "t", "members_with_roles": [{"user_id": "u", "role": "admin"}]}))
    keys = [as_key(key_of(api, user_id="u", team_id="t")["key"]), as_key(key_of(api)["key"]), {}]

    for headers in keys:
        for value in LONG:
            answer = api.get(asked(path, place, name, value), headers=headers)
            assert answer.status_code < 500, answer.text
            assert len(answer.data) < 20_000


def test_a_purpose_that_no_file_has_lists_no_files(api: Api) -> None:
    api.upload_file()
    for purpose in ("nothing", *LONG):
        assert ok(api.get(f"/v1/files?purpose={quote(purpose)}"))["data"] == []
