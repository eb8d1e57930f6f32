"""Models, health, and the document itself."""

from typing import Final

from functions.openapi.words import TEXT, Operation, Table, json_body, query, record, ref

__all__ = ["HEALTH", "MODELS"]

_OF_TEAM: Final = "Those that this team may use, too: for admins, and for who is in it."

MODELS: Final[Table] = {
    ("GET", "/models"): Operation(
        id="listModels",
        tag="Models",
        says="The models that this key may use.",
        asks=(
            query("team_id", TEXT, _OF_TEAM),
            query("only_model_access_groups", TEXT, "Taken; has no effect here: models are listed, and no groups."),
        ),
        gives=json_body(ref("ModelList")),
        errors=(404,),
    ),
    ("GET", "/models/{model}"): Operation(
        id="retrieveModel", tag="Models", says="One of them.", gives=json_body(ref("Model")), errors=(404,)
    ),
    ("DELETE", "/models/{model}"): Operation(
        id="deleteModel",
        tag="Models",
        says="Deletes nothing: models come from the configuration.",
        gives=json_body(ref("ModelDeleted")),
        errors=(404,),
    ),
    ("GET", "/model_group/info"): Operation(
        id="listModelGroups",
        tag="Models",
        says="What the models that this key may use can do, and what they cost.",
        asks=(query("model_group", TEXT, "This one alone."),),
        gives=json_body(ref("ModelGroups")),
        errors=(404,),
    ),
    ("GET", "/model/info"): Operation(
        id="listDeployments",
        tag="Models",
        says="The deployments of those models.",
        asks=(
            query("litellm_model_id", TEXT, "This one alone, by the `id` of its `model_info`."),
            query("teamId", TEXT, _OF_TEAM),
            query("team_id", TEXT, "The same; `teamId` goes before it."),
        ),
        gives=json_body(ref("Deployments")),
        errors=(400, 404),
    ),
}
HEALTH: Final[Table] = {
    **{
        ("GET", f"/health/{name}"): Operation(
            id=f"health{name.capitalize()}",
            tag="Health",
            says="Whether the server lives.",
            gives=json_body(ref("Alive")),
            open=True,
        )
        for name in ("liveliness", "liveness", "readiness")
    },
    ("GET", "/openapi.json"): Operation(
        id="describe",
        tag="Health",
        says="This document.",
        gives=json_body(
            record(
                {"openapi": TEXT, "info": {"type": "object"}, "paths": {"type": "object"}}, additionalProperties=True
            )
        ),
        open=True,
    ),
}
