"""Where a line may run, from what its request says and what it says itself."""

import pytest

from shared.config import Config
from shared.domain.batch import Batch
from shared.domain.hints import Hints
from shared.environment import config_of_environment
from shared.lines.errors import InvalidLine, LineError
from shared.steps.route import candidates
from tests.storage.records import any_of

EVERYTHING = config_of_environment(
    {
        "VERTEXAI_PROJECT": "p",
        "OPENAI_API_KEY": "sk-x",
        "AZURE_API_BASE": "https://x.openai.azure.com",
        "AZURE_API_KEY": "k",
        "HOSTED_VLLM_API_BASE": "http://gpu:8000",
    }
)


def found(hints: Hints, model: str, config: Config = EVERYTHING) -> tuple[str, str]:
    batch: Batch = any_of(Batch, id="batch_a", hints=hints)
    group, deployments = candidates(config, batch, model)
    assert len({each.provider for each in deployments}) == 1
    return group, deployments[0].provider


@pytest.mark.parametrize(
    ("hints", "model", "provider"),
    [
        (Hints(), "gemini-2.5-flash", "vertex_ai"),
        (Hints(), "gpt-4o-mini", "openai"),
        (Hints(), "hosted_vllm/meta-llama/Llama-3", "hosted_vllm"),
        (Hints(provider="hosted_vllm"), "meta-llama/Llama-3", "hosted_vllm"),
        (Hints(provider="azure"), "dep-a", "azure"),
        (Hints(models=("dep-a",), provider="azure"), "dep-a", "azure"),
        (Hints(models=("dep-a",), provider="azure"), "azure/dep-a", "azure"),
        (Hints(provider="azure"), "gpt-4o-mini", "azure"),
    ],
)
def test_a_name_that_several_patterns_fit_is_known_by_its_provider(hints: Hints, model: str, provider: str) -> None:
    group, at = found(hints, model)
    assert at == provider
    assert group == model.removeprefix(f"{provider}/")


def test_a_name_that_nobody_places_is_no_model() -> None:
    with pytest.raises(InvalidLine):
        found(Hints(), "my-own-model")


def test_a_line_that_contradicts_its_request_is_an_error_of_the_line() -> None:
    for hints, model in [
        (Hints(models=("gemini-2.5-pro",)), "gemini-2.5-flash"),
        (Hints(provider="azure"), "openai/gpt-4o"),
    ]:
        with pytest.raises(LineError) as caught:
            found(hints, model)
        assert caught.value.code == "model_mismatch"
        assert not isinstance(caught.value, InvalidLine)
