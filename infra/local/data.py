"""The data folder of a stack on one machine, and who may use it.

documents.db  queue.db  standin.db  objects/<bucket>/…    the state; a new start goes on from it
master_key  key_pepper                                     made once, readable by their owner alone
config.yaml                                                the default configuration, written by every start
logs/<process>.log    lock                                 the lock is held while a stack runs
"""

import fcntl
import os
import secrets
from pathlib import Path
from typing import Final, TextIO

__all__ = ["DATA_BUCKET", "JOBS_BUCKET", "MODELS", "WORK_BUCKET", "CannotStart", "DataFolder"]

DATA_BUCKET: Final = "data"
WORK_BUCKET: Final = "work"
JOBS_BUCKET: Final = "jobs"  # that jobs in Vertex's own words may name
MODELS: Final = (
    "gemini-2.5-flash",
    "gemini-2.5-flash-lite",
    "gemini-2.5-pro",
    "gemini-3.8-flash",
    "gemini-embedding-001",
)
_CONFIG: Final = """\
# Written by `infra/dev up` with every start: models of the Vertex stand-in, which answers without an account.
# For your own models, pass your own file: infra/dev up --config FILE
offpeak:
  passthrough_buckets: [{bucket}]  # jobs in Vertex's own words read and write objects/{bucket} of the data folder
model_list:
"""
_MODEL: Final = """\
  - model_name: {model}
    litellm_params:
      model: vertex_ai/{model}
      vertex_project: offpeak-local
      vertex_location: global
      api_base: {standin}
"""


class CannotStart(Exception):
    """The reason, in one line for whoever started us."""


class DataFolder:
    """A folder that is ours alone while this object lives."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: TextIO | None = None
        try:
            buckets = (self.objects / bucket for bucket in (DATA_BUCKET, WORK_BUCKET, JOBS_BUCKET))
            for folder in (self.path, self.path / "logs", *buckets):
                folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / "lock").open("a+")
        except OSError as error:
            raise CannotStart(f"cannot use the data folder {path}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(f"the data folder {path} is in use by another running stack") from None

    @property
    def objects(self) -> Path:
        return self.path / "objects"

    def database(self, name: str) -> str:
        return f"sqlite://{self.path / name}"

    def master_key(self) -> str:
        """The key, made on the first start."""
        return self._secret("master_key", f"sk-{secrets.token_urlsafe(32)}")

    def key_pepper(self) -> str:
        """What virtual keys are hashed with, made on the first start: without it none of them is known again."""
        return self._secret("key_pepper", secrets.token_urlsafe(32))

    def _secret(self, name: str, made: str) -> str:
        place = self.path / name
        try:
            with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
                new.write(f"{made}\n")
        except FileExistsError:
            pass
        except OSError as error:
            raise CannotStart(f"cannot write {place}: {error.strerror}") from error
        key = place.read_text(encoding="ascii").strip()
        if not key:  # a full disk, the last time
            place.unlink()
            return self._secret(name, made)
        return key

    def default_config(self, standin: str) -> Path:
        place = self.path / "config.yaml"
        models = (_MODEL.format(model=model, standin=standin) for model in MODELS)
        text = _CONFIG.format(bucket=JOBS_BUCKET) + "".join(models)
        new = place.with_suffix(".new")
        try:
            new.write_text(text, encoding="utf-8")
            new.replace(place)
        except OSError as error:
            raise CannotStart(f"cannot write {place}: {error.strerror}") from error
        return place

    def log(self, process: str) -> Path:
        """Where a process writes to."""
        return self.path / "logs" / f"{process}.log"

    def release(self) -> None:
        if self._lock is not None:
            self._lock.close()
