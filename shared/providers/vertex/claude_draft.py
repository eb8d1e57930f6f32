"""A Claude request in the making, which the parameters of a line fill in one after the other."""

from typing import Any, Final

from shared.providers.vertex.importer import Shape

__all__ = ["ANSWER", "ClaudeDraft"]

ANSWER: Final = "offpeak_json_answer"  # the tool whose arguments are the answer, where the answer has a schema


class ClaudeDraft:
    """What is known of a request so far. Lists are lists in all rows: one path of a file has one type."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.system: list[dict[str, Any]] = []
        self.request: dict[str, Any] = {}
        self.calls: set[str] = set()  # ids of the assistant's calls so far
        self.shape = Shape()
        self.hints: dict[str, Any] = {}

    def turn(self, role: str, blocks: list[dict[str, Any]]) -> None:
        """Add a turn; consecutive ones of one role are one."""
        if self.messages and self.messages[-1]["role"] == role:
            self.messages[-1]["content"] += blocks
        else:
            self.messages.append({"role": role, "content": list(blocks)})
