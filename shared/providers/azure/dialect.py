"""Azure's way to speak OpenAI's Files and Batches."""

from typing import Final

from shared.config import Deployment
from shared.providers.azure.credentials import LOGIN, EntraCredentials
from shared.providers.azure.profile import base_url, endpoints_of, is_public, is_v1, private_names, query_of
from shared.providers.openai.dialect import Credentials, Dialect, Fixed, bearer

__all__ = ["azure_dialect"]

_FORTNIGHT: Final = 1_209_600  # seconds: the shortest life of a file. Files without an end are 500 a resource at most


def azure_dialect(deployment: Deployment, *, login: str = LOGIN) -> Dialect:
    """The dialect of one resource. `login`: where tokens come from."""
    stable = not is_v1(deployment) and not (deployment.api_version or "").endswith("-preview")
    return Dialect(
        name="azure",
        base=base_url(deployment),
        credentials=_credentials(deployment, login),
        query=query_of(deployment),
        endpoints=endpoints_of(deployment),
        input_life=_FORTNIGHT,
        output_life=None if stable else _FORTNIGHT,  # it came with 2025-03-01-preview, and then with v1
        labelled=False,
        reads_files=True,
        pause=60.0 if is_public(deployment) else 0.0,  # "wait at least 60 seconds between each status call"
        private=private_names(deployment),
    )


def _credentials(deployment: Deployment, login: str) -> Credentials:
    if deployment.api_key:
        return Fixed({"api-key": deployment.api_key})
    if deployment.azure_ad_token:
        return bearer(deployment.azure_ad_token)
    return EntraCredentials(
        deployment.tenant_id or "", deployment.client_id or "", deployment.client_secret or "", login=login
    )
