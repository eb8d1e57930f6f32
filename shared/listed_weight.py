"""How much of a group's lines each of its deployments gets, as LiteLLM's users say it."""

from collections.abc import Sequence

from shared.listed_entry import Entry

__all__ = ["weights_of"]


def weights_of(entries: Sequence[Entry]) -> list[float] | None:
    """By what all of a group have; None where they have different things: requests cannot be compared with tokens."""
    members = [entry.litellm_params for entry in entries]
    if any(each.weight is not None for each in members):
        found = [1.0 if each.weight is None else each.weight for each in members]
        return found if any(found) else [1.0] * len(members)  # all of them last is none of them last
    for said in ([each.rpm for each in members], [each.tpm for each in members]):
        limits = [limit for limit in said if limit is not None]
        if len(limits) == len(members):
            return limits
    return None if any(each.rpm or each.tpm for each in members) else [1.0] * len(members)
