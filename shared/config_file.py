"""A YAML file that knows in which line each of its values stands, and which of them are variables."""

from collections.abc import Mapping
from typing import Any, Final

import yaml
from pydantic import ValidationError

from shared.domain.errors import ConfigError

__all__ = ["ENVIRONMENT", "KEYS", "ConfigFile"]

ENVIRONMENT: Final = "os.environ/"  # in front of a variable's name, instead of a value
KEYS: Final = ("api_key", "azure_ad_token", "client_secret", "vertex_credentials")  # parameters that prove who we are


class ConfigFile:
    """`document` is what it says. Without `keys`, those whose variable is not set are left out."""

    def __init__(self, name: str, text: str = "", *, keys: bool = True) -> None:
        self.name, self._keys = name, keys
        try:
            self._tree = yaml.compose(text, Loader=yaml.SafeLoader)
            self.document = yaml.safe_load(text) or {}
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            at = f":{mark.line + 1}" if mark else ""
            raise ConfigError(f"{name}{at}: not valid YAML: {getattr(error, 'problem', None) or error}") from error

    def at(self, *path: str | int) -> str:
        """`file:line` of the value at `path`, or of the nearest thing around it."""
        node, line = self._tree, 0
        for step in path:
            node = _child(node, step)
            if node is None:
                break
            line = node.start_mark.line
        return f"{self.name}:{line + 1}"

    def checked(self, model: type[Any], value: object, *path: str | int) -> Any:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            problem = error.errors(include_input=False, include_url=False)[0]
            where = (*path, *problem["loc"])
            raise ConfigError(f"{self.at(*where)}: {'.'.join(map(str, where))}: {problem['msg']}") from error

    def resolved(self, value: Any, environment: Mapping[str, str], *path: str | int) -> Any:
        """The value with every string `os.environ/NAME` replaced by the variable; None for a key that is not wanted."""
        match value:
            case dict():
                return {key: self.resolved(member, environment, *path, key) for key, member in value.items()}
            case list():
                return [self.resolved(member, environment, *path, number) for number, member in enumerate(value)]
            case str() if value.startswith(ENVIRONMENT):
                variable = value.removeprefix(ENVIRONMENT)
                if variable not in environment:
                    if not self._keys and path[-1] in KEYS:
                        return None
                    raise ConfigError(f"{self.at(*path)}: the variable {variable} is not set")
                return environment[variable]
            case _:
                return value


def _child(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        member: yaml.Node = node.value[step]
        return member
    return None
