import io

import pytest
from flask import Request
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from functions.multipart import Form
from shared.domain.errors import BadRequest, TooLarge
from tests.functions.wire import EDGE, multipart


def form_of(body: bytes, kind: str = f"multipart/form-data; boundary={EDGE}", *, longest: int = 10**9) -> Form:
    builder = EnvironBuilder(method="POST", input_stream=io.BytesIO(body), content_type=kind, content_length=len(body))
    return Form(Request(builder.get_environ()), file="file", longest=longest, too_large=TooLarge())


def read(form: Form) -> bytes:
    content = b"".join(form.open_file())
    form.finish()
    return content


@given(
    content=st.one_of(
        st.binary(max_size=400),
        st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", EDGE.encode(), b"x", b"\r\n--"])).map(b"".join),
    ),
    first=st.booleans(),
    step=st.integers(1, 40),
)
def test_a_file_comes_out_as_it_went_in(content: bytes, first: bool, step: int) -> None:
    """Wherever the pieces of the body happen to end, and whatever in the file looks like a boundary."""
    if f"--{EDGE}".encode() in content:
        content = content.replace(EDGE.encode(), b"edge")
    file, purpose = ("file", content, "in.jsonl"), ("purpose", "batch")
    body, kind = multipart(*((file, purpose) if first else (purpose, file)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("functions.multipart.read_chunk", lambda request: request.stream.read(step))
        form = form_of(body, kind)
        assert read(form) == content
    assert form.fields == {"purpose": ["batch"]}
    assert form.filename == "in.jsonl"


@pytest.mark.parametrize("cut", [3, 20, 60, 100])
def test_a_body_that_ends_too_early_is_refused(cut: int) -> None:
    body, kind = multipart(("file", b"x" * 50, "in.jsonl"), ("purpose", "batch"))
    with pytest.raises(BadRequest):
        read(form_of(body[:-cut], kind))


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=x",
        "multipart/form-data; boundary=" + "x" * 201,
    ],
)
def test_another_content_type_is_refused(kind: str) -> None:
    with pytest.raises(BadRequest, match="multipart/form-data"):
        form_of(b"", kind)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary at all",
        f"--{EDGE}--\r\n".encode(),
        f"--{EDGE}\r\n\r\nno disposition\r\n--{EDGE}--\r\n".encode(),
        f"--{EDGE}\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--{EDGE}--\r\n".encode(),
        f'--{EDGE}\r\nContent-Disposition: form-data; name="file\xe9\r\n\r\n'.encode("latin-1"),
        f"--{EDGE}\r\nX: ".encode() + b"h" * 1_000_000,
        b"p" * 1_000_000,
    ],
    ids=lambda body: str(body[:40]),
)
def test_what_is_no_form_with_a_file_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read(form_of(body))


def test_a_hundred_parts_pass_and_more_do_not() -> None:
    file = ("file", b"x", "in.jsonl")
    assert read(form_of(multipart(*[(f"f{n}", "v") for n in range(99)], file)[0])) == b"x"

    with pytest.raises(BadRequest, match="100 parts"):
        read(form_of(multipart(*[(f"f{n}", "v") for n in range(1_100)], file)[0]))


@pytest.mark.parametrize("named", [(), ("other.bin",)])
def test_a_field_is_small(named: tuple[str, ...]) -> None:
    def sized(size: int) -> Form:
        return form_of(multipart(("file", b"x", "in.jsonl"), ("note", b"n" * size, *named))[0])

    assert read(sized(65_536)) == b"x"
    with pytest.raises(BadRequest, match="A form field may have"):
        read(sized(600_000))


def test_a_repeated_field_keeps_all_its_values() -> None:
    form = form_of(multipart(("a", "1"), ("b", "x"), ("file", b"", "in.jsonl"), ("a", "2"), ("a", ""))[0])

    read(form)

    assert form.fields == {"a": ["1", "2", ""], "b": ["x"]}
    assert (form.field("a"), form.field("b"), form.field("c")) == ("", "x", None)


def test_a_second_file_is_refused() -> None:
    with pytest.raises(BadRequest, match="Only one 'file'"):
        read(form_of(multipart(("file", b"x", "a.jsonl"), ("file", b"y", "b.jsonl"))[0]))


def test_a_file_without_a_name_is_a_file() -> None:
    form = form_of(multipart(("file", b"text"))[0])
    assert (read(form), form.filename) == (b"text", "upload")


def test_too_large_a_file_is_noticed_while_it_arrives() -> None:
    body, kind = multipart(("file", b"x" * 3_000_000, "in.jsonl"))
    form = form_of(body, kind, longest=1_000_000)
    chunks = form.open_file()

    taken = bytearray()
    with pytest.raises(TooLarge):
        taken.extend(byte for chunk in chunks for byte in chunk)
    assert len(taken) <= 1_000_000


@pytest.mark.parametrize(
    ("header", "filename"),
    [
        ('filename="a.jsonl"', "a.jsonl"),
        ('filename="é€😀.jsonl"', "é€😀.jsonl"),
        ('filename="../../etc/passwd"', "../../etc/passwd"),
        ("filename*=UTF-8''a%0d%0aX%3A%20y", "a\r\nX: y"),
        ('filename="a\\"b.jsonl"', 'a"b.jsonl'),
        ('filename=""', "upload"),
        (f'filename="{"n" * 5_000}"', "n" * 5_000),
    ],
)
def test_a_name_is_kept_as_it_was_given(header: str, filename: str) -> None:
    part = f'--{EDGE}\r\nContent-Disposition: form-data; name="file"; {header}\r\n\r\nx\r\n--{EDGE}--\r\n'
    form = form_of(part.encode())
    assert (read(form), form.filename) == (b"x", filename)
