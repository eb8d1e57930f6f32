"""How long files live that keys of a team make: what the team says takes the place of what callers ask for.

At LiteLLM (1.106.2, files_endpoints.py and batches_endpoints/endpoints.py) it stands in the team's metadata, and the
fields of the same names are written into them. So it is here: who writes either last has written both.
"""

from typing import Any, Final

import msgspec

from shared.admin.asked import Asked, whole
from shared.domain.clock import SECOND
from shared.domain.errors import BadRequest
from shared.domain.files import LIVES

__all__ = ["lives", "placed"]

_FILE: Final = "enforced_file_expires_after"
_OUTPUT: Final = "enforced_batch_output_expires_after"
_ANCHOR: Final = "created_at"
_LEAST, _MOST = (each // SECOND for each in LIVES)
_RIGHT: Final = (
    f'expected {{"anchor": "{_ANCHOR}", "seconds": N}} with N from {_LEAST}, an hour, to {_MOST}, thirty days, or null '
    "to enforce nothing"
)


def placed(before: str, asked: Asked) -> Asked:
    """What is asked for, with these fields in its metadata; BadRequest where they could not be held.

    `before`: what the team has kept. Null and `{}` take away what stood there, and nothing that metadata of the same
    request say.
    """
    said = {name: asked[name] for name in (_FILE, _OUTPUT) if name in asked}
    if not said:
        return asked
    anew = "metadata" in asked
    metadata = dict((asked if anew else msgspec.json.decode(before)).get("metadata") or {})
    for name, value in said.items():
        if _life(value, name) is not None:
            metadata[name] = value
        elif not anew:
            metadata.pop(name, None)
    return {**{name: value for name, value in asked.items() if name not in said}, "metadata": metadata}


def lives(fields: str) -> tuple[int | None, int | None]:
    """Milliseconds that files, and outputs of batches, live by what is kept; BadRequest where that is not right."""
    metadata = msgspec.json.decode(fields).get("metadata") or {}
    file, output = (_life(metadata.get(name), f"metadata.{name}") for name in (_FILE, _OUTPUT))
    return file, output


def _life(said: Any, name: str) -> int | None:
    if said is None or said == {}:
        return None
    seconds = whole(said.get("seconds")) if isinstance(said, dict) and said.get("anchor") == _ANCHOR else None
    if seconds is None or not _LEAST <= seconds <= _MOST:
        raise BadRequest(f"Invalid '{name}': {_RIGHT}.", param=name, code="invalid_value")
    return seconds * SECOND
