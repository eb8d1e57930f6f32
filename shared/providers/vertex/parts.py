"""Content parts: OpenAI's text, images, sound and files as Gemini's parts."""

import binascii
import re
from collections.abc import Callable
from typing import Any, Final

from shared.lines.checks import array, missing, object_, one_of, only, text, unsupported, wrong_value
from shared.providers.vertex.buckets import check_object
from shared.providers.vertex.draft import Draft

__all__ = ["parts_of", "texts_of"]

_DATA: Final = re.compile(r"data:([a-z]+/[A-Za-z0-9.+-]+)(?:;[A-Za-z0-9_-]+=[^;,]*)*;base64,", re.ASCII)
_MIME: Final = re.compile(r"[a-z]+/[A-Za-z0-9.+*-]+")
_YOUTUBE: Final = re.compile(
    r"https://(?:(?:www\.|m\.)?youtube\.com/(?:watch\?|shorts/)|youtu\.be/)[A-Za-z0-9_=&?%./-]+"
)

_MIME_OF: Final = {  # by extension of the object's name
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "gif": "image/gif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "aac": "audio/aac",
    "m4a": "audio/mp4",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "mpg": "video/mpeg",
    "mpeg": "video/mpeg",
    "webm": "video/webm",
}
_AUDIO: Final = {"wav": "audio/wav", "mp3": "audio/mpeg", "flac": "audio/flac", "ogg": "audio/ogg", "aac": "audio/aac"}
_DETAILS: Final = frozenset({"auto", "low", "high"})


def texts_of(content: Any, param: str, also: str = "text") -> list[str]:
    """The texts of content that can hold nothing else; empty ones are left out. `also` is a second type of text."""
    if isinstance(content, str):
        return [content] if content else []
    texts = []
    for at, item in enumerate(array(content, param)):
        here = f"{param}[{at}]"
        kind = _kind(item, here)
        if kind not in {"text", also}:
            raise wrong_value(f"{here}.type", "this message takes text only.")
        only(item, {"type", kind}, here)
        texts.append(text(item.get(kind), f"{here}.{kind}"))
    return [said for said in texts if said]


def parts_of(content: Any, param: str, draft: Draft) -> list[dict[str, Any]]:
    """The parts of a user's turn, in their order; empty texts are left out."""
    if isinstance(content, str):
        return [{"text": content}] if content else []
    parts = []
    for at, item in enumerate(array(content, param)):
        here = f"{param}[{at}]"
        kind = _kind(item, here)
        if kind not in _READERS:
            raise wrong_value(f"{here}.type", f"supported types are: {', '.join(sorted(_READERS))}.")
        only(item, {"type", kind}, here)
        if kind not in item:
            raise missing(f"{here}.{kind}")
        part = _READERS[kind](item[kind], f"{here}.{kind}", draft)
        if part is not None:
            parts.append(part)
    return parts


def _kind(item: Any, param: str) -> str:
    kind = object_(item, param).get("type")
    if kind is None:
        raise missing(f"{param}.type")
    return text(kind, f"{param}.type")


def _text(value: Any, param: str, _: Draft) -> dict[str, Any] | None:
    return {"text": value} if text(value, param) else None


def _image(value: Any, param: str, draft: Draft) -> dict[str, Any]:
    if isinstance(value, str):  # LiteLLM's short form
        return _media(value, param, param, None, draft)
    only(object_(value, param), {"url", "detail", "format"}, param)
    if value.get("detail") is not None:
        detail = one_of(value["detail"], f"{param}.detail", _DETAILS)
        draft.details = (draft.details or set()) | {detail}
    if value.get("url") is None:
        raise missing(f"{param}.url")
    return _media(value["url"], f"{param}.url", param, value.get("format"), draft)


def _audio(value: Any, param: str, _: Draft) -> dict[str, Any]:
    only(object_(value, param), {"data", "format"}, param)
    mime = _AUDIO[one_of(value.get("format"), f"{param}.format", _AUDIO.keys())]
    return _inline(mime, text(value.get("data"), f"{param}.data"), f"{param}.data")


def _file(value: Any, param: str, draft: Draft) -> dict[str, Any]:
    only(object_(value, param), {"file_data", "file_id", "filename", "format"}, param)
    name = text(value.get("filename") or "", f"{param}.filename")
    mime = value.get("format")
    if value.get("file_data") is not None:
        data, here = text(value["file_data"], f"{param}.file_data"), f"{param}.file_data"
        if ":" in data:  # never part of base64
            return _media(data, here, param, mime, draft)
        return _inline(_mime(mime, name, param), data, here)
    if value.get("file_id") is None:
        raise missing(f"{param}.file_data")
    given, here = text(value["file_id"], f"{param}.file_id"), f"{param}.file_id"
    if not given.startswith("gs://"):
        raise unsupported(here, "give the file as file_data, or as a gs:// URL.")
    return _media(given, here, param, mime, draft)


_READERS: Final[dict[str, Callable[[Any, str, Draft], dict[str, Any] | None]]] = {
    "text": _text,
    "image_url": _image,
    "input_audio": _audio,
    "file": _file,
}


def _media(url: Any, here: str, param: str, mime: Any, draft: Draft) -> dict[str, Any]:
    """Data, an object of Cloud Storage, or a public video: all that a batch can read."""
    if text(url, here).startswith("data:"):
        if not (head := _DATA.match(url)):
            raise wrong_value(here, "a data: URL must look like data:<type>/<subtype>;base64,<data>.")
        return _inline(_registered(head[1]), url[head.end() :], here)
    if url.startswith("gs://"):
        check_object(url, here, draft.media)
        return {"fileData": {"mimeType": _mime(mime, url, param), "fileUri": url}}
    if _YOUTUBE.fullmatch(url):
        return {"fileData": {"mimeType": "video/mp4", "fileUri": url}}
    raise wrong_value(here, "batch prediction reads gs:// and data: URLs only, and public YouTube videos.")


def _inline(mime: str, data: str, param: str) -> dict[str, Any]:
    try:
        if not binascii.a2b_base64(data, strict_mode=True):
            raise wrong_value(param, "it is empty.")
    except ValueError as error:  # binascii.Error, or characters that are not ASCII
        raise wrong_value(param, "it is not base64.") from error
    return {"inlineData": {"mimeType": mime, "data": data}}


def _mime(given: Any, name: str, param: str) -> str:
    """As the caller says, else by the name's extension."""
    if given is not None:
        if not _MIME.fullmatch(text(given, f"{param}.format")):
            raise wrong_value(f"{param}.format", "it must be a media type such as image/png.")
        return _registered(given)
    known = _MIME_OF.get(name.rpartition(".")[2].lower())
    if known is None:
        raise wrong_value(f"{param}.format", "a media type such as image/png is needed here.")
    return known


def _registered(mime: str) -> str:
    """Many write image/jpg, which no model knows."""
    return "image/jpeg" if mime.lower() == "image/jpg" else mime
