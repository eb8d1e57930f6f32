"""Our Cloud Storage is held to what the real one does, in plain HTTP: what rests on it is worth no more than it is."""

import base64
import gzip
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import google_crc32c
import httpx
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from tests.google.accounts import ServiceAccount
from tests.google.cloud_storage import CloudStorage, Events, Receiver
from tests.google.processes import Process

QUANTUM = 256 * 1024


@pytest.fixture
def server() -> Iterator[CloudStorage]:
    with CloudStorage("data", "work") as server:
        yield server


@pytest.fixture
def http(server: CloudStorage) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client:
        yield client


def crc32c(content: bytes) -> str:
    return base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode()


def insert(
    http: httpx.Client,
    name: str,
    content: bytes,
    *,
    bucket: str = "data",
    said: dict[str, Any] | None = None,
    **query: Any,
) -> httpx.Response:
    """An upload in one request."""
    parts = [
        b"--x\r\ncontent-type: application/json\r\n\r\n" + json.dumps({"name": name, **(said or {})}).encode(),
        b"--x\r\ncontent-type: text/plain\r\n\r\n" + content,
        b"--x--",
    ]
    return http.post(
        f"/upload/storage/v1/b/{bucket}/o",
        params={"uploadType": "multipart", **query},
        headers={"content-type": 'multipart/related; boundary="x"'},
        content=b"\r\n".join(parts),
    )


def begin(http: httpx.Client, name: str, **query: Any) -> httpx.Response:
    return http.post(
        "/upload/storage/v1/b/data/o",
        params={"uploadType": "resumable", **query},
        json={"name": name, "metadata": {"a": "b"}},
    )


def put(http: httpx.Client, url: str, content: bytes, span: str, **headers: str) -> httpx.Response:
    return http.put(url, content=content, headers={"content-range": f"bytes {span}", **headers})


def path(name: str, *, bucket: str = "data") -> str:
    return f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}"


def content_of(http: httpx.Client, name: str, *, bucket: str = "data", **query: Any) -> bytes:
    answer = http.get(f"/download{path(name, bucket=bucket)}", params={"alt": "media", **query})
    assert answer.status_code == 200, answer.text
    return answer.content


def compose(http: httpx.Client, name: str, sources: list[dict[str, Any]], **query: Any) -> httpx.Response:
    body = {"sourceObjects": sources, "destination": {"contentType": "text/x", "metadata": {"a": "b"}}}
    return http.post(f"{path(name)}/compose", json=body, params=query)


# ---- uploads in one request


def test_what_was_uploaded_is_described_and_read(http: httpx.Client, server: CloudStorage) -> None:
    answer = insert(http, "a/b", b"one\r\n\r\ntwo", said={"metadata": {"k": "v"}, "crc32c": crc32c(b"one\r\n\r\ntwo")})

    assert answer.status_code == 200
    said = answer.json()
    assert said == http.get(path("a/b"), params={"projection": "noAcl"}).json()
    assert (said["name"], said["bucket"], said["size"]) == ("a/b", "data", "10")
    assert (said["contentType"], said["metadata"]) == ("text/plain", {"k": "v"})
    assert said["crc32c"] == crc32c(b"one\r\n\r\ntwo")
    assert abs(datetime.fromisoformat(said["updated"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert http.get(said["mediaLink"]).content == b"one\r\n\r\ntwo"
    assert said["mediaLink"].startswith(server.url)


def test_content_with_another_checksum_than_was_said_is_refused(http: httpx.Client) -> None:
    answer = insert(http, "a", b"abc", said={"crc32c": crc32c(b"abd")})

    assert answer.status_code == 400
    assert http.get(path("a")).status_code == 404


def test_an_upload_to_a_bucket_that_is_not_there_is_not_found(http: httpx.Client) -> None:
    answer = insert(http, "a", b"abc", bucket="nowhere")

    assert answer.status_code == 404
    assert "bucket does not exist" in answer.json()["error"]["message"]


def test_errors_have_googles_shape(http: httpx.Client) -> None:
    answer = http.get(path("a"))

    assert answer.status_code == 404
    message = "No such object: data/a"
    detail = {"message": message, "domain": "global", "reason": "notFound"}
    assert answer.json() == {"error": {"code": 404, "message": message, "errors": [detail]}}


@pytest.mark.parametrize("name", ["a b", "a/b", "ü", "😀", "a%2Fb", "?#[]", "a//b", "..", ". ", "a\tb"])
def test_names_are_taken_as_they_are_meant(http: httpx.Client, name: str) -> None:
    if name == "..":
        assert insert(http, name, b"x").status_code == 400
        return
    assert insert(http, name, b"x").json()["name"] == name
    assert http.get(path(name)).json()["name"] == name
    assert content_of(http, name) == b"x"
    assert [item["name"] for item in http.get("/storage/v1/b/data/o").json()["items"]] == [name]


@pytest.mark.parametrize("argument", ["ifMetagenerationMatch", "ifgenerationmatch", "predefinedAcl", "kmsKeyName"])
def test_an_argument_that_is_not_offered_is_refused(http: httpx.Client, argument: str) -> None:
    """To ignore it would be to ignore a precondition."""
    refused: dict[str, Any] = {argument: "1"}
    assert insert(http, "a", b"abc", **refused).status_code == 501
    assert http.get(path("a"), params={argument: "1"}).status_code == 501
    assert http.delete(path("a"), params={argument: "1"}).status_code == 501
    assert compose(http, "a", [{"name": "b"}], **{argument: "1"}).status_code == 501
    assert begin(http, "a", **{argument: "1"}).status_code == 501
    assert http.get("/storage/v1/b/data/o", params={argument: "1"}).status_code == 501


def test_a_body_of_unknown_length_is_refused(http: httpx.Client) -> None:
    answer = http.post("/upload/storage/v1/b/data/o?uploadType=multipart", content=iter([b"a", b"b"]))

    assert answer.status_code == 411


# ---- generations and preconditions


def test_generations_grow_and_are_never_used_again(http: httpx.Client) -> None:
    generations = []
    for _ in range(20):
        generations.append(int(insert(http, "a", b"same").json()["generation"]))
        http.delete(path("a"))

    assert generations == sorted(set(generations))


def test_each_write_is_judged_by_its_precondition(http: httpx.Client) -> None:
    first = insert(http, "a", b"1", ifGenerationMatch=0).json()["generation"]
    assert insert(http, "a", b"2", ifGenerationMatch=0).status_code == 412
    assert insert(http, "a", b"2", ifGenerationMatch=17).status_code == 412
    assert insert(http, "b", b"2", ifGenerationMatch=17).status_code == 412
    assert insert(http, "a", b"2", ifGenerationNotMatch=first).status_code == 412
    assert begin(http, "a", ifGenerationMatch=0).status_code == 412
    assert compose(http, "a", [{"name": "a"}], ifGenerationMatch=0).status_code == 412
    assert http.delete(path("a"), params={"ifGenerationMatch": "17"}).status_code == 412

    assert content_of(http, "a") == b"1"
    assert insert(http, "a", b"2", ifGenerationMatch=first).status_code == 200
    assert http.get(path("a"), params={"ifGenerationMatch": first}).status_code == 412
    assert http.get(path("a"), params={"generation": first}).status_code == 404
    assert content_of(http, "a") == b"2"


def test_a_read_of_what_is_known_already_is_not_modified(http: httpx.Client) -> None:
    generation = insert(http, "a", b"1").json()["generation"]

    assert http.get(path("a"), params={"ifGenerationNotMatch": generation}).status_code == 304


def test_of_many_writers_at_once_one_is_the_first(http: httpx.Client) -> None:
    together = threading.Barrier(8)

    def work(who: int) -> int:
        together.wait()
        return insert(http, "a", b"%d" % who, ifGenerationMatch=0).status_code

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(work, range(8)))

    assert sorted(codes) == [200] + [412] * 7


# ---- uploads in pieces


def test_an_upload_in_pieces_becomes_one_object(http: httpx.Client) -> None:
    content = random.Random(1).randbytes(2 * QUANTUM + 100)
    url = begin(http, "a", ifGenerationMatch=0).headers["location"]

    first = put(http, url, content[:QUANTUM], f"0-{QUANTUM - 1}/*")
    second = put(http, url, content[QUANTUM : 2 * QUANTUM], f"{QUANTUM}-{2 * QUANTUM - 1}/*")
    assert http.get(path("a")).status_code == 404
    checksum = {"x-goog-hash": f"crc32c={crc32c(content)}"}
    last = put(http, url, content[2 * QUANTUM :], f"{2 * QUANTUM}-{len(content) - 1}/{len(content)}", **checksum)

    assert (first.status_code, first.headers["range"]) == (308, f"bytes=0-{QUANTUM - 1}")
    assert (second.status_code, second.headers["range"]) == (308, f"bytes=0-{2 * QUANTUM - 1}")
    assert last.status_code == 200
    assert last.json() == http.get(path("a")).json()
    assert last.json()["metadata"] == {"a": "b"}
    assert content_of(http, "a") == content


def test_a_piece_that_comes_twice_counts_once(http: httpx.Client) -> None:
    """As it does when a reply is lost."""
    content = random.Random(2).randbytes(2 * QUANTUM)
    url = begin(http, "a").headers["location"]

    for _ in range(3):
        assert put(http, url, content[:QUANTUM], f"0-{QUANTUM - 1}/*").headers["range"] == f"bytes=0-{QUANTUM - 1}"
    ends = [put(http, url, content, f"0-{len(content) - 1}/{len(content)}").json() for _ in range(3)]

    assert ends[0] == ends[1] == ends[2]  # one object, one generation
    assert content_of(http, "a") == content


def test_an_upload_says_how_much_it_has(http: httpx.Client) -> None:
    url = begin(http, "a").headers["location"]

    assert "range" not in put(http, url, b"", "*/*").headers
    put(http, url, b"x" * QUANTUM, f"0-{QUANTUM - 1}/*")
    asked = put(http, url, b"", "*/*")
    assert (asked.status_code, asked.headers["range"]) == (308, f"bytes=0-{QUANTUM - 1}")
    assert put(http, url, b"", f"*/{QUANTUM}").status_code == 200
    assert put(http, url, b"", "*/*").status_code == 200


def test_an_upload_may_be_empty(http: httpx.Client) -> None:
    url = begin(http, "a").headers["location"]

    assert put(http, url, b"", "*/0").json()["size"] == "0"
    assert content_of(http, "a") == b""


@pytest.mark.parametrize(
    ("size", "span"),
    [(QUANTUM, f"{QUANTUM}-{2 * QUANTUM - 1}/*"), (100, "0-99/*"), (100, "0-98/100"), (100, "0-99/50"), (1, "garbage")],
    ids=["gap", "no multiple", "longer than said", "behind the end", "no range"],
)
def test_a_piece_that_does_not_fit_is_refused(http: httpx.Client, size: int, span: str) -> None:
    url = begin(http, "a").headers["location"]

    assert put(http, url, b"x" * size, span).status_code == 400
    assert http.get(path("a")).status_code == 404


def test_an_upload_that_is_not_known_is_not_found(http: httpx.Client) -> None:
    assert put(http, "/upload/storage/v1/b/data/o?uploadType=resumable&upload_id=x", b"", "*/0").status_code == 404


def test_the_precondition_of_an_upload_counts_again_at_its_end(http: httpx.Client) -> None:
    url = begin(http, "a", ifGenerationMatch=0).headers["location"]
    insert(http, "a", b"faster")

    assert put(http, url, b"slow", "0-3/4").status_code == 412
    assert content_of(http, "a") == b"faster"


def test_an_upload_with_another_checksum_than_was_said_makes_no_object(http: httpx.Client) -> None:
    url = begin(http, "a").headers["location"]

    assert put(http, url, b"abc", "0-2/3", **{"x-goog-hash": f"crc32c={crc32c(b'abd')}"}).status_code == 400
    assert http.get(path("a")).status_code == 404


def test_of_a_piece_that_breaks_off_whole_quanta_are_kept(http: httpx.Client, server: CloudStorage) -> None:
    url = begin(http, "a").headers["location"]

    def half() -> Iterator[bytes]:
        yield b"x" * (QUANTUM + 5)
        raise OSError("unplugged")

    headers = {"content-range": f"bytes 0-{4 * QUANTUM - 1}/*", "content-length": str(4 * QUANTUM)}
    with pytest.raises(OSError, match="unplugged"):
        http.put(url, content=half(), headers=headers)

    until(lambda: put(http, url, b"", "*/*").headers.get("range") == f"bytes=0-{QUANTUM - 1}")


# ---- reading


@pytest.mark.parametrize(
    ("asked", "part", "said"),
    [
        ("bytes=0-2", b"012", "bytes 0-2/10"),
        ("bytes=3-", b"3456789", "bytes 3-9/10"),
        ("bytes=8-100", b"89", "bytes 8-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-30", b"0123456789", "bytes 0-9/10"),
    ],
)
def test_a_part_is_read(http: httpx.Client, asked: str, part: bytes, said: str) -> None:
    generation = insert(http, "a", b"0123456789").json()["generation"]

    answer = http.get(f"/download{path('a')}?alt=media", headers={"range": asked})

    assert (answer.status_code, answer.content, answer.headers["content-range"]) == (206, part, said)
    assert answer.headers["x-goog-generation"] == generation
    assert answer.headers["x-goog-hash"] == f"crc32c={crc32c(b'0123456789')}"  # of all of it


@pytest.mark.parametrize(("content", "asked"), [(b"abc", "bytes=3-"), (b"", "bytes=0-")])
def test_nothing_is_no_part(http: httpx.Client, content: bytes, asked: str) -> None:
    insert(http, "a", content)

    answer = http.get(f"/download{path('a')}?alt=media", headers={"range": asked})

    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(content)}")


def test_what_is_stored_compressed_is_expanded_for_those_who_cannot(http: httpx.Client) -> None:
    """And a range is ignored then, as in the real one: whoever wants stored bytes has to say so."""
    stored = gzip.compress(b"0123456789")
    insert(http, "a", stored, said={"contentEncoding": "gzip"})
    url = f"/download{path('a')}?alt=media"

    expanded = http.get(url, headers={"accept-encoding": "identity", "range": "bytes=3-"})
    with http.stream("GET", url, headers={"accept-encoding": "gzip", "range": "bytes=3-"}) as raw:
        assert b"".join(raw.iter_raw()) == stored[3:]

    assert (expanded.status_code, expanded.content) == (200, b"0123456789")


def test_a_request_may_ask_for_some_fields(http: httpx.Client) -> None:
    insert(http, "a", b"abc", said={"metadata": {"k": "v"}})

    assert http.get(path("a"), params={"fields": "name,size"}).json() == {"name": "a", "size": "3"}
    page = http.get("/storage/v1/b/data/o", params={"fields": "items(name,metadata),nextPageToken"}).json()
    assert page == {"items": [{"name": "a", "metadata": {"k": "v"}}]}
    assert http.get("/storage/v1/b/data/o", params={"fields": "items/size"}).json() == {"items": [{"size": "3"}]}


# ---- compose, delete, list


def test_objects_are_joined_in_order(http: httpx.Client) -> None:
    for name in "abc":
        insert(http, name, name.encode() * 3)

    answer = compose(http, "joined", [{"name": "b"}, {"name": "a"}, {"name": "b", "generation": None}])

    assert answer.status_code == 200
    said = answer.json()
    assert (said["size"], said["componentCount"]) == ("9", 3)
    assert (said["contentType"], said["metadata"]) == ("text/x", {"a": "b"})
    assert said["crc32c"] == crc32c(b"bbbaaabbb")
    assert "md5Hash" not in said
    assert content_of(http, "joined") == b"bbbaaabbb"
    assert compose(http, "more", [{"name": "joined"}, {"name": "c"}]).json()["componentCount"] == 4


def test_no_more_than_32_are_joined(http: httpx.Client) -> None:
    insert(http, "a", b"a")

    assert compose(http, "b", [{"name": "a"}] * 32).json()["size"] == "32"
    assert compose(http, "b", [{"name": "a"}] * 33).status_code == 400
    assert compose(http, "b", []).status_code == 400


def test_a_source_is_there_and_of_the_generation_that_is_asked_for(http: httpx.Client) -> None:
    old = insert(http, "a", b"1").json()["generation"]
    new = insert(http, "a", b"2").json()["generation"]

    assert compose(http, "b", [{"name": "a"}, {"name": "x"}]).status_code == 404
    assert compose(http, "b", [{"name": "a", "generation": old}]).status_code == 404
    stale = {"name": "a", "objectPreconditions": {"ifGenerationMatch": old}}
    assert compose(http, "b", [stale]).status_code == 412
    assert http.get(path("b")).status_code == 404
    assert compose(http, "b", [{"name": "a", "generation": new}]).status_code == 200


def test_a_deleted_object_is_gone(http: httpx.Client) -> None:
    insert(http, "a", b"1")

    assert http.delete(path("a")).status_code == 204
    assert http.delete(path("a")).status_code == 404
    assert http.get(f"/download{path('a')}?alt=media").status_code == 404


def test_a_list_comes_in_pages_and_in_the_order_of_bytes(http: httpx.Client) -> None:
    names = ["a", "a-b", "a/b", "a0", "B", "é", "z", "😀", "\uff5e", "dir/"]
    for name in names:
        insert(http, name, b"x")

    found, token = [], None
    while True:
        query = {"maxResults": "3"} | ({} if token is None else {"pageToken": token})
        page = http.get("/storage/v1/b/data/o", params=query).json()
        found += [item["name"] for item in page["items"]]
        if (token := page.get("nextPageToken")) is None:
            break

    assert found == sorted(names, key=str.encode)
    assert [item["name"] for item in http.get("/storage/v1/b/data/o?prefix=a/").json()["items"]] == ["a/b"]
    assert "items" not in http.get("/storage/v1/b/data/o?prefix=x").json()
    assert http.get("/storage/v1/b/nowhere/o").status_code == 404


# ---- signed URLs


@pytest.fixture(scope="module")
def account() -> ServiceAccount:
    return ServiceAccount.new()


def signed(server: CloudStorage, account: ServiceAccount, name: str, **options: Any) -> str:
    options = {"version": "v4", "expiration": timedelta(minutes=1), "credentials": account.credentials(), **options}
    url: str = client_of(server).bucket("data").blob(name).generate_signed_url(**options)
    return url


def client_of(server: CloudStorage) -> Client:
    anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call]
    return Client(project="p", credentials=anonymous, client_options={"api_endpoint": server.url})


def test_a_signed_url_reads_its_object(server: CloudStorage, http: httpx.Client, account: ServiceAccount) -> None:
    insert(http, "a/ü b", b"0123456789")
    server.service.keys[account.email] = account.public_key
    url = signed(server, account, "a/ü b", response_disposition="attachment; filename=x", response_type="text/y")

    answer = httpx.get(url)

    assert (answer.status_code, answer.content) == (200, b"0123456789")
    assert answer.headers["content-disposition"] == "attachment; filename=x"
    assert answer.headers["content-type"] == "text/y"
    assert httpx.get(url, headers={"range": "bytes=3-4"}).content == b"34"
    head = httpx.head(url)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "10", b"")
    http.delete(path("a/ü b"))
    assert httpx.get(url).status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("/data/a?", "/data/b?"),
        lambda url: url.replace("filename%3Dx", "filename%3Dy"),
        lambda url: url.replace("X-Goog-Expires=60", "X-Goog-Expires=600"),
        lambda url: url[:-4] + ("0000" if url[-4:] != "0000" else "1111"),
        lambda url: url[:-4] + "wxyz",
        lambda url: url.replace("X-Goog-Date=2", "X-Goog-Date=1"),
        lambda url: url.replace("GOOG4-RSA-SHA256", "GOOG4-HMAC-SHA256"),
        lambda url: url.replace("X-Goog-SignedHeaders=host", "X-Goog-SignedHeaders="),
        lambda url: url.replace("X-Goog-Credential=", "X-Goog-Nothing="),
    ],
    ids=["object", "disposition", "expiry", "signature", "no hexadecimal", "date", "algorithm", "headers", "signer"],
)
def test_a_url_that_was_changed_reads_nothing(
    server: CloudStorage, http: httpx.Client, account: ServiceAccount, change: Callable[[str], str]
) -> None:
    for name in "ab":
        insert(http, name, b"x")
    server.service.keys[account.email] = account.public_key
    url = signed(server, account, "a", response_disposition="attachment; filename=x")
    assert httpx.get(url).status_code == 200
    assert change(url) != url

    assert httpx.get(change(url)).status_code == 403


def test_a_signed_url_is_for_one_method_and_some_time(
    server: CloudStorage, http: httpx.Client, account: ServiceAccount
) -> None:
    insert(http, "a", b"x")
    server.service.keys[account.email] = account.public_key

    assert httpx.put(signed(server, account, "a"), content=b"y").status_code == 403
    assert httpx.get(signed(server, account, "a", method="PUT")).status_code == 403
    short = signed(server, account, "a", expiration=timedelta(seconds=1))
    until(lambda: httpx.get(short).status_code == 403)


def test_without_the_signers_key_the_rest_is_still_checked(
    server: CloudStorage, http: httpx.Client, account: ServiceAccount
) -> None:
    insert(http, "a", b"x")
    url = signed(server, account, "a")

    assert httpx.get(url).content == b"x"
    assert httpx.get(url.replace("X-Goog-Expires=60", "X-Goog-Expires=0")).status_code == 403
    assert httpx.get(url.rpartition("&")[0]).status_code == 404  # without a signature it is no path of ours


# ---- events


class Inbox(ThreadingHTTPServer):
    """Hears of new objects. It answers with the `codes` one after the other, and then with 200."""

    daemon_threads = True

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.codes: list[int] = []
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                inbox.heard.append((headers, json.loads(body)))
                self.send_response(inbox.codes.pop(0) if inbox.codes else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/predictions"

    def names(self) -> list[str]:
        return [body["name"] for _, body in self.heard]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    inbox = Inbox()
    thread = threading.Thread(target=inbox.serve_forever, args=(0.05,))
    thread.start()
    yield inbox
    inbox.shutdown()
    thread.join()
    inbox.server_close()


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)


def written(url: str, events: Events) -> dict[str, int]:
    """300 objects written, and what was told of them."""
    with CloudStorage("work", events=events) as server, httpx.Client(base_url=server.url, timeout=30) as http:
        for number in range(300):
            insert(http, f"{number:03d}", b"x", bucket="work")
        until(events.idle)
        return events.report()


def test_whoever_is_to_hear_of_new_objects_hears_of_each(inbox: Inbox) -> None:
    events = Events({"data": Receiver(url=inbox.url, token="t0ken")})
    with CloudStorage("data", "work", events=events) as server, httpx.Client(base_url=server.url, timeout=30) as http:
        small = insert(http, "a/ü", b"x").json()
        large = put(http, begin(http, "b").headers["location"], b"abc", "0-2/3").json()
        joined = compose(http, "c", [{"name": "b"}]).json()
        insert(http, "d", b"x", bucket="work")
        insert(http, "a/ü", b"x", ifGenerationMatch=0)  # refused
        begin(http, "e")
        http.delete(path("b"))
        until(lambda: len(inbox.heard) == 3 and events.idle())

    assert sorted(inbox.names()) == ["a/ü", "b", "c"]
    told = {body["name"]: (headers, body) for headers, body in inbox.heard}
    assert [told[name][1] for name in ("a/ü", "b", "c")] == [small, large, joined]
    headers = told["a/ü"][0]
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-type"] == "google.cloud.storage.object.v1.finalized"
    assert headers["ce-source"] == "//storage.googleapis.com/projects/_/buckets/data"
    assert headers["ce-subject"] == "objects/a/%C3%BC"
    assert headers["ce-time"] == small["updated"]
    assert headers["content-type"] == "application/json"
    assert headers["authorization"] == "Bearer t0ken"
    assert len({headers["ce-id"] for headers, _ in inbox.heard}) == 3


def test_an_event_comes_again_until_it_is_taken(inbox: Inbox) -> None:
    inbox.codes = [503, 404, 302]
    events = Events({"data": Receiver(url=inbox.url)})
    with CloudStorage("data", events=events) as server, httpx.Client(base_url=server.url, timeout=30) as http:
        insert(http, "a", b"x")
        until(events.idle)

    assert inbox.names() == ["a"] * 4
    assert len({headers["ce-id"] for headers, _ in inbox.heard}) == 1
    assert "authorization" not in inbox.heard[0][0]
    assert events.report() == {"told": 1, "refused": 3, "delivered": 1, "delayed": 0, "waiting": 0}


def test_events_are_doubled_late_and_lost_by_a_seed(inbox: Inbox) -> None:
    shares = {"double": 0.2, "delay": 0.2, "lose": 0.2, "longest_delay": 0.2}
    receivers = {"work": Receiver(url=inbox.url)}
    reports = []
    for seed in (1, 1, 2):
        inbox.heard.clear()
        reports.append(written(inbox.url, Events(receivers, seed=seed, **shares)))
        told = reports[-1]
        assert told["told"] == 300
        assert told["delivered"] == len(inbox.heard) == 300 - told["lost"] + told["doubled"]
        assert len(set(inbox.names())) == 300 - told["lost"]
        assert len({headers["ce-id"] for headers, _ in inbox.heard}) == len(inbox.heard)
        assert inbox.names() != sorted(inbox.names())

    assert reports[0] == reports[1] != reports[2]
    for what in ("doubled", "delayed", "lost"):
        assert 30 < reports[0][what] < 90


# ---- faults


def test_a_lost_answer_has_had_its_effect(http: httpx.Client, server: CloudStorage) -> None:
    server.faults.add({"on": "insert", "do": "lose"})

    with pytest.raises(httpx.RemoteProtocolError):
        insert(http, "a", b"abc")

    assert content_of(http, "a") == b"abc"


def test_a_refused_call_has_had_none(http: httpx.Client, server: CloudStorage) -> None:
    server.faults.add({"on": "insert", "do": "status", "status": 503, "next": 2, "skip": 1})

    assert [insert(http, name, b"abc").status_code for name in "abcd"] == [200, 503, 503, 200]
    assert [item["name"] for item in http.get("/storage/v1/b/data/o").json()["items"]] == ["a", "d"]


def test_a_download_breaks_off(http: httpx.Client, server: CloudStorage) -> None:
    insert(http, "a", b"0123456789" * 100_000)
    server.faults.add({"on": "read", "do": "break", "after": 500_000})
    got: list[bytes] = []

    with http.stream("GET", f"/download{path('a')}?alt=media") as answer:
        chunks = answer.iter_raw()
        with pytest.raises(httpx.RemoteProtocolError):
            got.extend(chunks)

    assert b"".join(got) == b"0123456789" * 50_000
    assert content_of(http, "a") == b"0123456789" * 100_000


def test_a_call_hangs(http: httpx.Client, server: CloudStorage) -> None:
    server.faults.add({"on": "any", "do": "hang", "seconds": 0.3})
    began = time.monotonic()

    with pytest.raises(httpx.RemoteProtocolError):
        http.get(path("a"))

    assert time.monotonic() - began >= 0.3


def test_a_piece_is_kept_in_part(http: httpx.Client, server: CloudStorage) -> None:
    url = begin(http, "a").headers["location"]
    server.faults.add({"on": "finish", "do": "keep", "after": QUANTUM})

    answer = put(http, url, b"x" * 2 * QUANTUM, f"0-{2 * QUANTUM - 1}/{2 * QUANTUM}")

    assert (answer.status_code, answer.headers["range"]) == (308, f"bytes=0-{QUANTUM - 1}")


def test_bytes_are_damaged(http: httpx.Client, server: CloudStorage) -> None:
    server.faults.add({"on": "insert", "do": "damage"})
    server.faults.add({"on": "read", "do": "damage", "skip": 1})

    assert insert(http, "a", b"abc", said={"crc32c": crc32c(b"abc")}).json()["crc32c"] != crc32c(b"abc")
    stored, arrived = content_of(http, "a"), content_of(http, "a")
    assert stored != b"abc"
    assert arrived != stored


def test_faults_are_ordered_over_http_and_reported(http: httpx.Client) -> None:
    rule = {"on": "stat", "do": "status", "status": 429, "next": 2}
    assert http.post("/-/faults", json=rule).status_code == 200
    assert http.post("/-/faults", json={"on": "stat", "do": "explode"}).status_code == 400
    assert http.get(path("a")).status_code == 429

    journal = http.get("/-/journal").json()

    assert journal["faults"]["injected"] == {"stat:status": 1}
    assert journal["faults"]["waiting"] == [{**rule, "next": 1, "skip": 0}]
    assert journal["calls"] == {"stat": 1}
    assert journal["buckets"] == {"data": {"objects": 0, "bytes": 0}, "work": {"objects": 0, "bytes": 0}}
    http.delete("/-/faults")
    assert http.get(path("a")).status_code == 404


# ---- as a whole


def test_googles_own_client_is_served(server: CloudStorage) -> None:
    """It sends what we would not think of."""
    client = client_of(server)
    bucket = client.get_bucket("data")
    large = random.Random(3).randbytes(9 * 2**20)

    small, big = bucket.blob("a/small"), bucket.blob("a/big", chunk_size=2**20)
    small.upload_from_string(b"abc", if_generation_match=0)
    big.upload_from_string(large, if_generation_match=0)
    joined = bucket.blob("joined")
    joined.compose([small, big], if_generation_match=0)

    assert joined.download_as_bytes() == b"abc" + large
    with big.open("rb", chunk_size=2**20) as stream:
        assert stream.read() == large
    assert small.exists()
    assert not bucket.blob("x").exists()
    assert [blob.name for blob in client.list_blobs("data", prefix="a/", page_size=1)] == ["a/big", "a/small"]
    small.delete(if_generation_match=small.generation)
    client.close()


def test_several_hundred_megabytes_are_no_trouble(http: httpx.Client, server: CloudStorage) -> None:
    piece = random.Random(4).randbytes(8 * 2**20)
    url, count = begin(http, "a").headers["location"], 40
    for number in range(count):
        first, end = number * len(piece), (number + 1) * len(piece)
        total = str(end) if number == count - 1 else "*"
        put(http, url, piece, f"{first}-{end - 1}/{total}")
    compose(http, "b", [{"name": "a"}] * 3)

    read = 0
    with http.stream("GET", f"/download{path('b')}?alt=media") as download:
        for chunk in download.iter_raw():
            read += len(chunk)

    assert http.get(path("a")).json()["size"] == str(320 * 2**20)
    assert read == 960 * 2**20


def test_it_is_a_process_of_its_own(inbox: Inbox, tmp_path: Path) -> None:
    arguments = [
        "--bucket",
        "data",
        "--bucket",
        "work",
        "--notify",
        f"work={inbox.url}",
        "--token",
        "x",
        "--double",
        "1",
    ]
    with Process("tests.google.cloud_storage", *arguments) as process:
        with httpx.Client(base_url=process.url, timeout=30) as http:
            assert http.get("/-/ready").json() == {"ready": True}
            insert(http, "a", b"x", bucket="work")
            insert(http, "a", b"x")
            until(lambda: len(inbox.heard) == 2)
        assert process.stop() == 0

    assert inbox.names() == ["a", "a"]
    assert inbox.heard[0][0]["authorization"] == "Bearer x"
