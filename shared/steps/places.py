"""Where a shard may run: the deployments of its group, and which of them all of its lines allow."""

from shared.app import App
from shared.config import Deployment
from shared.domain.batch import Batch
from shared.domain.shard import Shard
from shared.providers.base import NATIVE
from shared.steps.index import Index
from shared.steps.route import candidates, named_by_hints

__all__ = ["choices", "places"]


def places(app: App, batch: Batch, shard: Shard) -> set[str]:
    """The deployments that may run all lines of a shard: each of its models, hints and prefixes has its say."""
    endpoint = NATIVE if batch.native else batch.endpoint
    found = {each.id for each in choices(app, batch, shard)}
    if not batch.native:
        index = Index(app.objects, shard.index)
        for model in {index.entry(position).model for position in range(len(index))}:
            found &= {each.id for each in candidates(app.config, batch, model)[1]}
    return {id for id in found if app.provider(id).codec(endpoint) is not None}


def choices(app: App, batch: Batch, shard: Shard) -> list[Deployment]:
    """The deployments of a shard's group, or of native rows those that their hints name: its own is among them."""
    if batch.native:
        named = named_by_hints(app.config, batch)
        return [] if named is None else named[1]
    provider, pattern = "", ":" in shard.deployment
    here = app.config.deployment(shard.deployment) if pattern else None
    if here is not None:  # a name that fits several patterns is known by the provider that it was found at
        provider = f"{here.provider}/"
    return app.config.deployments_of(shard.group, model=f"{provider}{shard.group}")
