from urllib.parse import quote

import pytest

from tests.functions.conftest import Api
from tests.functions.wire import envelope

FLASH = {
    "id": "gemini-2.5-flash",
    "object": "model",
    "created": 1_677_610_602,
    "owned_by": "google",
    "mode": "batch",
}
SLASHED = {**FLASH, "id": "team/embeddings"}


def test_models_are_the_groups_of_the_configuration(api: Api) -> None:
    assert api.get("/v1/models?return_wildcard_routes=false").json == {"object": "list", "data": [FLASH, SLASHED]}


@pytest.mark.parametrize("times", [0, 1, 2])
@pytest.mark.parametrize("model", [FLASH, SLASHED])
def test_a_model_is_found_however_its_name_is_encoded(api: Api, model: dict[str, str], times: int) -> None:
    name = str(model["id"])
    for _ in range(times):
        name = quote(name, safe="")
    assert api.get(f"/v1/models/{name}").json == model


def test_an_unknown_model_is_a_404(api: Api) -> None:
    for method in ("GET", "DELETE"):
        answer = api.call(method, "/v1/models/gpt-4o")
        assert answer.status_code == 404
        assert envelope(answer.data) == {
            "message": "The model 'gpt-4o' does not exist or you do not have access to it.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }


def test_a_model_of_the_configuration_is_not_deleted(api: Api) -> None:
    answer = api.delete("/v1/models/gemini-2.5-flash")

    assert (answer.status_code, answer.json) == (200, {"id": FLASH["id"], "object": "model", "deleted": False})
    assert api.get("/v1/models/gemini-2.5-flash").status_code == 200
