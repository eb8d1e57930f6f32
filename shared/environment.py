"""A configuration without a file: LiteLLM's variables, each of whose providers runs any model."""

import os
from collections.abc import Mapping

from shared.config import Config
from shared.config_file import ConfigFile
from shared.domain.errors import ConfigError
from shared.listed_deployment import deployment_of
from shared.listed_entry import Entry, OurBlock
from shared.litellm import SAID_BY, VARIABLES, expanded
from shared.model_list import Refuse

__all__ = ["config_of_environment"]


def config_of_environment(environment: Mapping[str, str] | None = None, *, refuse: Refuse = lambda _: None) -> Config:
    """What LiteLLM's variables alone say: any model of each provider whose project, key or address they name."""
    environment = os.environ if environment is None else environment
    deployments = []
    for member in expanded({"model_name": "*", "litellm_params": {"model": "*"}}, environment):
        source = ConfigFile("the environment")
        deployment = deployment_of(source.checked(Entry, member), 0, source, OurBlock(), environment)
        if (why := refuse(deployment)) is not None:
            raise ConfigError(
                f"the environment: {', '.join(VARIABLES[deployment.provider][SAID_BY[deployment.provider]])}: {why}"
            )
        deployments.append(deployment)
    return Config(deployments=tuple(deployments))
