import json
import re

import pytest

from shared.log import log
from shared.trace import Trace, current, report_to, tracing

ID, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("headers", "trace"),
    [
        ({"traceparent": f"00-{ID}-{SPAN}-01"}, Trace(id=ID, span=SPAN, sampled=True)),
        ({"traceparent": f"00-{ID}-{SPAN}-00"}, Trace(id=ID, span=SPAN, sampled=False)),
        ({"x-cloud-trace-context": f"{ID}/255;o=1"}, Trace(id=ID, span=f"{255:016x}", sampled=True)),
        ({"x-cloud-trace-context": f"{ID.upper()}/1"}, Trace(id=ID, span=f"{1:016x}", sampled=False)),
        ({"x-cloud-trace-context": ID}, Trace(id=ID, span="0" * 16, sampled=False)),
        (
            {"traceparent": f"00-{ID}-{SPAN}-01", "x-cloud-trace-context": f"{'1' * 32}/1"},
            Trace(id=ID, span=SPAN, sampled=True),
        ),
        ({"traceparent": "junk", "x-cloud-trace-context": f"{ID}/1;o=1"}, Trace(id=ID, span=f"{1:016x}", sampled=True)),
    ],
)
def test_a_trace_is_read_from_google_s_headers(headers: dict[str, str], trace: Trace) -> None:
    assert Trace.of(headers) == trace


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"traceparent": ""},
        {"traceparent": f"00-{'0' * 32}-{SPAN}-01"},
        {"traceparent": f'00-{ID}-{SPAN}-01\n{{"a":1}}'},
        {"traceparent": f"00-{ID[:-1]}é-{SPAN}-01"},
        {"x-cloud-trace-context": "x/1"},
    ],
)
def test_without_one_a_new_trace_begins(headers: dict[str, str]) -> None:
    first, second = Trace.of(headers), Trace.of(headers)

    assert re.fullmatch("[0-9a-f]{32}", first.id)
    assert first != second
    assert Trace.parse(first.parent()) == first


def test_facts_and_messages_belong_to_the_trace_around_them(capsys: pytest.CaptureFixture[str]) -> None:
    trace = Trace(id=ID, span=SPAN, sampled=True)
    report_to("my-project")
    try:
        with tracing(trace):
            log("inside")
            assert current() == trace.parent()
        log("outside")
    finally:
        report_to(None)

    inside, outside = map(json.loads, capsys.readouterr().out.splitlines())
    assert inside["logging.googleapis.com/trace"] == f"projects/my-project/traces/{ID}"
    assert inside["logging.googleapis.com/spanId"] == SPAN
    assert inside["logging.googleapis.com/trace_sampled"] is True
    assert set(outside) == {"severity", "message"}
    assert current() is None
