"""Metadata that are nested without end are refused before anything reads them."""

import pytest

from tests.functions.conftest import Api


@pytest.mark.parametrize("route", ["/key/generate", "/team/new", "/user/new"])
@pytest.mark.parametrize(
    ("levels", "status"), [(60, 200), (63, 200), (64, 400), (500, 400), *((n, 400) for n in range(960, 976))]
)
def test_there_is_a_depth_that_all_have(api: Api, route: str, levels: int, status: int) -> None:
    body = '{"metadata": {"a": ' + "[" * levels + "]" * levels + "}}"

    answer = api.post(route, data=body, headers={"content-type": "application/json"})

    assert answer.status_code == status, answer.text
