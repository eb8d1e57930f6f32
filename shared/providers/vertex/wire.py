"""One request to Vertex's REST API with our credentials, and its answer: both bounded, in bytes and in time."""

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from shared.config import Deployment
from shared.domain.errors import Transient
from shared.providers.exchange import bounded, client_of, decoded, exchanged
from shared.providers.retry_after import retry_after
from shared.providers.vertex.credentials import GoogleCredentials

__all__ = ["Reply", "Wire", "base_url"]

_TIMEOUT: Final = httpx.Timeout(10.0, connect=5.0)


def base_url(deployment: Deployment) -> str:
    """Where the API of a deployment is, version included: `https://us-central1-aiplatform.googleapis.com/v1`.

    `global` has no prefix, a location without a hyphen is a multi-region, every other is a region.
    """
    if deployment.api_base is not None:
        base = deployment.api_base.rstrip("/")
        return base if re.search(r"/v1(beta1)?$", base) else f"{base}/v1"
    location = deployment.location
    if location == "global":
        host = "aiplatform.googleapis.com"
    elif "-" not in location:
        host = f"aiplatform.{location}.rep.googleapis.com"
    else:
        host = f"{location}-aiplatform.googleapis.com"
    return f"https://{host}/v1"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    body: Any  # decoded JSON, or None where it was none
    retry_after: float | None = None  # seconds

    @property
    def google(self) -> Mapping[str, Any] | None:
        """Google's error object, also as the list of one that some of its front ends send."""
        body = self.body[0] if isinstance(self.body, list) and self.body else self.body
        problem = body.get("error") if isinstance(body, dict) else None
        return problem if isinstance(problem, dict) else None


class Wire:
    """The way to one deployment's API. Thread-safe; nothing connects before the first request."""

    def __init__(
        self,
        deployment: Deployment,
        *,
        http: httpx.Client | None = None,
        credentials: GoogleCredentials | None = None,
    ) -> None:
        self.credentials = credentials or GoogleCredentials(deployment.credentials)
        self._base = base_url(deployment)
        self._http = http
        self._lock = threading.Lock()

    def send(self, method: str, path: str, deadline: float, **rest: Any) -> Reply:
        """The answer to one request, whatever it is. Lost; Busy where it certainly never went out; Transient."""
        headers = {"accept-encoding": "identity"}  # so that the bound on an answer is one on what we decode
        if self._base.startswith("https://"):  # a token never travels in the clear
            headers |= self.credentials.headers()
        if time.monotonic() >= deadline:
            raise Transient("vertex: no time left for this call")
        client = self._client()
        request = client.build_request(method, f"{self._base}/{path}", headers=headers, **rest)
        with exchanged(client, request, _TIMEOUT, deadline, name="vertex") as response:
            body = bounded(response, deadline)
        return Reply(response.status_code, decoded(body), retry_after(response.headers, time.time()))

    def _client(self) -> httpx.Client:
        with self._lock:
            if self._http is None:
                self._http = client_of(self._base)
            return self._http
