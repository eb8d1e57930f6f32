import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.access import Caller
from shared.domain.clock import DAY, HOUR
from shared.domain.errors import ApiError, BadRequest, Gone, NotFound, Transient
from shared.domain.files import BATCH_LIFE, File, Garbage, Part, Upload, UploadStatus
from shared.steps import uploads
from shared.steps.files import arriving
from shared.steps.uploads import NewUpload, add_part, cancel, complete, create, expire
from shared.storage.ports import ObjectMissing
from shared.storage.queries import FILES, GARBAGE_DUE, PARTS_OF_UPLOAD
from tests.steps.world import World

ANN = Caller(owner="ann", team="blue")


def begin(world: World, size: int = 6, **changes: Any) -> Upload:
    request = NewUpload(
        **{"purpose": "batch", "filename": "in.jsonl", "bytes": size, "mime_type": "text/jsonl", **changes}
    )
    return create(world.app, ANN, request)


def full(world: World) -> tuple[Upload, tuple[str, ...]]:
    """An upload with all its parts."""
    upload = begin(world)
    return upload, tuple(add_part(world.app, upload, [piece]).id for piece in (b"ab", b"cd", b"ef"))


def done(world: World, upload: Upload, parts: tuple[str, ...], md5: str | None = None) -> Upload:
    return complete(world.app, current(world, upload), parts, md5=md5, judge=lambda *_: None)


def current(world: World, upload: Upload) -> Upload:
    found = world.documents.get(Upload, upload.id)
    assert found is not None
    return found


def file_of(world: World, upload: Upload) -> File:
    file = world.documents.get(File, upload.file or "")
    assert file is not None
    return file


def content(world: World, upload: Upload) -> bytes:
    with world.objects.open(file_of(world, upload).object) as stream:
        return stream.read()


def garbage(world: World) -> set[str]:
    return {each.object for each in world.documents.query(GARBAGE_DUE) if isinstance(each, Garbage)}


def objects(world: World) -> list[str]:
    return [stat.name for folder in ("files", "parts") for stat in world.objects.list(f"gs://data/{folder}/")]


@pytest.mark.parametrize(
    ("purpose", "asked", "life"),
    [("batch", None, BATCH_LIFE), ("batch", HOUR, HOUR), ("user_data", None, None), ("user_data", DAY, DAY)],
)
def test_an_upload_belongs_to_its_caller_and_lives_an_hour(
    world: World, purpose: str, asked: int | None, life: int | None
) -> None:
    upload = begin(world, purpose=purpose, file_life=asked)

    assert replace(current(world, upload), received=0, parts=0) == upload
    assert (upload.owner, upload.team, upload.status, upload.file) == ("ann", "blue", UploadStatus.PENDING, None)
    assert (upload.created_at, upload.expires_at) == (world.clock, world.clock + HOUR)
    assert upload.file_life == life


def test_the_file_has_the_parts_in_the_order_of_their_ids(world: World) -> None:
    upload, (first, second, third) = full(world)
    world.clock += 1_000

    completed = done(world, upload, (third, first, second))

    assert content(world, completed) == b"efabcd"
    file = file_of(world, completed)
    assert (file.owner, file.team, file.purpose, file.filename, file.bytes) == ("ann", "blue", "batch", "in.jsonl", 6)
    assert (file.created_at, file.expires_at) == (world.clock, world.clock + BATCH_LIFE)
    assert garbage(world) == {f"gs://data/parts/{upload.id}/"}
    assert world.documents.query(PARTS_OF_UPLOAD, upload.id) == []


def test_a_part_that_is_not_named_is_no_part_of_the_file(world: World) -> None:
    """It was sent twice, since the first reply was lost."""
    upload, parts = full(world)
    spare = add_part(world.app, upload, [b"cd"])

    assert content(world, done(world, upload, parts)) == b"abcdef"
    assert spare.object.startswith(tuple(garbage(world)))
    assert world.documents.get(Part, spare.id) is None


def test_completing_again_gives_the_same_file_at_any_time(world: World) -> None:
    upload, parts = full(world)
    first = done(world, upload, parts)
    world.sweep()  # the parts are gone now
    world.clock += 2 * HOUR

    assert done(world, upload, parts, md5="of no interest any more") == first
    assert complete(world.app, upload, parts, md5=None, judge=lambda *_: None) == first  # with what was known before
    with pytest.raises(BadRequest, match="completed, with other parts"):
        done(world, upload, parts[::-1])
    assert len(world.documents.query(FILES[0])) == 1


@pytest.mark.parametrize("moment", ["_claim", "_compose", "_commit"])
def test_who_dies_while_completing_is_followed_by_the_same_call(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    upload, parts = full(world)

    def dies(*_: object) -> None:
        raise Transient

    with monkeypatch.context() as patch:
        patch.setattr(uploads, moment, dies)
        with pytest.raises(Transient):
            done(world, upload, parts)
    assert world.documents.query(FILES[0]) == []
    if moment != "_claim":
        for refused in (
            lambda: done(world, upload, parts[::-1]),
            lambda: cancel(world.app, upload),
            lambda: add_part(world.app, upload, [b"late"]),
        ):
            with pytest.raises(BadRequest, match="being completed"):
                refused()

    assert content(world, done(world, upload, parts)) == b"abcdef"
    assert all("/parts/" in name for name in garbage(world))


def test_a_complete_that_is_not_repeated_leaves_garbage_and_no_file(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, parts = full(world)
    with monkeypatch.context() as patch:
        patch.setattr(uploads, "_commit", lambda *_: (_ for _ in ()).throw(Transient))
        with pytest.raises(Transient):
            done(world, upload, parts)

    world.clock += 2 * DAY
    world.sweep()
    world.sweep()

    assert current(world, upload).status == UploadStatus.EXPIRED
    assert (objects(world), garbage(world), world.documents.query(FILES[0])) == ([], set(), [])


def test_the_md5_is_that_of_the_whole(world: World) -> None:
    upload, parts = full(world)
    with pytest.raises(BadRequest, match="does not have this md5"):
        done(world, upload, parts, md5=hashlib.md5(b"abcdeX").hexdigest())

    assert replace(current(world, upload), received=0, parts=0) == upload
    assert done(world, upload, parts, md5=f" {hashlib.md5(b'abcdef').hexdigest().upper()} ").file


def test_the_size_is_the_announced_one(world: World) -> None:
    upload, parts = full(world)
    for wrong in (parts[:2], ()):
        with pytest.raises(BadRequest, match="announced with 6"):
            done(world, upload, wrong)

    assert replace(current(world, upload), received=0, parts=0) == upload
    assert done(world, upload, parts).status == UploadStatus.COMPLETED


def test_nothing_is_a_file_too(world: World) -> None:
    assert content(world, done(world, begin(world, 0, purpose="user_data"), ())) == b""


def test_a_part_of_another_upload_is_unknown(world: World) -> None:
    upload, parts = full(world)
    other = add_part(world.app, begin(world), [b"ef"]).id
    for unknown in (other, "part_unknown", "gs://data/x", ""):
        with pytest.raises(BadRequest, match="this upload has no part"):
            done(world, upload, (*parts[:2], unknown))


def test_the_judge_reads_what_he_likes_and_has_the_last_word(world: World) -> None:
    upload, parts = full(world)
    seen: list[tuple[Upload, bytes]] = []

    def judge(of: Upload, chunks: Iterator[bytes]) -> None:
        seen.append((of, next(chunks)))
        raise BadRequest("not this")

    with pytest.raises(BadRequest, match="not this"):
        complete(world.app, upload, parts, md5=hashlib.md5(b"abcdef").hexdigest(), judge=judge)
    assert seen == [(upload, b"ab")]
    assert replace(current(world, upload), received=0, parts=0) == upload
    assert not [name for name in objects(world) if "/files/" in name]


def test_two_who_complete_at_once_make_one_file(world: World) -> None:
    """The slower one finds the parts gone; that is no error, since the upload is completed."""
    upload, parts = full(world)
    faster: list[Upload] = []

    def overtaken(_: Upload, chunks: Iterator[bytes]) -> None:
        faster.append(done(world, upload, parts))
        world.sweep()
        with pytest.raises(ObjectMissing):
            next(chunks)
        raise ObjectMissing

    assert [complete(world.app, upload, parts, md5=None, judge=overtaken)] == faster
    assert len(world.documents.query(FILES[0])) == 1


@pytest.mark.parametrize(
    ("end", "error", "says"),
    [
        (lambda world, upload: cancel(world.app, upload), BadRequest, "This upload is cancelled."),
        (lambda world, _: setattr(world, "clock", world.clock + HOUR), Gone, "has expired"),
    ],
    ids=["cancelled", "expired"],
)
def test_who_completes_what_ends_meanwhile_is_told_so(
    world: World, end: Callable[[World, Upload], object], error: type[ApiError], says: str
) -> None:
    """And not that some object is missing: the sweep has taken the parts already."""
    upload, parts = full(world)

    def overtaken(_: Upload, chunks: Iterator[bytes]) -> None:
        end(world, upload)
        world.sweep()
        next(chunks)

    with pytest.raises(error, match=says):
        complete(world.app, upload, parts, md5=None, judge=overtaken)
    assert world.documents.query(FILES[0]) == []
    assert objects(world) == []


def test_a_cancelled_upload_takes_nothing_more_and_leaves_nothing(world: World) -> None:
    upload, parts = full(world)

    assert cancel(world.app, upload).status == UploadStatus.CANCELLED
    assert current(world, upload).status == UploadStatus.CANCELLED
    for refused in (
        lambda: cancel(world.app, upload),
        lambda: add_part(world.app, upload, [b"late"]),
        lambda: done(world, upload, parts),
    ):
        with pytest.raises(BadRequest, match=r"This upload is cancelled\."):
            refused()
    world.sweep()
    assert (objects(world), garbage(world)) == ([], set())


def test_a_completed_upload_is_not_cancelled(world: World) -> None:
    upload, parts = full(world)
    done(world, upload, parts)

    with pytest.raises(BadRequest, match=r"This upload is completed\."):
        cancel(world.app, upload)


def test_an_hour_later_everything_is_gone(world: World) -> None:
    upload, parts = full(world)
    world.clock += HOUR - 1
    expire(world.app, upload)
    assert replace(current(world, upload), received=0, parts=0) == upload

    world.clock += 1
    for status in (UploadStatus.PENDING, UploadStatus.EXPIRED):  # before somebody has marked it, and after
        assert current(world, upload).status == status
        for refused in (
            lambda: cancel(world.app, upload),
            lambda: add_part(world.app, upload, [b"late"]),
            lambda: done(world, upload, parts),
        ):
            with pytest.raises(Gone):
                refused()
        expire(world.app, upload)
    world.sweep()
    assert (objects(world), garbage(world)) == ([], set())


@pytest.mark.parametrize(
    "end", [cancel, lambda app, upload: complete(app, upload, (), md5=None, judge=lambda *_: None)]
)
def test_what_ended_otherwise_does_not_expire(world: World, end: Callable[..., Upload]) -> None:
    upload = begin(world, 0)
    ended = end(world.app, upload)
    world.clock += DAY

    expire(world.app, upload)

    assert current(world, upload) == ended


def test_an_unknown_upload_is_said_to_be_so(world: World) -> None:
    upload = begin(world)
    world.documents.transact(lambda tx: tx.delete(Upload, upload.id))

    with pytest.raises(NotFound, match=f"No such Upload object: {upload.id}"):
        cancel(world.app, upload)
    expire(world.app, upload)


def test_a_part_that_breaks_off_leaves_nothing(world: World) -> None:
    upload = begin(world)

    def broken() -> Iterator[bytes]:
        yield b"ab"
        raise BadRequest("The body is incomplete.")

    with pytest.raises(BadRequest, match="incomplete"):
        add_part(world.app, upload, broken())
    assert (objects(world), garbage(world)) == ([], set())
    assert world.documents.query(PARTS_OF_UPLOAD, upload.id) == []


def test_a_part_that_arrives_after_the_end_leaves_nothing(world: World) -> None:
    upload = begin(world)

    def slow() -> Iterator[bytes]:
        yield b"ab"
        cancel(world.app, upload)

    with pytest.raises(BadRequest, match="cancelled"):
        add_part(world.app, upload, slow())
    assert (objects(world), garbage(world)) == ([], {f"gs://data/parts/{upload.id}/"})


def test_who_dies_while_a_part_arrives_leaves_a_note_for_the_sweep(world: World) -> None:
    name = "gs://data/parts/u/p"
    with arriving(world.app, name):
        world.objects.write(name, [b"ab"])
    # and nobody adds its record

    assert garbage(world) == {name}
    world.sweep()
    assert objects(world) == [name]  # whoever writes it may only be slow
    world.clock += 2 * DAY
    world.sweep()
    assert (objects(world), garbage(world)) == ([], set())
