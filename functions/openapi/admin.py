"""What keys, teams and users have in common: bodies are described by the models that read them, answers here."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from functions.admin.key_bodies import BODIES as KEY_BODIES
from functions.admin.people_bodies import TEAM_BODIES, USER_BODIES
from functions.openapi.things import EXPIRY
from functions.openapi.words import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    TEXT,
    Operation,
    Schema,
    enum,
    integer,
    json_body,
    listed,
    nullable,
    query,
    record,
    ref,
    text,
)

__all__ = ["MONEY", "ORDER", "PAGE", "UPWARDS", "act", "page", "schemas", "sorts"]

BODIES: Final[Mapping[str, type[BaseModel]]] = {**KEY_BODIES, **TEAM_BODIES, **USER_BODIES}
_NAME: Final = nullable(TEXT)
_USD: Final = nullable(NUMBER)
_MONEY: Final[Mapping[str, Schema]] = {
    "spend": NUMBER,
    "total_spend": NUMBER,
    "reserved": NUMBER,
    "max_budget": _USD,
    "budget_duration": _NAME,
    "budget_reset_at": _NAME,
}
_COMMON: Final[Mapping[str, Schema]] = {
    "models": listed(TEXT),
    "rpm_limit": nullable(INTEGER),
    "blocked": BOOLEAN,
    "created_at": TEXT,
    "updated_at": TEXT,
}
_KEY: Final[Mapping[str, Schema]] = {
    "key_name": TEXT,
    "key_id": TEXT,
    "key_alias": _NAME,
    "user_id": _NAME,
    "team_id": _NAME,
    "key_type": TEXT,
    "allowed_routes": listed(TEXT),
    "expires": _NAME,
    "created_by": TEXT,
    **_COMMON,
}
_SECRET: Final = text(pattern="^sk-", says="The key itself: shown now, and never again.")


def _row(fields: Mapping[str, Schema], says: str, **more: Any) -> Schema:
    return record({**fields, **_MONEY}, optional=_MONEY, additionalProperties=True, description=says, **more)


_ROWS: Final[Mapping[str, Schema]] = {
    "Key": _row({"token": TEXT, **_KEY}, "A virtual key. What was sent and has no meaning here is given back."),
    "NewKey": _row({"key": _SECRET, "token": TEXT, "token_id": TEXT, **_KEY}, "A virtual key, with the key itself."),
    "KeyInfo": record({"key": TEXT, "info": _row({**_KEY, "status": TEXT}, "The key, without its hash.")}),
    "Team": _row(
        {
            "team_id": TEXT,
            "team_alias": _NAME,
            "admins": listed(TEXT),
            "members": listed(TEXT),
            "members_with_roles": listed(record({"user_id": TEXT, "user_email": _NAME, "role": TEXT})),
            "team_member_budget": _USD,
            "enforced_file_expires_after": EXPIRY,
            "enforced_batch_output_expires_after": EXPIRY,
            **_COMMON,
        },
        "A team.",
    ),
    "Membership": record(
        {
            "user_id": TEXT,
            "team_id": TEXT,
            "budget_id": _NAME,
            "budget_source": enum(["team_default", "custom", "none"]),
            "spend": NUMBER,
            "total_spend": NUMBER,
            "litellm_budget_table": nullable(
                record(
                    {"budget_id": TEXT, "max_budget": _USD, "budget_duration": _NAME, "budget_reset_at": _NAME},
                )
            ),
        }
    ),
    "TeamInfo": record(
        {
            "team_id": TEXT,
            "team_info": ref("Team"),
            "keys": listed(ref("Key")),
            "team_memberships": listed(ref("Membership")),
        }
    ),
    "User": _row(
        {
            "user_id": TEXT,
            "user_email": _NAME,
            "user_alias": _NAME,
            "user_role": _NAME,
            "teams": listed(TEXT),
            **_COMMON,
        },
        "A user.",
    ),
    "UserInfo": record(
        {
            "user_id": _NAME,
            "user_info": nullable(ref("User")),
            "keys": listed(ref("Key")),
            "teams": listed(ref("Team")),
        }
    ),
}


@cache
def schemas() -> Mapping[str, Schema]:
    """All schemas that are named here: answers, and the bodies as their models have them."""
    models = list(dict.fromkeys(BODIES.values()))
    _, said = models_json_schema([(each, "validation") for each in models], ref_template="#/components/schemas/{model}")
    return {**said["$defs"], **_ROWS}


def page(name: str, item: Schema, page: str, *more: str) -> Schema:
    return record({name: listed(item), **dict.fromkeys((*more, page), INTEGER)})


def act(
    route: str, id: str, tag: str, says: str, gives: Schema, *errors: int, **more: Any
) -> tuple[tuple[str, str], Operation]:
    method, _, path = route.partition(" ")
    body = BODIES.get(route)
    takes = None if body is None else json_body(ref(body.__name__))
    optional = body is not None and not any(field.is_required() for field in body.model_fields.values())
    return (method, path), Operation(
        id=id,
        tag=tag,
        says=says,
        gives=json_body(gives),
        takes=takes,
        optional=optional,
        errors=(400, *((413,) if body else ()), *errors),
        **more,
    )


PAGE: Final = query("page", integer(1), "Which page, from 1.")
ORDER: Final = query("sort_order", enum(["asc", "desc"]), "desc if nothing is said.")
UPWARDS: Final = query("sort_order", enum(["asc", "desc"]), "asc if nothing is said, and sort_by is.")
MONEY: Final = ("spend", "max_budget")  # by which no more than a thousand are sorted


def sorts(*names: str) -> Schema:
    return query("sort_by", enum(names), "The newest first if nothing is said.")
