"""Answers that nobody could take for a model's: deterministic, and each says where it comes from.

A prompt steers its own answer by a marker, `stand-in:` and a word:

  fail  quota  deadline               the row fails inline: 400, 429, 504
  safety  recitation  malformed-call  the answer is stopped, without content
  blocked                             the prompt is blocked
  call                                a function is called although the mode is AUTO
  odd                                 a finish reason that no client knows, and no total of tokens
  missing  twice                      the row is never returned, or returned twice
  bare                                of an open model: the body itself is the response
"""

import base64
import hashlib
import math
import re
from array import array
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from infra.local.standin.request import RowRefused, check_embed, check_generate
from infra.local.standin.schema import value_for

__all__ = ["answer", "marker_of", "now", "refuse_marked", "vector"]

_HONEST: Final = "This is Offpeak's Vertex stand-in speaking; no model was asked."
_MARKER: Final = re.compile(rb"stand-in:([a-z-]+)")
_TOKEN: Final = re.compile(r"\s*(?:\w{1,6}|[^\w\s])")
_QUOTED: Final = 240
_IMAGE_TOKENS: Final = 258
_DIMENSIONS: Final = 3072
_LEVELS: Final = {"MINIMAL": 8, "LOW": 16, "MEDIUM": 32, "HIGH": 64}

_FAILURES: Final = {
    "fail": (400, "INVALID_ARGUMENT", "The stand-in was asked to fail this row."),
    "quota": (429, "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later."),
    "unlucky": (500, "INTERNAL", "The stand-in fails a share of all rows."),
    "deadline": (504, "DEADLINE_EXCEEDED", "Request deadline exceeded before prefill finished"),
}
_STOPPED: Final[dict[str, dict[str, Any]]] = {
    "safety": {
        "finishReason": "SAFETY",
        "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": True}],
    },
    "recitation": {
        "finishReason": "RECITATION",
        "citationMetadata": {"citations": [{"startIndex": 0, "endIndex": 128, "uri": "https://example.com/source"}]},
    },
    "malformed-call": {
        "finishReason": "MALFORMED_FUNCTION_CALL",
        "finishMessage": "Malformed function call: stand_in(",
    },
}


def now() -> str:
    """RFC 3339 with microseconds, as Vertex writes times."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def marker_of(line: bytes) -> str:
    """The word that steers a row, or nothing."""
    match = _MARKER.search(line)
    return match[1].decode() if match else ""


def answer(request: dict[str, Any], marker: str, model: str, *, embeds: bool) -> dict[str, Any]:
    """The `response` of one row; RowRefused where the service would answer with an error."""
    refuse_marked(marker)
    if embeds:
        return _embedding(check_embed(request))
    return _generated(check_generate(request), marker, model)


def refuse_marked(marker: str) -> None:
    """RowRefused for a row that asks to fail."""
    if marker in _FAILURES:
        code, status, message = _FAILURES[marker]
        raise RowRefused(message, code, status)


def _generated(request: dict[str, Any], marker: str, model: str) -> dict[str, Any]:
    seed = msgspec.json.encode(request, order="deterministic")
    prompt = _prompt_tokens(request)
    response: dict[str, Any] = {
        "createTime": now(),
        "modelVersion": f"{model}@stand-in",
        "responseId": base64.urlsafe_b64encode(hashlib.sha256(seed).digest()[:16]).decode().rstrip("="),
    }
    usage: dict[str, Any] = {
        "promptTokenCount": sum(prompt.values()),
        "promptTokensDetails": [{"modality": name, "tokenCount": count} for name, count in prompt.items()],
        "totalTokenCount": sum(prompt.values()),
        "trafficType": "ON_DEMAND",
    }
    if marker == "blocked":
        response["promptFeedback"] = {
            "blockReason": "PROHIBITED_CONTENT",
            "blockReasonMessage": "The stand-in was asked to block this prompt.",
        }
    elif marker in _STOPPED:
        response["candidates"] = [_STOPPED[marker]]
    else:
        _write(request, marker, response, usage)
    return {**response, "usageMetadata": usage}


def _write(request: dict[str, Any], marker: str, response: dict[str, Any], usage: dict[str, Any]) -> None:
    config = request.get("generation_config", {})
    thoughts = _thoughts(config.get("thinking_config", {}))
    room = config.get("max_output_tokens", 8_192)
    thought, room = min(thoughts, room), room - min(thoughts, room)
    count = config.get("candidate_count", 1)
    response["candidates"] = []
    written = 0
    for index in range(count):
        candidate, tokens = _candidate(request, config, marker, index, room)
        written += tokens
        if index:
            candidate["index"] = index
        if thought and config["thinking_config"].get("include_thoughts") and "content" in candidate:
            candidate["content"]["parts"].insert(0, {"text": "(the stand-in does not think)", "thought": True})
        response["candidates"].append(candidate)
    if written:
        usage["candidatesTokenCount"] = written
        usage["candidatesTokensDetails"] = [{"modality": "TEXT", "tokenCount": written}]
    if thought:
        usage["thoughtsTokenCount"] = thought
    usage["totalTokenCount"] += written + thought
    if marker == "odd":
        response["candidates"][0]["finishReason"] = "SOME_FUTURE_REASON"
        del usage["totalTokenCount"]


def _candidate(
    request: dict[str, Any], config: dict[str, Any], marker: str, index: int, room: int
) -> tuple[dict[str, Any], int]:
    call = _call(request, marker)
    if call is not None:
        tokens = max(1, len(msgspec.json.encode(call)) // 4)
        content = {"parts": [{"functionCall": call}], "role": "model"}
        return {"content": content, "finishReason": "STOP", "avgLogprobs": -0.02}, tokens
    text = _until_stop(_text(request, config, index), config.get("stop_sequences", []))
    pieces = _TOKEN.findall(text)
    written = pieces[:room]
    finish = "MAX_TOKENS" if len(written) < len(pieces) else "STOP"
    if not written:
        return {"finishReason": finish}, 0
    candidate: dict[str, Any] = {
        "content": {"parts": [{"text": "".join(written)}], "role": "model"},
        "finishReason": finish,
        "avgLogprobs": -0.25,
    }
    if config.get("response_logprobs"):
        candidate["logprobsResult"] = _logprobs(written, config.get("logprobs", 0))
    return candidate, len(written)


def _text(request: dict[str, Any], config: dict[str, Any], index: int) -> str:
    asked = " ".join(part.get("text", "(media)") for part in request["contents"][-1]["parts"])[:_QUOTED]
    if config.get("response_mime_type") == "application/json":
        schema = config.get("response_schema", config.get("response_json_schema"))
        value = {"stand_in": _HONEST, "you_wrote": asked} if schema is None else value_for(schema)
        return msgspec.json.encode(value).decode()
    if config.get("response_mime_type") == "text/x.enum":
        return str(value_for(config.get("response_schema")))
    again = f" (candidate {index})" if index else ""
    return f"{_HONEST}{again} You wrote: {asked}"


def _until_stop(text: str, sequences: list[str]) -> str:
    return text[: min((place for place in map(text.find, filter(None, sequences)) if place >= 0), default=None)]


def _call(request: dict[str, Any], marker: str) -> dict[str, Any] | None:
    declared = [function for tool in request.get("tools", []) for function in tool.get("function_declarations", [])]
    calling = request.get("tool_config", {}).get("function_calling_config", {})
    wanted = calling.get("mode") == "ANY" or (marker == "call" and calling.get("mode") != "NONE")
    allowed = calling.get("allowed_function_names")
    chosen = [function for function in declared if not allowed or function["name"] in allowed]
    if not wanted or not chosen:
        return None
    schema = chosen[0].get("parameters", chosen[0].get("parameters_json_schema"))
    call = {"name": chosen[0]["name"]}
    arguments = value_for(schema) if schema else None
    return {**call, "args": arguments} if arguments else call


def _logprobs(tokens: list[str], top: int) -> dict[str, Any]:
    chosen = [{"token": token, "tokenId": _number(token), "logProbability": -0.25} for token in tokens]
    result: dict[str, Any] = {"chosenCandidates": chosen}
    if top:
        others = [{"token": f"other{rank}", "tokenId": rank, "logProbability": -2.0 - rank} for rank in range(1, top)]
        result["topCandidates"] = [{"candidates": [token, *others]} for token in chosen]
    return result


def _thoughts(thinking: dict[str, Any]) -> int:
    if "thinking_level" in thinking:
        return _LEVELS.get(thinking["thinking_level"], 0)
    budget = thinking.get("thinking_budget", 0)
    return 24 if budget < 0 else min(int(budget), 24)


def _prompt_tokens(request: dict[str, Any]) -> dict[str, int]:
    """Plausible counts by modality: four characters of text are a token, an image is 258."""
    counts = {"TEXT": 0}
    for content in [*request["contents"], request.get("system_instruction", {"parts": []})]:
        for part in content["parts"]:
            media = part.get("inline_data") or part.get("file_data")
            if media is None:
                text = part.get("text")
                size = len(text) if text is not None else len(msgspec.json.encode(part))
                counts["TEXT"] += math.ceil(size / 4)
                continue
            family = media["mime_type"].partition("/")[0].upper()
            modality = family if family in {"IMAGE", "AUDIO", "VIDEO"} else "DOCUMENT"
            counts[modality] = counts.get(modality, 0) + _IMAGE_TOKENS
    for tool in request.get("tools", []):
        counts["TEXT"] += len(msgspec.json.encode(tool)) // 8
    return {name: count for name, count in counts.items() if count}


def _embedding(request: dict[str, Any]) -> dict[str, Any]:
    text = "".join(part.get("text", "") for part in request["content"]["parts"])
    count = math.ceil(len(text) / 4)
    details = [{"modality": "TEXT", "tokenCount": count}]
    usage = {"promptTokenCount": count, "promptTokensDetails": details, "totalTokenCount": count}
    return {
        "embedding": {"values": vector(text, request.get("output_dimensionality", _DIMENSIONS))},
        "usageMetadata": usage,
    }


def vector(text: str, dimensions: int) -> list[float]:
    """A vector of length one that follows from the text alone."""
    numbers = array("h", hashlib.shake_256(text.encode("utf-8", "surrogatepass")).digest(2 * dimensions))
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return [round(number / length, 9) for number in numbers]


def _number(token: str) -> int:
    return int.from_bytes(hashlib.sha256(token.encode()).digest()[:2], "big")
