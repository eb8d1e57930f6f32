"""Where things lie in the two buckets. Names follow from our ids alone; nothing a caller wrote is part of one.

  data   files/<file>                                  what clients uploaded, and the outputs
         parts/<upload>/<part>                         pieces of uploads
         rows/<batch>/<shard or "prepare">/e<epoch>/   converted rows, until `finish` composes them
         rows/<batch>/<shard>/x<attempt>/              results of lines that are run one by one
  work   in/<batch>/<shard>/e<epoch>/lines.jsonl       what a provider reads, or is sent
         in/<batch>/<shard>/e<epoch>/index.jsonl       what we must remember about each line
         out/<batch>/<shard>/a<attempt>/               what a provider writes; the finalize trigger watches it
                                                       (results-1.jsonl: what `collect` copied from a provider)

An epoch is the number of a claim: two workers that both believe to hold a lease never write the same name.
"""

import re
from typing import Final

__all__ = [
    "batch_folders",
    "executed_prefix",
    "file_object",
    "file_of_object",
    "is_predictions",
    "job_output",
    "part_object",
    "parts_folder",
    "rows_prefix",
    "shard_folder",
    "shard_id",
    "shard_of_output",
    "shard_output",
    "split",
]

_FILE: Final = re.compile(r"file-[a-z2-7]{24}")
_OUTPUT: Final = re.compile(r"out/(?P<batch>batch_[0-9a-f]{32})/(?P<shard>\d{4,})/a\d+/.+")
# Vertex: predictions.jsonl, possibly sharded. `incremental_predictions.jsonl` is a partial export and no result.
_PREDICTIONS: Final = re.compile(r"(?:.*/)?prediction-[^/]+/predictions\.jsonl(-\d{5}-of-\d{5})?")


def split(name: str) -> tuple[str, str]:
    """`gs://bucket/a/b` as `("bucket", "a/b")`; ValueError where it is not of that form."""
    bucket, slash, rest = name.removeprefix("gs://").partition("/")
    if not name.startswith("gs://") or not bucket or not slash or not rest:
        raise ValueError(f"{name!r} is not gs://bucket/object")
    return bucket, rest


def shard_id(batch: str, number: int) -> str:
    return f"{batch}-{number:04d}"


def file_object(bucket: str, file: str) -> str:
    return f"gs://{bucket}/files/{file}"


def file_of_object(bucket: str, name: str) -> str | None:
    """The file whose object this is; None for everything else, in our buckets or in others."""
    file = name.removeprefix(file_object(bucket, ""))
    return file if file != name and _FILE.fullmatch(file) else None


def part_object(bucket: str, upload: str, part: str) -> str:
    return f"gs://{bucket}/parts/{upload}/{part}"


def parts_folder(bucket: str, upload: str) -> str:
    return f"gs://{bucket}/parts/{upload}/"


def rows_prefix(bucket: str, batch: str, stage: str, epoch: int) -> str:
    """`stage` is a shard's number in four digits, or `prepare`."""
    return f"gs://{bucket}/rows/{batch}/{stage}/e{epoch}"


def executed_prefix(bucket: str, batch: str, number: int, attempt: int) -> str:
    """With a slash at the end: where the results of one attempt are kept, by whichever worker."""
    return f"gs://{bucket}/rows/{batch}/{number:04d}/x{attempt}/"


def shard_folder(bucket: str, batch: str, number: int, epoch: int) -> str:
    return f"gs://{bucket}/in/{batch}/{number:04d}/e{epoch}"


def shard_output(bucket: str, batch: str, number: int, attempt: int) -> str:
    """With a slash at the end: the `outputUriPrefix` of one job, shared with no other."""
    return f"gs://{bucket}/out/{batch}/{number:04d}/a{attempt}/"


def batch_folders(data_bucket: str, work_bucket: str, batch: str) -> tuple[str, str]:
    """The prefixes of everything that `finish` leaves behind as waste: converted rows, and provider input."""
    return f"gs://{data_bucket}/rows/{batch}/", f"gs://{work_bucket}/in/{batch}/"


def is_predictions(object_name: str) -> bool:
    """Whether an object is a provider's final predictions, not a partial export or something else."""
    return _PREDICTIONS.fullmatch(object_name) is not None


def shard_of_output(object_name: str) -> str | None:
    """The shard whose predictions `out/…` are these; None for everything else in the bucket."""
    match = _OUTPUT.fullmatch(object_name)
    if match is None or not is_predictions(object_name):
        return None
    return f"{match['batch']}-{match['shard']}"


def job_output(bucket: str, object_name: str) -> str | None:
    """The `outputUriPrefix`, without a slash at its end, of the job whose predictions these may be; None of others."""
    if not is_predictions(object_name):
        return None
    return f"gs://{bucket}/{object_name}".rpartition("/")[0].rpartition("/")[0]
