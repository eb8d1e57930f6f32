"""What is said of a model that says nothing of itself."""

import pytest

from shared.app import abilities_of
from shared.config import Deployment

FLAT = {"supports_vision", "supports_function_calling", "supports_parallel_function_calling"}


def deployment(model: str, provider: str = "vertex_ai", **info: object) -> Deployment:
    return Deployment(id="d", group="g", provider=provider, model=model, project="p", location="global", info=info)


@pytest.mark.parametrize(
    ("model", "abilities"),
    [
        ("gemini-2.5-pro", FLAT | {"supports_reasoning"}),
        ("google/gemini-2.5-flash-lite", FLAT | {"supports_reasoning"}),
        ("publishers/google/models/gemini-3.1-pro-preview", FLAT | {"supports_reasoning"}),
        ("gemini-2.5-flash-preview-09-2025", FLAT | {"supports_reasoning"}),
        ("gemini-2.0-flash-001", FLAT),
        ("gemini-1.5-pro-002", set()),
        ("gemini-2.5-flash-image", set()),
        ("gemini-2.5-pro-preview-tts", set()),
        ("gemini-3.8-flash-cyber", set()),
        ("gemini-embedding-001", set()),
        ("gemini-*", set()),
        ("1234567890", set()),
        ("claude-sonnet-4-5", set()),
        ("meta/llama-3.3-70b-instruct-maas", set()),
    ],
)
def test_a_gemini_model_can_what_its_family_can(model: str, abilities: set[str]) -> None:
    assert {name for name, value in abilities_of(deployment(model)).items() if value} == abilities


def test_what_the_configuration_says_goes_before() -> None:
    told = abilities_of(deployment("gemini-2.5-pro", supports_vision=False, supports_pdf_input=True, supports_x="yes"))
    assert not told["supports_vision"]
    assert not told["supports_x"]
    assert told["supports_pdf_input"]
    assert told["supports_reasoning"]


def test_of_another_providers_model_nothing_is_known() -> None:
    assert abilities_of(deployment("gemini-2.5-pro", "hosted_vllm")) == {}
    assert abilities_of(deployment("gemini-2.5-pro", "nobody")) == {}
