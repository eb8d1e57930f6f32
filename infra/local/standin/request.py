"""What Vertex says to one row: the request's protobuf, field by field, and a few rules of the service.

A row that is wrong here fails alone, inline, with the text that a synchronous call would get. Both spellings of a
field are accepted, camelCase and snake_case, as protobuf's JSON has it.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

__all__ = ["RowRefused", "check_embed", "check_generate", "snake"]


class RowRefused(Exception):
    """The service answers this row with an error."""

    def __init__(self, message: str, code: int = 400, status: str = "INVALID_ARGUMENT") -> None:
        super().__init__(message)
        self.message, self.code, self.status = message, code, status


class Many:
    """A repeated field of `kind`."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


class Named:
    """A map from strings to `kind`."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


Kind = str | Many | Named

_MESSAGES: Final[Mapping[str, Mapping[str, Kind]]] = {
    "GenerateContentRequest": {
        "contents": Many("Content"),
        "system_instruction": "Content",
        "tools": Many("Tool"),
        "tool_config": "ToolConfig",
        "safety_settings": Many("SafetySetting"),
        "generation_config": "GenerationConfig",
        "labels": Named("string"),
        "cached_content": "string",
        "model_armor_config": "any",
    },
    "Content": {"role": "string", "parts": Many("Part")},
    "Part": {
        "text": "string",
        "inline_data": "Blob",
        "file_data": "FileData",
        "function_call": "FunctionCall",
        "function_response": "FunctionResponse",
        "executable_code": "any",
        "code_execution_result": "any",
        "thought": "bool",
        "thought_signature": "string",
        "video_metadata": "any",
        "media_resolution": "any",
    },
    "Blob": {"mime_type": "string", "data": "string", "display_name": "string"},
    "FileData": {"mime_type": "string", "file_uri": "string", "display_name": "string"},
    "FunctionCall": {"id": "string", "name": "string", "args": "struct"},
    "FunctionResponse": {"id": "string", "name": "string", "response": "struct", "parts": "any"},
    "Tool": {
        "function_declarations": Many("FunctionDeclaration"),
        "google_search": "any",
        "google_search_retrieval": "any",
        "enterprise_web_search": "any",
        "code_execution": "any",
        "url_context": "any",
        "retrieval": "any",
        "google_maps": "any",
        "computer_use": "any",
    },
    "FunctionDeclaration": {
        "name": "string",
        "description": "string",
        "parameters": "Schema",
        "parameters_json_schema": "any",
        "response": "Schema",
        "response_json_schema": "any",
    },
    "Schema": {
        "type": "type",
        "format": "string",
        "title": "string",
        "description": "string",
        "nullable": "bool",
        "default": "any",
        "items": "Schema",
        "min_items": "int",
        "max_items": "int",
        "enum": Many("string"),
        "properties": Named("Schema"),
        "property_ordering": Many("string"),
        "required": Many("string"),
        "min_properties": "int",
        "max_properties": "int",
        "minimum": "number",
        "maximum": "number",
        "min_length": "int",
        "max_length": "int",
        "pattern": "string",
        "example": "any",
        "any_of": Many("Schema"),
        "additional_properties": "any",
        "ref": "string",
        "defs": Named("Schema"),
    },
    "ToolConfig": {"function_calling_config": "FunctionCallingConfig", "retrieval_config": "any"},
    "FunctionCallingConfig": {"mode": "mode", "allowed_function_names": Many("string")},
    "SafetySetting": {"category": "category", "threshold": "threshold", "method": "string"},
    "GenerationConfig": {
        "temperature": "number",
        "top_p": "number",
        "top_k": "number",
        "candidate_count": "int",
        "max_output_tokens": "int",
        "stop_sequences": Many("string"),
        "response_logprobs": "bool",
        "logprobs": "int",
        "presence_penalty": "number",
        "frequency_penalty": "number",
        "seed": "int",
        "response_mime_type": "string",
        "response_schema": "Schema",
        "response_json_schema": "any",
        "routing_config": "any",
        "audio_timestamp": "bool",
        "response_modalities": Many("string"),
        "media_resolution": "string",
        "speech_config": "any",
        "thinking_config": "ThinkingConfig",
        "image_config": "any",
        "enable_affective_dialog": "bool",
    },
    "ThinkingConfig": {"include_thoughts": "bool", "thinking_budget": "int", "thinking_level": "level"},
    "EmbedContentRequest": {
        "content": "Content",
        "title": "string",
        "task_type": "string",
        "output_dimensionality": "int",
        "auto_truncate": "bool",
        "embed_content_config": "EmbedContentConfig",
    },
    "EmbedContentConfig": {
        "title": "string",
        "task_type": "string",
        "output_dimensionality": "int",
        "auto_truncate": "bool",
        "document_ocr": "bool",
        "audio_track_extraction": "bool",
    },
}

_ENUMS: Final[Mapping[str, frozenset[str]]] = {
    "type": frozenset({"TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"}),
    "mode": frozenset({"MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"}),
    "level": frozenset({"THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH"}),
    "category": frozenset({
        "HARM_CATEGORY_HATE_SPEECH", "HARM_CATEGORY_DANGEROUS_CONTENT", "HARM_CATEGORY_HARASSMENT",
        "HARM_CATEGORY_SEXUALLY_EXPLICIT", "HARM_CATEGORY_CIVIC_INTEGRITY", "HARM_CATEGORY_JAILBREAK",
    }),
    "threshold": frozenset({
        "HARM_BLOCK_THRESHOLD_UNSPECIFIED", "BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH",
        "BLOCK_NONE", "OFF",
    }),
}  # fmt: skip

_FUNCTION: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_LABEL: Final = re.compile(r"[a-z0-9_-]{0,63}")
_DATA: Final = frozenset({
    "text", "inline_data", "file_data", "function_call", "function_response", "executable_code",
    "code_execution_result",
})  # fmt: skip
_INT32: Final = 2**31


@cache
def snake(name: str) -> str:
    """`maxOutputTokens` as `max_output_tokens`."""
    return re.sub(r"(?<=[a-z0-9])[A-Z]", lambda match: "_" + match[0].lower(), name)


def check_generate(request: dict[str, Any]) -> dict[str, Any]:
    """The request in snake_case, as the service understands it; RowRefused."""
    clean: dict[str, Any] = _message(request, "GenerateContentRequest", "")
    contents = clean.get("contents")
    if not contents:
        raise RowRefused("Unable to submit request because at least one contents field is required.")
    if clean.get("cached_content"):
        raise RowRefused("Cached content is not supported in batch prediction.")
    for content in contents:
        if content.get("role") not in {"user", "model", None}:
            raise RowRefused("Please use a valid role: user, model.")
        _content(content)
    if contents[-1].get("role") == "model":
        raise RowRefused("Please ensure that multiturn requests end with a user role or a function response.")
    if "system_instruction" in clean:
        _content(clean["system_instruction"])
    _turns(contents)
    _tools(clean)
    _generation(clean.get("generation_config", {}))
    for name, value in clean.get("labels", {}).items():
        if not name or not _LABEL.fullmatch(name) or not _LABEL.fullmatch(value) or len(clean["labels"]) > 64:
            raise RowRefused(f"Invalid label: {name}")
    return clean


def check_embed(request: dict[str, Any]) -> dict[str, Any]:
    """The request in snake_case, its options merged into one place; RowRefused."""
    clean: dict[str, Any] = _message(request, "EmbedContentRequest", "")
    parts = clean.get("content", {}).get("parts") or []
    if not "".join(part.get("text", "") for part in parts).strip():
        raise RowRefused("content is empty")
    merged = {**clean, **clean.get("embed_content_config", {})}
    wanted = merged.get("output_dimensionality")
    if wanted is not None and not 1 <= wanted <= 3072:
        raise RowRefused("output_dimensionality must be between 1 and 3072.")
    return merged


def _message(value: object, kind: str, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RowRefused(f"Invalid value at '{path}' ({kind}), expected an object.")
    fields, clean = _MESSAGES[kind], {}
    for name, member in value.items():
        field = snake(name)
        if field not in fields:
            where = f" at '{path}'" if path else ""
            raise RowRefused(f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.')
        if member is not None:  # null is "not set"
            clean[field] = _field(member, fields[field], f"{path}.{field}" if path else field)
    return clean


def _field(value: object, kind: Kind, path: str) -> Any:
    if isinstance(kind, Many):
        if not isinstance(value, list):
            raise RowRefused(f"Invalid value at '{path}', expected a list.")
        return [_field(member, kind.kind, f"{path}[{number}]") for number, member in enumerate(value)]
    if isinstance(kind, Named):
        if not isinstance(value, dict):
            raise RowRefused(f"Invalid value at '{path}', expected an object.")
        return {name: _field(member, kind.kind, f"{path}['{name}']") for name, member in value.items()}
    if kind in _MESSAGES:
        return _message(value, kind, path)
    if kind in _ENUMS:
        if not isinstance(value, str) or value.upper() not in _ENUMS[kind]:
            raise RowRefused(f"Invalid value at '{path}' (TYPE_ENUM), \"{value}\"")
        return value.upper()
    if not _SCALARS[kind](value):
        raise RowRefused(f"Invalid value at '{path}' (TYPE_{kind.upper()})")
    if kind == "int":
        return int(value)  # type: ignore[call-overload]
    return float(value) if kind == "number" and isinstance(value, str) else value


def _is_int(value: object) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"-?\d{1,19}", value) is not None
    return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


_SCALARS: Final[Mapping[str, Callable[[object], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "int": _is_int,
    "number": _is_number,
    "struct": lambda value: isinstance(value, dict),
    "any": lambda _: True,
}


def _content(content: dict[str, Any]) -> None:
    parts = content.get("parts")
    if not parts:
        raise RowRefused("Unable to submit request because it must include at least one parts field.")
    for part in parts:
        if len(_DATA & part.keys()) != 1:
            raise RowRefused("Unable to submit request because a part must have exactly one initialized data field.")
        if part.get("text") == "":
            raise RowRefused("Unable to submit request because it must have a text parameter. Add a text parameter.")
        for name in ("inline_data", "file_data"):
            if name in part and not part[name].get("mime_type"):
                raise RowRefused("Unable to submit request because it must have a mimeType parameter.")
        uri = part.get("file_data", {}).get("file_uri", "gs://")
        if not uri.startswith(("gs://", "https://www.youtube.com/", "https://youtu.be/")):
            raise RowRefused("Unable to submit request because the fileUri is not gs:// or a public YouTube URL.")


def _turns(contents: list[dict[str, Any]]) -> None:
    """A turn of function calls is followed by as many responses."""
    open_calls = 0
    for content in contents:
        calls = sum("function_call" in part for part in content["parts"])
        answers = sum("function_response" in part for part in content["parts"])
        if answers != open_calls:
            raise RowRefused(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        open_calls = calls


def _tools(clean: dict[str, Any]) -> None:
    declared: set[str] = set()
    for position, tool in enumerate(clean.get("tools", [])):
        for number, function in enumerate(tool.get("function_declarations", [])):
            name = function.get("name", "")
            where = f"tools[{position}].function_declarations[{number}]"
            if not _FUNCTION.fullmatch(name):
                raise RowRefused(
                    f"The GenerateContentRequest proto is invalid:\n  * {where}.name: [FIELD_INVALID] Invalid function "
                    "name. Must start with a letter or an underscore, with a maximum length of 64."
                )
            if name in declared:
                raise RowRefused(f"Duplicate function declaration found: {name}")
            if function.get("parameters", {}).get("type", "OBJECT") != "OBJECT":
                raise RowRefused(f"{where}.parameters schema should be of type OBJECT.")
            declared.add(name)
    calling = clean.get("tool_config", {}).get("function_calling_config", {})
    if calling.get("mode") == "ANY" and not declared:
        raise RowRefused("Function calling config is set without function_declarations.")
    if calling.get("allowed_function_names") and calling.get("mode") not in {"ANY", "VALIDATED"}:
        raise RowRefused("Allowed function names should only be set when the mode is ANY or VALIDATED.")


_RANGES: Final = (
    ("temperature", 0, 2, "2.0001 (exclusive)"),
    ("top_p", 0, 1, "1"),
    ("candidate_count", 1, 8, "9 (exclusive)"),
    ("max_output_tokens", 1, 65_536, "65537 (exclusive)"),
    ("presence_penalty", -2, 2, "2 (exclusive)"),
    ("frequency_penalty", -2, 2, "2 (exclusive)"),
    ("logprobs", 0, 20, "20"),
    ("seed", -_INT32, _INT32 - 1, "the range of an int32"),
)


def _generation(config: dict[str, Any]) -> None:
    for name, least, most, said in _RANGES:
        if name in config and not least <= config[name] <= most:
            raise RowRefused(
                f"Unable to submit request because it has a {name} value of {config[name]} but the supported range "
                f"is from {least} (inclusive) to {said}. Update the value and try again."
            )
    if len(config.get("stop_sequences", [])) > 5:
        raise RowRefused("The number of stop sequences must not exceed 5.")
    if "logprobs" in config and not config.get("response_logprobs"):
        raise RowRefused("logprobs is set, but response_logprobs is not.")
    schemas = [name for name in ("response_schema", "response_json_schema") if name in config]
    if len(schemas) > 1:
        raise RowRefused("response_schema and response_json_schema must not be set together.")
    if schemas and config.get("response_mime_type") not in {"application/json", "text/x.enum"}:
        raise RowRefused("Schema is only supported with a response_mime_type of application/json or text/x.enum.")
    thinking = config.get("thinking_config", {})
    if "thinking_budget" in thinking and "thinking_level" in thinking:
        raise RowRefused("You can only set one of thinking budget and thinking level.")
