"""How Cloud Storage words what it says: resources of objects, partial ones, and errors."""

import re
from collections.abc import Mapping
from typing import Any, Final

from tests.google.cloud_storage.store import Object

__all__ = ["Refusal", "listed", "partial", "resource"]

_REASONS: Final = {
    304: "notModified",
    400: "invalid",
    403: "forbidden",
    404: "notFound",
    405: "methodNotAllowed",
    411: "uploadContentLengthRequired",
    412: "conditionNotMet",
    416: "requestedRangeNotSatisfiable",
    429: "rateLimitExceeded",
    500: "backendError",
    503: "backendError",
}
_FIELD: Final = re.compile(r"([A-Za-z0-9]+)(?:\(([^()]*)\)|/([A-Za-z0-9]+))?(?:,|$)")


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(
        self, code: int, message: str, reason: str | None = None, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.headers = code, message, headers
        self.reason = reason or _REASONS.get(code, "unknown")

    def body(self) -> dict[str, Any]:
        detail = {"message": self.message, "domain": "global", "reason": self.reason}
        return {"error": {"code": self.code, "message": self.message, "errors": [detail]}}


def resource(root: str, object: Object) -> dict[str, Any]:
    """The object as the JSON API shows it; int64s are strings there. There is no md5Hash: nobody here needs one."""
    path = f"b/{object.bucket}/o/{object.quoted}"
    answer = {
        "kind": "storage#object",
        "id": f"{object.bucket}/{object.name}/{object.generation}",
        "selfLink": f"{root}/storage/v1/{path}",
        "mediaLink": f"{root}/download/storage/v1/{path}?generation={object.generation}&alt=media",
        "name": object.name,
        "bucket": object.bucket,
        "generation": str(object.generation),
        "metageneration": "1",
        "storageClass": "STANDARD",
        "size": str(object.content.size),
        "crc32c": object.content.crc32c,
        "etag": object.etag,
        "timeCreated": object.created,
        "updated": object.created,
        **object.settings,
    }
    if object.components is not None:
        answer["componentCount"] = object.components
    return answer


def listed(found: list[dict[str, Any]], token: str | None) -> dict[str, Any]:
    """A page of a list: `items` only where there are any, as in the real one."""
    answer: dict[str, Any] = {"kind": "storage#objects"}
    if found:
        answer["items"] = found
    if token is not None:
        answer["nextPageToken"] = token
    return answer


def partial(answer: dict[str, Any], mask: str | None) -> dict[str, Any]:
    """What the `fields` of a request leave of an answer, so that whoever forgets a field gets none."""
    if mask is None:
        return answer
    left: dict[str, Any] = {}
    at = 0
    while at < len(mask):
        match = _FIELD.match(mask, at)
        if match is None:
            raise Refusal(400, f"Invalid field selection {mask}", "invalidParameter")
        at = match.end()
        name, inside, below = match.groups()
        if name not in answer:
            continue
        inner = inside or below
        if inner is None:
            left[name] = answer[name]
        else:
            left[name] = [{**partial(item, inner)} for item in answer[name]]
    return left
