"""Names with `*` in them."""

__all__ = ["fits"]


def fits(pattern: str, name: str) -> bool:
    """Whether a name is the pattern, any text in the place of each `*`. In one pass: callers make up both."""
    first, *others = pattern.split("*")
    if not others:
        return pattern == name
    *inside, last = others
    at, end = len(first), len(name) - len(last)
    if at > end or not name.startswith(first) or not name.endswith(last):
        return False
    for part in inside:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
