"""What a completion request is as a chat, what is refused because no chat can do it, and the way back."""

import json
from typing import Any

import pytest
from openai.types import Completion

from shared.lines.completions import COMPLETIONS
from shared.lines.errors import LineError


def lowered(**body: Any) -> dict[str, Any]:
    return COMPLETIONS.lower({"model": "m", "prompt": "Once", **body}).body


@pytest.mark.parametrize("prompt", ["Once", ["Once"]])
def test_the_prompt_is_all_that_is_said(prompt: Any) -> None:
    assert lowered(prompt=prompt) == {"model": "m", "messages": [{"role": "user", "content": "Once"}]}


@pytest.mark.parametrize(
    "given",
    [
        {"max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "n": 2, "stop": ["a"], "seed": 1},
        {"presence_penalty": 0.5, "frequency_penalty": 0.5, "user": "u", "logit_bias": {}},
        {"safety_settings": [], "google": {}},
    ],
)
def test_parameters_that_a_chat_has_too(given: dict[str, Any]) -> None:
    assert lowered(**given) == {**lowered(), **given}


@pytest.mark.parametrize(
    "given",
    [
        {"suffix": None, "echo": None, "best_of": None, "logprobs": None, "stop": None},
        {"suffix": "", "echo": False, "best_of": 1},
    ],
)
def test_values_that_ask_for_nothing(given: dict[str, Any]) -> None:
    assert lowered(**given) == lowered()


def test_the_best_of_all_that_are_returned_are_all() -> None:
    assert lowered(n=3, best_of=3) == {**lowered(), "n": 3}


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [[1, 2]]}, "prompt"),
        ({"suffix": "end"}, "suffix"),
        ({"suffix": ["end"]}, "suffix"),
        ({"echo": True}, "echo"),
        ({"best_of": 3}, "best_of"),
        ({"best_of": 3, "n": 2}, "best_of"),
        ({"best_of": 1, "n": 8}, "best_of"),
        ({"best_of": True}, "best_of"),
        ({"best_of": "1"}, "best_of"),
        ({"logprobs": 0}, "logprobs"),
        ({"messages": []}, "messages"),
        ({"tools": []}, "tools"),
    ],
)
def test_what_no_chat_can_do_is_refused_by_name(given: dict[str, Any], param: str) -> None:
    with pytest.raises(LineError) as caught:
        lowered(**given)
    assert caught.value.param == param
    assert f"'{param}'" in caught.value.message


def choice(index: int, finish: str, **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": None, "refusal": None, **message}
    return {"index": index, "message": said, "logprobs": None, "finish_reason": finish, "native_finish_reason": "STOP"}


def complete(*choices: dict[str, Any], usage: Any = None) -> dict[str, Any]:
    chat = {"id": "chatcmpl-x1", "created": 5, "model": "m", "choices": list(choices), "usage": usage}
    body: dict[str, Any] = json.loads(json.dumps(COMPLETIONS.answer(chat, {})))
    assert Completion.model_validate(body, strict=True).to_dict(mode="json") == body
    return body


def test_an_answer_in_full() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    answer = complete(choice(0, "stop", content=" upon"), choice(1, "length", content=" more"), usage=usage)
    assert answer == {
        "id": "cmpl-x1",
        "object": "text_completion",
        "created": 5,
        "model": "m",
        "choices": [
            {"index": 0, "text": " upon", "logprobs": None, "finish_reason": "stop", "native_finish_reason": "STOP"},
            {"index": 1, "text": " more", "logprobs": None, "finish_reason": "length", "native_finish_reason": "STOP"},
        ],
        "usage": usage,
        "system_fingerprint": None,
    }


def test_what_was_filtered_is_an_empty_text() -> None:
    made = complete(choice(0, "content_filter", refusal="No."))["choices"][0]
    assert (made["text"], made["finish_reason"]) == ("", "content_filter")


def test_the_extensions_of_a_chat_are_kept() -> None:
    made = complete(choice(0, "stop", content="a", reasoning_content="hm"))["choices"][0]
    assert made["reasoning_content"] == "hm"
