"""Keys, teams and users as LiteLLM's admin scripts read them: every field that they may look for, and no secret."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from shared.domain.account import Account, spend
from shared.domain.clock import seconds
from shared.domain.cost import dollars
from shared.domain.keys import Key, Member, Team, User

__all__ = ["iso", "key_row", "membership_row", "status_of", "team_row", "user_row"]

_COMMON: Final[dict[str, Any]] = {
    "metadata": {},
    "tpm_limit": None,
    "max_parallel_requests": None,
    "soft_budget": None,
    "model_max_budget": {},
    "model_spend": {},
    "object_permission": None,
}
_KEY: Final[dict[str, Any]] = {
    **_COMMON,
    "aliases": {},
    "config": {},
    "permissions": {},
    "tags": None,
    "budget_id": None,
    "litellm_budget_table": None,
    "org_id": None,
}
_BUDGET: Final = ("max_budget", "budget_duration", "budget_reset_at")
_TEAM: Final[dict[str, Any]] = {**_COMMON, "organization_id": None, "litellm_model_table": None}
_USER: Final[dict[str, Any]] = {**_COMMON, "organization_id": None, "sso_user_id": None}


def iso(at: int | None) -> str | None:
    """A moment as LiteLLM writes it: `2026-11-21T09:30:00.250000Z`."""
    if at is None:
        return None
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def status_of(key: Key, now: int) -> str:
    """`active`, `expired` or `revoked`, which is LiteLLM's word for blocked."""
    if key.blocked:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "active"


def key_row(key: Key, account: Account | None = None) -> dict[str, Any]:
    """A key; without an account nothing is said of spend and budget."""
    fields = msgspec.json.decode(key.fields)
    row = {
        **_KEY,
        **fields,
        "token": key.id,
        "key_id": key.key_id,
        "key_name": key.key_name,
        "key_alias": key.key_alias,
        "user_id": key.user_id,
        "team_id": key.team_id,
        "models": list(key.models),
        "rpm_limit": key.rpm_limit,
        "key_type": key.key_type,
        "allowed_routes": list(key.allowed_routes),
        "blocked": key.blocked,
        "expires": iso(key.expires_at),
        "created_at": iso(key.created_at),
        "created_by": key.created_by,
        "updated_at": iso(key.updated_at),
    }
    row["tags"] = list(key.tags) or None
    if key.tags:
        row["metadata"] = {**(row["metadata"] or {}), "tags": list(key.tags)}
    return row | _money(account)


def team_row(
    team: Team, account: Account | None = None, emails: Mapping[str, str | None] | None = None
) -> dict[str, Any]:
    """A team; of `emails` those of its members, by user_id."""
    emails = emails or {}
    row = {
        **_TEAM,
        **msgspec.json.decode(team.fields),
        "team_id": team.team_id,
        "team_alias": team.team_alias,
        "models": list(team.models),
        "rpm_limit": team.rpm_limit,
        "blocked": team.blocked,
        "admins": [each.user_id for each in team.members if each.role == "admin"],
        "members": [each.user_id for each in team.members],
        "members_with_roles": [
            {"user_id": each.user_id, "user_email": emails.get(each.user_id), "role": each.role}
            for each in team.members
        ],
        "team_member_budget": None if team.member_budget is None else dollars(team.member_budget),
        "enforced_file_expires_after": _expiry(team.file_life),
        "enforced_batch_output_expires_after": _expiry(team.output_life),
        "created_at": iso(team.created_at),
        "updated_at": iso(team.updated_at),
    }
    row["tags"] = list(team.tags) or None
    if team.tags:
        row["metadata"] = {**(row["metadata"] or {}), "tags": list(team.tags)}
    return row | _money(account)


def user_row(user: User, account: Account | None = None, teams: Sequence[str] | None = None) -> dict[str, Any]:
    row = {
        **_USER,
        **msgspec.json.decode(user.fields),
        "user_id": user.user_id,
        "user_email": user.user_email,
        "user_alias": user.user_alias,
        "user_role": user.user_role,
        "models": list(user.models),
        "rpm_limit": user.rpm_limit,
        "teams": list(user.teams if teams is None else teams),
        "blocked": user.blocked,
        "created_at": iso(user.created_at),
        "updated_at": iso(user.updated_at),
    }
    return row | _money(account)


def membership_row(team: Team, member: Member, account: Account | None) -> dict[str, Any]:
    """A user in a team, with what was spent there, and what may be, if there is a limit, or a duration for one."""
    money = _money(account or Account(id=""))
    limited = account is not None and (account.max_budget is not None or account.budget_duration is not None)
    budget_id = account.id if account is not None and limited else None
    table = {"budget_id": budget_id, **{name: money[name] for name in _BUDGET}}
    return {
        "user_id": member.user_id,
        "team_id": team.team_id,
        "budget_id": budget_id,
        "budget_source": _source(team, member),
        "spend": money["spend"],
        "total_spend": money["total_spend"],
        "litellm_budget_table": table if limited else None,
    }


def _source(team: Team, member: Member) -> str:
    """Whose a member's budget is, in LiteLLM's words (1.106.2, `TeamMemberBudgetSource`)."""
    if member.max_budget_in_team is not None:
        return "custom"
    return "none" if team.member_budget is None else "team_default"


def _expiry(life: int | None) -> dict[str, Any] | None:
    return None if life is None else {"anchor": "created_at", "seconds": seconds(life)}


def _money(account: Account | None) -> dict[str, Any]:
    if account is None:
        return {}
    return {
        "spend": dollars(spend(account)),
        "total_spend": dollars(account.spent),
        "reserved": dollars(account.reserved),
        "max_budget": None if account.max_budget is None else dollars(account.max_budget),
        "budget_duration": account.budget_duration,
        "budget_reset_at": iso(account.budget_reset_at),
    }
