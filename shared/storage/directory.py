"""Objects as plain files: `gs://bucket/a/b` is ROOT/bucket/a/b and nothing else, so any program may read or write it.

A write is a temporary file that gets its name at the end, so it is seen whole or not at all. The generation of an
object is its modification time in nanoseconds; what is written here is always above what it replaces.

  ROOT/.tmp/             files being written, each locked by its writer: one that is not locked is of a dead process
  ROOT/.tmp/locks/00…3f  one for each 64th of all names, held while a name changes: a moment, however long the write
"""

import errno
import fcntl
import os
import stat
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from shared.domain.errors import StorageFull
from shared.storage.names import bucket_and_object, bucket_and_prefix, is_component
from shared.storage.ports import ABSENT, ObjectExists, ObjectMissing, Stat

__all__ = ["DirectoryObjects", "Finalized"]

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_MISSING: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO})
_NOT_HERE: Final = frozenset({errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM})
_BLOCK: Final = 2**20  # what a write holds in memory
_RANGE: Final = 2**30  # the most that the system is asked to copy at once
_LOCKS: Final = 64
_TICKS: Final = (1, 1_000, 1_000_000, 1_000_000_000, 2_000_000_000)  # ns: how coarsely file systems keep time


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalized:
    """An object has been written: what Cloud Storage's finalize notification says."""

    bucket: str
    name: str  # without the bucket, as in the notification
    generation: int
    size: int


class DirectoryObjects:
    """The objects port on a folder. `on_finalize` is called after each write and compose, before it returns."""

    def __init__(self, root: Path, on_finalize: Callable[[Finalized], None] | None = None) -> None:
        self._root = root
        self._incoming = _Incoming(root / ".tmp")
        self._locks = root / ".tmp" / "locks"
        self._on_finalize = on_finalize

    def write(self, name: str, chunks: Iterable[bytes], *, if_generation: int | None = None) -> Stat:
        path = self._path(name)
        _expect(name, _look(path), if_generation)
        with self._incoming.file() as (descriptor, temporary):
            _spool(descriptor, chunks)
            written = self._commit(name, descriptor, temporary, if_generation)
        return self._announced(written)

    def compose(self, name: str, sources: list[str], *, if_generation: int | None = None) -> Stat:
        path, bucket = self._path(name), bucket_and_object(name)[0]
        for source in sources:
            if bucket_and_object(source)[0] != bucket:
                raise ValueError(f"{source!r} is in another bucket than {name!r}")
        _expect(name, _look(path), if_generation)
        with self._incoming.file() as (descriptor, temporary):
            for source in sources:
                with self.open(source) as stream, _translated():
                    _append(stream.fileno(), descriptor)
            written = self._commit(name, descriptor, temporary, if_generation)
        return self._announced(written)

    def open(self, name: str, *, offset: int = 0) -> BinaryIO:
        """Read from `offset`. The open file stays the same one when the name gets another."""
        if offset < 0:
            raise ValueError(f"{name}: offset {offset}")
        with _translated():
            try:
                # A pipe or a device must not make us wait: it is no object.
                descriptor = os.open(self._path(name), os.O_RDONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno in _MISSING:
                    raise ObjectMissing(name) from error
                raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ObjectMissing(name)
        stream = os.fdopen(descriptor, "rb", buffering=_BLOCK // 4)
        stream.seek(offset)
        return stream

    def stat(self, name: str) -> Stat:
        found = _look(self._path(name))
        if found is None:
            raise ObjectMissing(name)
        return _stat(name, found)

    def delete(self, name: str, *, if_generation: int | None = None) -> None:
        path = self._path(name)
        with _translated(), self._changing(name):
            found = _look(path)
            if found is None:
                return
            _expect(name, found, if_generation)
            path.unlink(missing_ok=True)
        _sync(_remove_empty(path.parent, self._root))

    def list(self, prefix: str) -> Iterator[Stat]:
        bucket, start = bucket_and_prefix(prefix)
        folder, slash, stem = start.rpartition("/")
        return _walk(self._root / bucket / folder, f"gs://{bucket}/{folder}{slash}", stem)

    def sign(self, name: str, *, seconds: int, filename: str) -> str | None:  # noqa: ARG002
        """None: a folder has no URL of its own."""
        self._path(name)
        return None

    def _path(self, name: str) -> Path:
        bucket, rest = bucket_and_object(name)
        return self._root / bucket / rest

    def _commit(self, name: str, descriptor: int, temporary: Path, if_generation: int | None) -> Stat:
        path = self._path(name)
        with _translated():
            os.fsync(descriptor)
            with self._changing(name):
                replaced = _look(path)
                _expect(name, replaced, if_generation)
                stamped = _stamp(descriptor, replaced)
                folders = _place(name, path, temporary, absent=if_generation == ABSENT)
            for folder in folders:
                _sync(folder)
        return _stat(name, stamped)

    @contextmanager
    def _changing(self, name: str) -> Iterator[None]:
        """Hold the lock of this name, which is that of some others too."""
        path = self._locks / f"{zlib.crc32(name.encode()) % _LOCKS:02x}"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            self._locks.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing alone would not do, if we were forked meanwhile
            os.close(descriptor)

    def _announced(self, written: Stat) -> Stat:
        if self._on_finalize is not None:
            bucket, name = bucket_and_object(written.name)
            self._on_finalize(Finalized(bucket=bucket, name=name, generation=written.generation, size=written.size))
        return written


class _Incoming:
    """Where files wait for their names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._swept = False

    @contextmanager
    def file(self) -> Iterator[tuple[int, Path]]:
        """A new file, open for writing; whatever happens, its temporary name is gone at the end."""
        if not self._swept:
            self._swept = True
            self._sweep()
        with _translated():
            descriptor, temporary = self._create()
        try:
            yield descriptor, temporary
        except StorageFull:
            self._sweep()  # may be the room that the next one needs
            raise
        finally:
            temporary.unlink(missing_ok=True)
            os.close(descriptor)

    def _create(self) -> tuple[int, Path]:
        self._folder.mkdir(parents=True, exist_ok=True)
        while True:
            temporary = self._folder / os.urandom(16).hex()
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return descriptor, temporary
            os.close(descriptor)  # another process swept it between the two calls

    def _sweep(self) -> None:
        """Remove what processes that died in mid-write have left: at an adapter's first write, and on a full disk."""
        with suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                if path.is_file():
                    with suppress(OSError), path.open("rb") as stream:
                        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while its writer lives
                        path.unlink()


def _look(path: Path) -> os.stat_result | None:
    with _translated():
        try:
            found = path.stat()
        except OSError as error:
            if error.errno in _MISSING:
                return None
            raise
    return found if stat.S_ISREG(found.st_mode) else None


def _stat(name: str, found: os.stat_result) -> Stat:
    generation = found.st_mtime_ns
    return Stat(name=name, size=found.st_size, generation=generation, updated_at=generation // 1_000_000)


def _expect(name: str, found: os.stat_result | None, if_generation: int | None) -> None:
    generation = ABSENT if found is None else found.st_mtime_ns
    if if_generation is not None and generation != if_generation:
        raise ObjectExists(name)


def _spool(descriptor: int, chunks: Iterable[bytes]) -> None:
    waiting = bytearray()
    for chunk in chunks:
        if len(chunk) >= _BLOCK and not waiting:
            _write(descriptor, chunk)
            continue
        waiting += chunk
        if len(waiting) >= _BLOCK:
            _write(descriptor, waiting)
            waiting.clear()
    _write(descriptor, waiting)


def _write(descriptor: int, data: bytes | bytearray) -> None:
    with _translated(), memoryview(data) as view:
        done = 0
        while done < len(view):
            done += os.write(descriptor, view[done:])


def _append(source: int, target: int) -> None:
    """All of `source` behind what `target` has, without passing through us where the system can do that."""
    if hasattr(os, "copy_file_range"):
        try:
            while os.copy_file_range(source, target, _RANGE):
                pass
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
    while data := os.read(source, _BLOCK):  # what is left: nothing, or all of it
        _write(target, data)


def _stamp(descriptor: int, replaced: os.stat_result | None) -> os.stat_result:
    """Set the generation: now, but above the one that it replaces, whatever the clock says."""
    floor = 0 if replaced is None else replaced.st_mtime_ns
    for tick in _TICKS:
        generation = max(time.time_ns(), floor + tick)
        os.utime(descriptor, ns=(generation, generation))
        stamped = os.fstat(descriptor)
        if stamped.st_mtime_ns > floor:
            return stamped
    raise OSError(errno.EOVERFLOW, "this file system cannot date a file after the one that it replaces")


def _place(name: str, path: Path, temporary: Path, *, absent: bool) -> set[Path]:
    """Give the file its name. The value is the folders in which something is new."""
    changed = {path.parent}
    while True:
        try:
            if absent:
                path.hardlink_to(temporary)
            else:
                temporary.replace(path)
        except FileNotFoundError:  # no folder yet; or no more, since a delete has just removed the empty one
            temporary.stat()
            changed |= _make(name, path.parent)
        except FileExistsError as error:
            if path.is_dir():
                raise ValueError(f"{name!r} is a folder of other objects") from error
            raise ObjectExists(name) from error
        except (IsADirectoryError, NotADirectoryError) as error:
            raise ValueError(f"{name!r}: an object cannot be another one's folder") from error
        else:
            return changed


def _make(name: str, folder: Path) -> set[Path]:
    line = (folder, *folder.parents)
    missing = [each for each in line if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileNotFoundError, FileExistsError, NotADirectoryError) as error:
        if any(_is_no_folder(each) for each in line):
            raise ValueError(f"{name!r}: an object cannot be another one's folder") from error
        # else a delete is removing the same folders: the caller tries again
    return {each.parent for each in missing}


def _is_no_folder(path: Path) -> bool:
    try:
        return not stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _remove_empty(folder: Path, root: Path) -> Path:
    """Remove folders that hold nothing, up to the bucket's; the first that stays. A writer may be faster than we."""
    while folder.parent != root:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            break
        folder = folder.parent
    return folder


def _sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    with suppress(FileNotFoundError):  # emptied and removed in the meantime
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _walk(folder: Path, base: str, stem: str) -> Iterator[Stat]:
    """The objects below `folder` whose name there begins with `stem`, in the order of their full names' bytes."""
    try:
        with os.scandir(folder) as entries:
            found = [
                (os.fsencode(entry.name) + b"/" * entry.is_dir(follow_symlinks=False), entry.name)
                for entry in entries
                if entry.name.startswith(stem) and is_component(entry.name)
            ]
    except (FileNotFoundError, NotADirectoryError):
        return
    for key, name in sorted(found):  # a folder sorts as its objects do: `a-b` comes before `a/b`
        if key.endswith(b"/"):
            yield from _walk(folder / name, f"{base}{name}/", "")
        elif (seen := _look(folder / name)) is not None:
            yield _stat(base + name, seen)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull from error
        if error.errno == errno.ENAMETOOLONG:
            raise ValueError("the name is too long for this file system") from error
        raise
