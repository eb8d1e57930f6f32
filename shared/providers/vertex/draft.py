"""A Gemini request in the making, which the parameters of a line fill in one after the other."""

from typing import Any

from shared.providers.base import Media
from shared.providers.vertex.abilities import Profile
from shared.providers.vertex.importer import Shape

__all__ = ["Draft"]


class Draft:
    """What is known of a request so far. `shape` exists only where a line has free-form parts."""

    joint = False  # some parameter can only be read together with others
    shape: Shape | None = None
    details: set[str] | None = None  # of images
    hints: dict[str, Any] | None = None
    calls: dict[str, str] | None = None  # tool_call_id -> name of the function
    results: list[tuple[dict[str, Any], str]] | None = None  # of tools: a functionResponse to fill in, and its text

    def __init__(self, profile: Profile, media: Media) -> None:
        self.profile = profile
        self.media = media
        self.contents: list[dict[str, Any]] = []
        self.system: list[dict[str, Any]] = []
        self.config: dict[str, Any] = {}  # generationConfig
        self.request: dict[str, Any] = {"contents": self.contents}

    def turn(self, role: str, *parts: dict[str, Any]) -> None:
        """Add a turn; consecutive ones of one role are one."""
        contents = self.contents
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": role, "parts": list(parts)})

    def free(self) -> Shape:
        """The shape, to be filled in: the line has a free-form part."""
        if self.shape is None:
            self.shape = Shape()
        return self.shape

    def hint(self, name: str) -> None:
        self.hints = {**(self.hints or {}), name: True}
