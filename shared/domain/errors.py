"""Every error that Offpeak raises on purpose.

Exception
├── ApiError               the caller is told: one envelope, one status, and a `type` that a case may have of its own
│   ├── BadRequest         400   Unauthenticated  401   Forbidden  403   NotFound  404
│   ├── MethodNotAllowed   405   Conflict         409   Gone       410   TooLarge  413
│   ├── UnsupportedMedia   415   OverBudget       422   RateLimited  429
│   ├── Unavailable        503   worth another try
│   └── StorageFull        507   not worth one until somebody makes room
├── Transient              a step is told: deliver the message again
├── Poison                 a step is told: no delivery will ever help
├── IllegalMove            a bug: a status was about to be left on a road that is not in the table
└── ConfigError            refuse to start
"""

from typing import ClassVar

__all__ = [
    "ApiError",
    "BadRequest",
    "ConfigError",
    "Conflict",
    "Forbidden",
    "Gone",
    "IllegalMove",
    "MethodNotAllowed",
    "NotFound",
    "OverBudget",
    "Poison",
    "RateLimited",
    "StorageFull",
    "TooLarge",
    "Transient",
    "Unauthenticated",
    "Unavailable",
    "UnsupportedMedia",
]


class ConfigError(Exception):
    """A setting or the configuration file is wrong; the message names the place."""


class IllegalMove(Exception):
    """A status was about to be left on a road that the table of moves does not have."""


class Transient(Exception):
    """Worth another delivery: quota, 5xx, contention, a full disk."""


class Poison(Exception):
    """No delivery will ever help: record it and acknowledge."""


class ApiError(Exception):
    """The server had an error while processing your request. Please try again."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    retry: ClassVar[bool] = True

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
        type: str | None = None,
    ) -> None:
        super().__init__(message or self.__doc__)
        self.param, self.code, self.retry_after = param, code, retry_after
        self.kind = type or self.type


class BadRequest(ApiError):
    """The request is not valid."""

    status, type, retry = 400, "invalid_request_error", False


class Unauthenticated(ApiError):
    """You didn't provide an API key. Send it in the Authorization header, as 'Bearer YOUR_KEY'."""

    status, type, retry = 401, "invalid_request_error", False


class Forbidden(ApiError):
    """You are not allowed to do this."""

    status, type, retry = 403, "invalid_request_error", False


class NotFound(ApiError):
    """There is no such object."""

    status, type, retry = 404, "invalid_request_error", False


class MethodNotAllowed(ApiError):
    """This method is not allowed here."""

    status, type, retry = 405, "invalid_request_error", False


class Conflict(ApiError):
    """The object is not in a state that allows this."""

    status, type, retry = 409, "invalid_request_error", False


class Gone(ApiError):
    """The object has expired."""

    status, type, retry = 410, "invalid_request_error", False


class TooLarge(ApiError):
    """The request body is too large."""

    status, type, retry = 413, "invalid_request_error", False


class UnsupportedMedia(ApiError):
    """This encoding of the request body is not supported."""

    status, type, retry = 415, "invalid_request_error", False


class OverBudget(ApiError):
    """The budget has been exceeded."""

    status, type, retry = 422, "budget_exceeded", False  # as at LiteLLM


class RateLimited(ApiError):
    """Too many requests. Slow down and try again."""

    status, type = 429, "rate_limit_exceeded"


class Unavailable(ApiError):
    """The server is busy. Please try again."""

    status = 503


class StorageFull(ApiError, Transient):
    """The server has no room left to store this. Nothing was kept; ask its operator to free space."""

    status, retry = 507, False
