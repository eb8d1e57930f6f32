"""Where a job is to run: a project and a location of the configuration, as a path of Vertex names them, and a model.

What is not there, and what is not for this caller, is told alike, in Vertex's words.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from functions.http import Call
from shared.app import App
from shared.config import Deployment
from shared.domain.errors import Forbidden, NotFound
from shared.domain.ids import decoded
from shared.domain.passthrough import VertexJob
from shared.log import log
from shared.steps.projects import project_of

__all__ = ["Site", "deployment_of", "site_of"]

_PUBLISHED: Final = re.compile(r"publishers/([^/\s]+)/models/([^/\s]+)")
_PLACED: Final = re.compile(r"projects/([^/\s]+)/locations/([^/\s]+)/(.+)")
_ALONE: Final = frozenset({"google", "anthropic"})  # publishers whose models go by their bare names
_LONGEST_ECHO: Final = 200


@dataclass(frozen=True, slots=True)
class Site:
    """A project, by its id, and a location: where the configuration has deployments that jobs are passed through to."""

    project: str
    location: str

    def holds(self, job: VertexJob) -> bool:
        return (job.project, job.location) == (self.project, self.location)


def site_of(call: Call, verb: str) -> Site:
    """Where the request's path is. Forbidden, as at Vertex, where that is no place of ours."""
    if "project" not in call.names:
        found = next(iter(_sites(call.app)), None)
        project, location = ("", "") if found is None else (found.project, found.location)
    else:
        project, location = decoded(call.names["project"]), decoded(call.names["location"])
        found = _named(call.app, project, location)
    if found is None:
        raise Forbidden(
            f"Permission 'aiplatform.batchPredictionJobs.{verb}' denied on resource "
            f"'//aiplatform.googleapis.com/projects/{project[:_LONGEST_ECHO]}/locations/{location[:_LONGEST_ECHO]}' "
            "(or it may not exist)."
        )
    return found


def _named(app: App, project: str, location: str) -> Site | None:
    """The site of this project, by its id or its number, and location."""
    sites = _sites(app)
    if all(site.project != project for site in sites):
        project = project_of(app, project) or project
    return next((site for site in sites if (site.project, site.location) == (project, location)), None)


def deployment_of(call: Call, site: Site, model: str) -> Deployment:
    """Where a job of this model runs: the first deployment of it at the site whose group the caller may use.

    `model` is a group's name or a resource's. NotFound where there is none.
    """
    for deployment in _meant(call, site, model):
        if _at(deployment) == site and _path(call.app, deployment) is not None:
            if call.may_use(deployment.group):
                return deployment
            log("refused", severity="WARNING", audit=True, **call.caller.log_context(), not_allowed=deployment.group)
    raise NotFound(f"The PublisherModel {model.rpartition('/')[2][:_LONGEST_ECHO]} does not exist.")


def _meant(call: Call, site: Site, model: str) -> Iterable[Deployment]:
    """Where what a model's name means runs, at any site. What is no model of Google's may be a group: of a bare name
    google-genai makes `publishers/google/models/NAME` (its _transformers.t_model).
    """
    if not model.startswith(("publishers/", "projects/")):
        return _by_group(call, model)
    listed = list(_by_resource(call.app, site, model))
    published = None if listed else _PUBLISHED.fullmatch(_here(call.app, site, model) or "")
    if published is None:
        return listed
    publisher, name = published.groups()
    return _by_group(call, name if publisher == "google" else f"{publisher}/{name}")


def _by_group(call: Call, model: str) -> Iterator[Deployment]:
    group = call.app.config.group_of(model)
    yield from call.app.config.deployments_of(group, model=model) if group is not None else ()


def _by_resource(app: App, site: Site, model: str) -> Iterator[Deployment]:
    """Those whose jobs call the model so, also by a pattern that its name fits."""
    wanted = _here(app, site, model)
    if wanted is None:
        return
    listed = [each for each in app.config.deployments if not each.pattern]
    if published := _PUBLISHED.fullmatch(wanted):
        publisher, name = published.groups()
        listed += app.config.deployments_of(f"vertex_ai/{name if publisher in _ALONE else f'{publisher}/{name}'}")
    for deployment in listed:
        if _at(deployment) == site and (path := _path(app, deployment)) and _here(app, site, path) == wanted:
            yield deployment


def _here(app: App, site: Site, name: str) -> str | None:
    """A resource's name without its project and location; None where these are others than the site's."""
    placed = _PLACED.fullmatch(name)
    if placed is None:
        return name
    project, location, rest = placed.groups()
    return rest if _named(app, project, location) == site else None


def _path(app: App, deployment: Deployment) -> str | None:
    through = app.provider(deployment.id).passthrough
    return None if through is None else through.path


def _at(deployment: Deployment) -> Site | None:
    passed = deployment.provider == "vertex_ai" and deployment.passthrough
    return Site(deployment.project, deployment.location) if passed and deployment.project else None


def _sites(app: App) -> list[Site]:
    found = map(_at, app.config.deployments)
    return list(dict.fromkeys(site for site in found if site is not None))
