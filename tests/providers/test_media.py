"""Which URLs of a line may leave: every spelling of a private address stays, and so does what two readers could read
as two hosts.
"""

from typing import Any

import pytest

from shared.lines.errors import LineError
from shared.providers.media import check_media_url, media_host, media_urls

LISTED = frozenset({"images.example.com", "cdn.example.com:8443", "127.0.0.1", "[::1]"})
PRIVATE = [
    *("127.0.0.1", "localhost", "LOCALHOST", "0", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1"),
    *("[::1]", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "[::ffff:a9fe:a9fe]", "[fe80::1%25eth0]", "[::]"),
    *("169.254.169.254", "metadata.google.internal", "metadata", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1"),
    *("localhost.", "127.0.0.1.", "metadata.google.internal.", "foo.localhost", "db.local", "vllm.default.svc"),
    *("kubernetes.default.svc.cluster.local", "intranet", "8.8.8.8", "1.2.3.4.5", "example.com.", "x.0x7f"),
    *("①②⑦.0.0.1", "127。0。0。1", "\uff4cocalhost", "%6c%6fcalhost", "exa mple.com", "example.com\t"),
    *("-x.com", ".com"),
]
ODD = [
    *("//example.com/a", "file:///etc/passwd", "gopher://example.com/", "ftp://example.com/a", "gs://bucket/a"),
    *("https:/example.com", "https:example.com", "https://", "https:///a", "HTTPS//example.com", "", " ", "a.png"),
    *("https://user@example.com/", "https://user:pw@example.com/", "https://example.com@127.0.0.1/", "https://@a.com"),
    *("https://example.com\\@127.0.0.1/", "https://example.com\\.evil.com", "https://example.com:0/", "https://a.com:"),
    *("https://example.com:99999/", "https://example.com:8x/", " https://example.com/", "https://example.com/\n"),
    *("https://example.com/\x00", "https://example.com/é", "DATA:image/png;base64,AA", "blob:https://example.com/1"),
    *("javascript:alert(1)", "http://example.com/a b", "https://[::1", "https://::1/", "https://example.com/\\x"),
]


def refused(url: str, hosts: frozenset[str] | None) -> LineError:
    with pytest.raises(LineError) as caught:
        check_media_url(url, "messages[0].content[1].image_url.url", hosts)
    return caught.value


@pytest.mark.parametrize("hosts", [None, frozenset(), LISTED - {"127.0.0.1", "[::1]"}])
@pytest.mark.parametrize("host", PRIVATE)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_spelling_of_an_address_that_is_not_public_leaves(
    hosts: frozenset[str] | None, host: str, scheme: str
) -> None:
    for url in (f"{scheme}://{host}", f"{scheme}://{host}/a.png", f"{scheme}://{host}:8000/latest"):
        error = refused(url, hosts)
        assert error.param == "messages[0].content[1].image_url.url"
        assert host not in error.message or len(host) < 2


@pytest.mark.parametrize("hosts", [None, frozenset(), LISTED])
@pytest.mark.parametrize("url", ODD)
def test_what_is_no_plain_url_of_a_host_never_leaves(hosts: frozenset[str] | None, url: str) -> None:
    assert refused(url, hosts).code == "invalid_value"


@pytest.mark.parametrize("hosts", [None, frozenset(), LISTED])
def test_content_that_comes_along_always_passes(hosts: frozenset[str] | None) -> None:
    check_media_url("data:image/png;base64,AAAA", "p", hosts)


@pytest.mark.parametrize(
    ("url", "hosts", "passes"),
    [
        ("https://images.example.com/a.png?x=1#y", LISTED, True),
        ("HTTPS://IMAGES.example.com/a.png", LISTED, True),
        ("https://images.example.com:444/a.png", LISTED, True),
        ("https://cdn.example.com:8443/a.png", LISTED, True),
        ("https://cdn.example.com/a.png", LISTED, False),
        ("https://evil.images.example.com/a.png", LISTED, False),
        ("https://images.example.com.evil.com/a.png", LISTED, False),
        ("http://127.0.0.1:9000/a.png", LISTED, True),
        ("http://[::1]/a.png", LISTED, True),
        ("http://2130706433/a.png", LISTED, False),
        ("https://images.example.com/a.png", frozenset(), False),
        ("https://images.example.com/a.png", None, True),
        ("https://xn--bcher-kva.de/a.png", None, True),
        ("http://a.b.co.uk:8080", None, True),
    ],
)
def test_hosts_are_those_that_are_listed_or_any_that_is_public(
    url: str, hosts: frozenset[str] | None, passes: bool
) -> None:
    if passes:
        check_media_url(url, "p", hosts)
        assert media_host(url)
    else:
        refused(url, hosts)


def parts(*content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(content)}]}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({}, {}),
        ({"messages": "x", "input": {"url": "https://a.b"}}, {}),
        ({"messages": [None, {"content": "https://a.b"}, {"content": None}]}, {}),
        (parts({"type": "text", "text": "https://a.b"}), {}),
        (parts({"type": "image_url", "image_url": {"url": "U", "detail": "low"}}), {"[0].image_url.url": "U"}),
        (parts({}, {"type": "image_url", "image_url": "U"}), {"[1].image_url": "U"}),
        (parts({"type": "text", "text": "x", "audio_url": {"url": "U"}}), {"[0].audio_url.url": "U"}),
        (parts({"video_url": {"url": ["U", "V"]}}), {"[0].video_url.url[0]": "U", "[0].video_url.url[1]": "V"}),
        (parts({"type": "file", "file": {"file_data": "data:x", "filename": "a:b"}}), {"[0].file.file_data": "data:x"}),
        (parts({"type": "file", "file": {"file_id": "https://a.b/c"}}), {"[0].file.file_id": "https://a.b/c"}),
        (parts({"type": "file", "file": {"file_id": "file-1"}}), {}),
        (parts({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}), {}),
        (parts({"type": "text", "annotations": [{"url_citation": {"url": "U"}}]}), {}),
    ],
)
def test_urls_of_a_chat_are_found_where_they_stand(body: dict[str, Any], found: dict[str, str]) -> None:
    assert dict(media_urls(body)) == {f"messages[0].content{path}": url for path, url in found.items()}


def test_urls_of_a_response_are_found_too() -> None:
    body = {
        "input": [
            {"role": "user", "content": [{"type": "input_image", "image_url": "A"}]},
            {"role": "user", "content": [{"type": "input_file", "file_url": "B"}]},
            {"type": "function_call_output", "output": [{"type": "input_image", "image_url": "C"}]},
            {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": "D"}},
        ]
    }
    assert dict(media_urls(body)) == {
        "input[0].content[0].image_url": "A",
        "input[1].content[0].file_url": "B",
        "input[2].output[0].image_url": "C",
        "input[3].output.image_url": "D",
    }
