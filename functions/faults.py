"""What may be said of an exception nobody expected: its type and where it was, never its text."""

import traceback

__all__ = ["stack"]


def stack(error: BaseException) -> dict[str, str]:
    """Fields for a log fact. An exception's own words may hold a key, a prompt or a signed URL; its frames do not."""
    kinds: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(kinds) < 5:
        kinds.append(type(cause).__qualname__)
        cause = cause.__cause__ or cause.__context__
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "error": " < ".join(kinds),
        "stack": "\n".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames),
    }
