"""A vLLM deployment, or any server that speaks OpenAI's endpoints: its lines are run one by one, unless it has batches.

vLLM itself has none (0.33). AIBrix and llm-d have, and a vLLM of the future may: `model_info.batches` says whether to
use them (`server`), not to (`execute`, the default), or to ask (`auto`).
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final, NoReturn

from shared.config import Deployment
from shared.domain.errors import ConfigError
from shared.domain.shard import Job
from shared.log import log
from shared.providers.base import Codec, JobRequest, Media, Provider, Runner
from shared.providers.openai.client import OpenAIClient
from shared.providers.openai.dialect import Dialect, compatible_dialect
from shared.providers.openai.profile import limits_of
from shared.providers.vllm.codec import vllm_codec
from shared.providers.vllm.probe import has_batches
from shared.providers.vllm.profile import (
    CHAT,
    ENDPOINTS,
    JOB_LIMITS,
    LIMITS,
    PARALLEL,
    RESPONSES,
    base_url,
    media_hosts,
    private_names,
    refuse,
)
from shared.providers.vllm.runner import VllmRunner

__all__ = ["open_provider"]

_RESULTS: Final = re.compile(r"(?:.*/)?(?:part-e\d+-\d+|results-[1-9])\.jsonl")


class _NoJobs:
    """base.Client where lines are run one by one: nobody ever asks for a job."""

    def create_job(self, request: JobRequest) -> NoReturn:
        raise LookupError(f"{request.label}: there are no jobs at this server")

    def find_job(self, label: str, *, since: int = 0) -> NoReturn:  # noqa: ARG002
        raise LookupError(f"{label}: there are no jobs at this server")

    def get_job(self, name: str) -> NoReturn:
        raise LookupError(f"{name}: there are no jobs at this server")

    def cancel_job(self, name: str) -> NoReturn:
        raise LookupError(f"{name}: there are no jobs at this server")


def open_provider(deployment: Deployment, media: Media) -> Provider:  # noqa: ARG001  # it reads no bucket of ours
    """The deployment's provider. Nothing connects before its first call; ConfigError where it cannot be run."""
    if (why := refuse(deployment)) is not None:
        raise ConfigError(f"deployment {deployment.id}: {why}")
    model, hosts = deployment.model, media_hosts(deployment)
    private = private_names(deployment)

    def codec(endpoint: str) -> Codec | None:
        return vllm_codec(endpoint, model, hosts, private)

    def codec_named(name: str) -> Codec:
        for found in map(codec, (*ENDPOINTS, RESPONSES)):
            if found is not None and found.name == name:
                return found
        raise LookupError(f"{deployment.id}: {model} has no codec {name!r}")

    def runner() -> Runner:
        return VllmRunner(deployment)

    provider = Provider(
        client=_NoJobs(),
        limits=limits_of(deployment, LIMITS),
        codec=codec,
        codec_named=codec_named,
        predictions=_predictions,
        price_model=deployment.price_name or f"{deployment.provider}/{model}",
        location="global",
        executes=lambda: True,
        runner=runner,
        parallel=deployment.parallel or PARALLEL,
    )
    return _with_jobs(provider, deployment) if deployment.batches in {"server", "auto"} else provider


def _with_jobs(provider: Provider, deployment: Deployment) -> Provider:
    """The same, where the server is asked whether it has batches."""
    client = OpenAIClient(deployment, _dialect(deployment))
    limits = JOB_LIMITS if deployment.batches == "server" else LIMITS

    def executes() -> bool:
        return _executes(deployment)

    def tidy(job: Job) -> None:
        if not executes():  # what an executor leaves is ours alone
            client.tidy(job)

    return replace(
        provider,
        client=client,
        limits=limits_of(deployment, limits),
        fetch=client.fetch,
        tidy=tidy,
        executes=executes,
    )


def _executes(deployment: Deployment) -> bool:
    if has_batches(deployment):
        return False
    if deployment.batches == "server":
        log("server_without_batches", severity="WARNING", deployment=deployment.id)
    return True


def _dialect(deployment: Deployment) -> Dialect:
    return replace(
        compatible_dialect(deployment),
        base=base_url(deployment),
        endpoints={RESPONSES: CHAT},  # what its rows have become
        private=private_names(deployment),
    )


def _predictions(_: Job, names: Iterable[str]) -> list[str]:
    """What an executor wrote, or what `fetch` has copied."""
    return sorted(name for name in names if _RESULTS.fullmatch(name))
