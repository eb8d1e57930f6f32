"""Virtual keys."""

from typing import Final

from functions.openapi.admin import MONEY, ORDER, PAGE, act, sorts
from functions.openapi.words import FLAG, INTEGER, TEXT, Table, enum, integer, link, listed, query, record, ref

__all__ = ["KEYS"]

_KEY_LINKS: Final = {
    "info": {"operationId": "keyInfo", "parameters": {"key": "$response.body#/token"}},
    "regenerate": link("regenerateKeyByPath", key="token"),
}
_NAMED: Final = "The key, its hash, its SHA-256, or its key_id."
KEYS: Final[Table] = dict(
    (
        act("POST /key/generate", "generateKey", "Keys", "A new key.", ref("NewKey"), 404, links=_KEY_LINKS),
        act(
            "POST /key/service-account/generate",
            "generateServiceAccountKey",
            "Keys",
            "A new key of a team, and of no user.",
            ref("NewKey"),
            links=_KEY_LINKS,
        ),
        act(
            "GET /key/info",
            "keyInfo",
            "Keys",
            "What is known of a key; of the one that asks if none is named.",
            ref("KeyInfo"),
            404,
            asks=(query("key", TEXT, _NAMED),),
        ),
        act(
            "GET /key/list",
            "listKeys",
            "Keys",
            "One page of keys: their hashes, or all that is known of them.",
            record(
                {
                    "keys": listed({"anyOf": [TEXT, ref("Key")]}),
                    "total_count": INTEGER,
                    "current_page": INTEGER,
                    "total_pages": INTEGER,
                },
                additionalProperties=True,
            ),
            asks=(
                PAGE,
                query("size", integer(1, 100), "As many on it at most."),
                query("user_id", TEXT, "Of this user."),
                query("team_id", TEXT, "Of this team."),
                query("key_alias", TEXT, "Of this name."),
                query("key_hash", TEXT, _NAMED),
                query("return_full_object", FLAG, "Whether all that is known."),
                query("status", enum(["active", "expired", "revoked", "deleted"]), "In this state."),
                query("include_team_keys", FLAG, "Beside the user's own, those of teams that the user leads."),
                query("include_created_by_keys", TEXT, "Taken; has no effect here. `created_by` says who made a key."),
                query("organization_id", TEXT, "That were made with this one."),
                query("project_id", TEXT, "That were made with this one."),
                query("access_group_id", TEXT, "That were made with this one."),
                query("agent_id", TEXT, "That were made with this one."),
                sorts("created_at", "updated_at", "key_alias", "user_id", "team_id", "expires", *MONEY),
                ORDER,
            ),
        ),
        act("POST /key/update", "updateKey", "Keys", "Change a key.", {"type": "object"}, 404),
        act(
            "POST /key/delete",
            "deleteKeys",
            "Keys",
            "Delete keys: all of them or none.",
            record({"deleted_keys": listed(TEXT)}, additionalProperties=True),
            404,
        ),
        act("POST /key/block", "blockKey", "Keys", "Let a key be used no more.", ref("Key"), 404),
        act("POST /key/unblock", "unblockKey", "Keys", "Let it be used again.", ref("Key"), 404),
        act(
            "POST /key/regenerate",
            "regenerateKey",
            "Keys",
            "A new secret for a key.",
            ref("NewKey"),
            404,
            asks=(query("key", TEXT, f"Unless the body says it: {_NAMED}"),),
        ),
        act("POST /key/{key}/regenerate", "regenerateKeyByPath", "Keys", "The same.", ref("NewKey"), 404),
        act(
            "POST /key/{key}/reset_spend",
            "resetSpend",
            "Keys",
            "Begin the budget of a key anew.",
            {"type": "object"},
            404,
        ),
    )
)
