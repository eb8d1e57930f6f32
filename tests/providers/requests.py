"""Jobs to ask a client for, without the step that would ask."""

import io

from shared.providers.base import JobRequest

__all__ = ["Free", "job_request"]


class Free:
    """A hold on nothing; how often it was felt for."""

    def __init__(self) -> None:
        self.beats = 0

    def beat(self, *, at_once: bool = False) -> None:  # noqa: ARG002
        self.beats += 1


def job_request(
    label: str,
    *,
    source: str = "gs://bucket/in/b/0001/e1/lines.jsonl",
    output: str = "gs://bucket/out/b/0001/a1/",
    endpoint: str = "/v1/chat/completions",
    rows: bytes = b"",
    hold: Free | None = None,
) -> JobRequest:
    return JobRequest(
        label=label,
        endpoint=endpoint,
        source=source,
        output=output,
        size=lambda: len(rows),
        open=lambda: io.BytesIO(rows),
        hold=hold or Free(),
    )
