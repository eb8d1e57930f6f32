"""Azure OpenAI as data: where its API is, what it takes, and what of a configuration cannot be.

https://learn.microsoft.com/azure/foundry/openai/how-to/batch, of 2026-11, unless another source is named.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from shared.config import Deployment
from shared.providers.base import Limits
from shared.providers.openai.profile import CHAT, COMPLETIONS, RESPONSES, no_header

__all__ = [
    "LIMITS",
    "base_url",
    "deployment_name",
    "embeds",
    "endpoints_of",
    "is_public",
    "is_v1",
    "model_of",
    "private_names",
    "query_of",
    "refuse",
]

LIMITS: Final = Limits(rows=50_000, bytes=190_000_000)  # it takes 100,000 lines; fewer fit better into what may wait

_HOST: Final = ".openai.azure.com"  # a resource under another name answers, but not to batches
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_BEHIND: Final = re.compile(r"/openai(?:/v1)?$")
_V1: Final = frozenset({"v1", "latest", "preview"})
_DATED: Final = re.compile(r"20\d{2}-\d{2}-\d{2}(-preview)?")
_KINDS: Final = re.compile(r"^(?:o_series|gpt5_series|responses)/")  # LiteLLM's: how it is to treat a deployment
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,253}")
_EMBEDDER: Final = re.compile(r"text-embedding-")
_EXAMPLE: Final = "such as https://my-resource.openai.azure.com"


def is_v1(deployment: Deployment) -> bool:
    """Whether the API has no date: without a version in the configuration, and with LiteLLM's names for that."""
    return not deployment.api_version or deployment.api_version in _V1


def base_url(deployment: Deployment) -> str:
    """Where `files` and `batches` are, however much of the path the configuration names. The version decides."""
    root = _BEHIND.sub("", (deployment.api_base or "").rstrip("/"))
    return f"{root}/openai/v1" if is_v1(deployment) else f"{root}/openai"


def query_of(deployment: Deployment) -> dict[str, str]:
    """What stands behind every path: v1 wants a version only where what is not stable yet is wanted."""
    if not is_v1(deployment):
        return {"api-version": deployment.api_version or ""}
    return {"api-version": "preview"} if deployment.api_version == "preview" else {}


def endpoints_of(deployment: Deployment) -> Mapping[str, str]:
    """What we offer, and what it is there: the `url` of a line and the `endpoint` of a batch.

    An API with a date has chat alone: all else is said as a chat. Embeddings have no batches here.
    """
    if is_v1(deployment):
        return {CHAT: CHAT, RESPONSES: RESPONSES, COMPLETIONS: CHAT}
    return dict.fromkeys((CHAT, RESPONSES, COMPLETIONS), "/chat/completions")


def model_of(deployment: Deployment) -> str:
    """What is deployed, where the configuration says so; else the deployment's name, which may tell."""
    return (deployment.base_model or deployment_name(deployment)).removeprefix("azure/")


def embeds(deployment: Deployment) -> bool:
    """Whether this is an embedding model, as far as a name tells."""
    return _EMBEDDER.match(model_of(deployment)) is not None


def deployment_name(deployment: Deployment) -> str:
    """What Azure wants as the `model` of a line."""
    return _KINDS.sub("", deployment.model)


def is_public(deployment: Deployment) -> bool:
    """Whether this is Azure itself, and not a server of one's own that speaks as it does."""
    return _host(deployment).endswith(_HOST)


def private_names(deployment: Deployment) -> tuple[str, ...]:
    """Names of the operator's that Azure repeats in its messages; what callers know already is none."""
    resource = _host(deployment).removesuffix(_HOST) if is_public(deployment) else ""
    known = {"", deployment.group, deployment.base_model}
    return tuple(name for name in (deployment_name(deployment), resource) if name not in known)


def refuse(deployment: Deployment) -> str | None:
    """Why this deployment cannot be opened; None where it can."""
    name = deployment_name(deployment)
    if not (_NAME.fullmatch(name) or (deployment.pattern and _NAME.fullmatch(name.replace("*", "x")))):
        return "an azure model needs the name of its deployment, such as azure/my-gpt-4o-batch"
    if not is_v1(deployment) and not _DATED.fullmatch(deployment.api_version or ""):
        return "api_version is v1, preview, or a date such as 2024-10-21 or 2025-04-01-preview"
    return _refuse_base(deployment) or _refuse_credentials(deployment)


def _refuse_base(deployment: Deployment) -> str | None:
    if not deployment.api_base:
        return f"an azure model needs api_base, {_EXAMPLE}"
    url = urlsplit(deployment.api_base)
    host = _host(deployment)
    if "/deployments" in url.path:
        return f"api_base is that of the resource, {_EXAMPLE}: batches are not found below /deployments"
    if host in _LOOPBACK or host in deployment.private_hosts:
        return None
    if not is_public(deployment):
        return (
            f"api_base must end in {_HOST}, {_EXAMPLE}: batches fail at a resource's other addresses"
            f" (a gateway of one's own is named in offpeak.private_hosts)"
        )
    if _BEHIND.sub("", url.path.rstrip("/")):
        return f"api_base is that of the resource, {_EXAMPLE}, with nothing behind it"
    return None


def _refuse_credentials(deployment: Deployment) -> str | None:
    application = (deployment.tenant_id, deployment.client_id, deployment.client_secret)
    if not deployment.api_key and not deployment.azure_ad_token and not all(application):
        return "an azure model needs api_key, or azure_ad_token, or tenant_id with client_id and client_secret"
    if (deployment.azure_ad_token or "").startswith("oidc/"):
        return "azure_ad_token is a token itself; for one that is renewed, give tenant_id, client_id and client_secret"
    if deployment.tenant_id and not _TENANT.fullmatch(deployment.tenant_id):
        return "tenant_id is the id or the domain of a tenant"
    return no_header(api_key=deployment.api_key, azure_ad_token=deployment.azure_ad_token)


def _host(deployment: Deployment) -> str:
    return (urlsplit(deployment.api_base or "").hostname or "").lower()
