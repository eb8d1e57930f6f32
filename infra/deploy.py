"""Offpeak into a Google Cloud project: `infra/dev deploy PROJECT --config FILE`.

   check the configuration ─▶ zip ─▶ APIs, Google's own accounts ─▶ secrets and their values ─▶ everything else

Needs gcloud and terraform, and an account that may do all this (`gcloud auth application-default login`). Again is an
update: nothing is made twice, secrets keep their values, and what was once --set stays so until it is set otherwise.
That and the Terraform state lie in a bucket of the project; the folder that it is run in is .deploy/PROJECT-PREFIX.

Keys of providers are variables in the configuration (os.environ/NAME), and are taken from yours: a new value is a new
version of NAME's secret, and one that is not set here stays what it is there.
"""

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from infra.package import source_zip
from infra.portable import named_keys, portable
from shared.app import configuration
from shared.domain.errors import ConfigError
from shared.settings import chosen_key

__all__ = ["Deployment", "NotDeployed", "main"]

ROOT: Final = Path(__file__).resolve().parent.parent
_MODULE: Final = ROOT / "infra" / "gcp"
_REGION: Final = "us-central1"
_PLACE: Final = ROOT / ".deploy"
# What has to be on before Terraform can switch on the rest, and before Google makes its own accounts in the project.
_SERVICES: Final = (
    "aiplatform", "artifactregistry", "cloudfunctions", "cloudresourcemanager", "eventarc", "firestore", "iam",
    "pubsub", "run", "secretmanager", "serviceusage",
)  # fmt: skip
_AGENTS: Final = ("aiplatform", "artifactregistry", "cloudfunctions", "eventarc", "firestore", "pubsub", "run",
                  "secretmanager")  # fmt: skip
_FIRST: Final = ("google_logging_metric.count", "google_logging_metric.cost")
_KEPT: Final = 'google_secret_manager_secret.this["{}"]'  # one by one: what goes, goes after those who use it
_TRIES: Final = 3
_PAUSE: Final = 60.0  # seconds: grants and metrics of a new project take minutes until they are seen everywhere
_BACKEND: Final = 'terraform {{\n  backend "gcs" {{\n    bucket = "{bucket}"\n    prefix = "{prefix}"\n  }}\n}}\n'


class NotDeployed(Exception):
    """The reason, in a sentence."""


def main() -> int:
    options = _options()
    try:
        deployment = Deployment(options, _checked(options))
        deployment.prepare()
        deployment.apply()
        deployment.tell()
    except (NotDeployed, ConfigError, OSError) as error:
        print(f"infra/dev deploy: {error}", file=sys.stderr)
        return 1
    return 0


@dataclass(frozen=True, slots=True)
class _Checked:
    """A configuration that is right, and what belongs to it."""

    text: str  # as the functions will read it
    keys: dict[str, str] = field(repr=False)  # of providers: variable and value
    master_key: str = field(repr=False)  # empty: it says none


class Deployment:
    """One prefix in one project."""

    def __init__(self, options: argparse.Namespace, checked: _Checked) -> None:
        self._options, self._project, self._checked = options, options.project, checked
        self._folder = _PLACE / f"{options.project}-{options.prefix}"
        self._variables = self._folder / "terraform.tfvars.json"
        self._bucket = f"{options.project}-{options.prefix}-terraform"
        self._number = _gcloud("projects", "describe", self._project, "--format=value(projectNumber)")

    def prepare(self) -> None:
        """A folder with the module, the zip and the variables; APIs; Google's own accounts; the place of the state."""
        services = [f"{name}.googleapis.com" for name in _SERVICES]
        _gcloud("services", "enable", *services, "--project", self._project)
        for name in _AGENTS:
            service = f"--service={name}.googleapis.com"
            _gcloud("beta", "services", "identity", "create", service, "--project", self._project)
        _gcloud("storage", "service-agent", "--project", self._project)
        self._folder.mkdir(parents=True, exist_ok=True)
        for old in [*self._folder.glob("*.tf"), *self._folder.glob("modules")]:  # of an earlier version
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        shutil.copytree(_MODULE, self._folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("tests", ".terraform"))
        (self._folder / "source.zip").write_bytes(source_zip(ROOT))
        (self._folder / "offpeak.yaml").write_text(self._checked.text, encoding="utf-8")
        if not self._options.local_state:
            self._state_bucket()
        self._terraform("init", "-input=false")

    def apply(self) -> None:
        """What others need first, the secrets' values, everything; and Eventarc's audience once it is known."""
        chosen, names = self._chosen(), sorted(self._checked.keys)
        known = self._outputs().get("predictions_uri", {}).get("value")
        more: dict[str, Any] = {"provider_secrets": dict.fromkeys(names, "1")}  # until there are versions
        self._write(chosen, eventarc_audiences=[known] if known else [], **more)
        secret_keys = ["key_pepper", "master_key", *(f"provider_{name}" for name in names)]
        first = [*_FIRST, *(_KEPT.format(key) for key in secret_keys)]
        self._terraform("apply", *self._agreed(), *(f"-target={each}" for each in first))
        for name, made in (("master-key", self._checked.master_key or _master_key()), ("key-pepper", _pepper())):
            self._first_value(f"{self._options.prefix}-{name}", made)
        more = {"provider_secrets": {name: self._version(name) for name in names}}
        self._write(chosen, eventarc_audiences=[known] if known else [], **more)
        self._patiently("apply", *self._agreed())
        uri = self._outputs()["predictions_uri"]["value"]
        if uri != known:  # the service has just got its address
            self._write(chosen, eventarc_audiences=[uri], **more)
            self._patiently("apply", *self._agreed())

    def tell(self) -> None:
        outputs, variables = self._outputs(), json.loads(self._variables.read_text(encoding="utf-8"))
        url, secret = outputs["url"]["value"], outputs["secrets"]["value"]["master_key"]
        version = variables.get("secret_versions", {}).get("master_key", "1")
        print(
            f"\nOffpeak is at {url}; its master key is version {version} of the secret {secret}:\n"
            f'  export OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY="$(gcloud secrets versions access {version} '
            f'--secret {secret} --project {self._project})"\n'
            f'Try it, for some cents:\n  ./infra/dev smoke {url} "$OPENAI_API_KEY"'
        )

    def _chosen(self) -> dict[str, Any]:
        """What the operator has chosen, now and in earlier runs; kept beside the state."""
        place, name = self._folder / "chosen.json", f"gs://{self._bucket}/chosen.json"
        if not self._options.local_state:
            place.unlink(missing_ok=True)
            listed = _gcloud("storage", "objects", "list", f"gs://{self._bucket}", "--format=value(name)")
            if "chosen.json" in listed.split():
                _gcloud("storage", "cp", name, str(place))
        chosen: dict[str, Any] = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
        given = dict(self._options.set)
        if self._options.region is not None:
            given["region"] = self._options.region
        chosen = {"region": _REGION, **chosen, **given}
        place.write_text(json.dumps(chosen, indent=2), encoding="utf-8")
        if not self._options.local_state:
            _gcloud("storage", "cp", str(place), name)
        return chosen

    def _state_bucket(self) -> None:
        bucket = self._bucket
        found = _gcloud("storage", "buckets", "list", f"--filter=name={bucket}", "--format=value(name)",
                             "--project", self._project)  # fmt: skip
        if not found:
            _gcloud("storage", "buckets", "create", f"gs://{bucket}", "--project", self._project,
                         f"--location={self._options.region or _REGION}", "--uniform-bucket-level-access",
                         "--public-access-prevention")  # fmt: skip
            _gcloud("storage", "buckets", "update", f"gs://{bucket}", "--versioning")
        backend = _BACKEND.format(bucket=bucket, prefix=self._options.prefix)
        (self._folder / "backend_override.tf").write_text(backend, encoding="utf-8")

    def _first_value(self, secret: str, value: str) -> None:
        """Only ever the first one: a new deployment of the code is no reason to lock everybody out."""
        if not self._latest(secret):
            self._add(secret, value)

    def _version(self, name: str) -> str:
        """The version of a provider's key that holds the value of this variable; added where the latest does not."""
        secret, value = provider_secret(self._options.prefix, name), self._checked.keys[name]
        latest = self._latest(secret)
        if not latest or _value(secret, latest, self._project) != value:
            self._add(secret, value)
            latest = self._latest(secret)
        return latest

    def _latest(self, secret: str) -> str:
        """The number of its latest version; empty where there is none."""
        listed = _gcloud("secrets", "versions", "list", secret, "--filter=state=ENABLED", "--sort-by=~createTime",
                         "--limit=1", "--format=value(name)", "--project", self._project)  # fmt: skip
        return listed.rpartition("/")[2]

    def _add(self, secret: str, value: str) -> None:
        _gcloud("secrets", "versions", "add", secret, "--data-file=-", "--project", self._project, given=value)

    def _write(self, chosen: dict[str, Any], **more: Any) -> None:
        values = {
            "access": "load_balancer" if chosen.get("domain") else "public",
            "config": "offpeak.yaml",
            "prefix": self._options.prefix,
            "project_id": self._project,
            "project_number": self._number,
            "source_zip": "source.zip",
            **more,
            **chosen,
        }
        self._variables.write_text(json.dumps(values, indent=2), encoding="utf-8")

    def _outputs(self) -> dict[str, Any]:
        told = subprocess.run(
            ["terraform", "output", "-json"], cwd=self._folder, capture_output=True, text=True, check=False
        )
        if told.returncode:
            raise NotDeployed(f"terraform output failed: {told.stderr.strip()[-500:]}")
        found: dict[str, Any] = json.loads(told.stdout)
        return found

    def _agreed(self) -> list[str]:
        return ["-auto-approve", "-input=false"] if self._options.yes else []

    def _patiently(self, *arguments: str) -> None:
        for _ in range(_TRIES - 1):
            try:
                self._terraform(*arguments)
            except NotDeployed:
                print(f"\nThat may be a grant or a metric that is not seen yet: again in {_PAUSE:.0f} s", flush=True)
                time.sleep(_PAUSE)
            else:
                return
        self._terraform(*arguments)

    def _terraform(self, *arguments: str) -> None:
        if subprocess.call(["terraform", *arguments], cwd=self._folder):
            raise NotDeployed(f"terraform {arguments[0]} failed; the reason stands above")


def provider_secret(prefix: str, name: str) -> str:
    """The id of the secret that keeps a provider's key, by its variable; see infra/gcp/secrets.tf."""
    return f"{prefix}-provider-{name}"


def _checked(options: argparse.Namespace) -> _Checked:
    """The configuration, once it is known to be right: before anything is made."""
    path, environment = options.config, dict(os.environ)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotDeployed(f"cannot read the configuration {path}: {error}") from error
    names = named_keys(text, environment)
    for name in names:
        if not environment.get(name) and (stored := _stored(options, name)):
            environment[name] = stored
    config = configuration(text, name=str(path), environment=environment)
    if not config.deployments:
        raise NotDeployed(f"{path} has no model_list, so nobody could run anything")
    return _Checked(
        text=portable(text, name=str(path), environment=environment),
        keys={name: environment[name].strip() for name in names},
        master_key=chosen_key("", config.master_key, clients=False),
    )


def _stored(options: argparse.Namespace, name: str) -> str:
    """What an earlier run has kept of a variable that is not set here; empty where there was none, or no project."""
    secret = f"--secret={provider_secret(options.prefix, name)}"
    asked = ["gcloud", "secrets", "versions", "access", "latest", secret, "--project", options.project, "--quiet"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def _value(secret: str, version: str, project: str) -> str:
    return _gcloud("secrets", "versions", "access", version, f"--secret={secret}", "--project", project)


def _gcloud(*arguments: str, given: str | None = None) -> str:
    done = subprocess.run(
        ["gcloud", *arguments, "--quiet"], input=given, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise NotDeployed(f"gcloud {' '.join(arguments[:4])} failed; the reason stands above")
    return done.stdout.strip()


def _master_key() -> str:
    return f"sk-{secrets.token_urlsafe(32)}"


def _pepper() -> str:
    return secrets.token_hex(32)


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("NAME=VALUE, as in --set domain=batch.example.com")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="infra/dev deploy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("project", metavar="PROJECT", help="id of the project")
    parser.add_argument("--config", type=Path, required=True, help="YAML file with LiteLLM's model_list")
    parser.add_argument("--region", help=f"the first time; else {_REGION}")
    parser.add_argument("--prefix", default="offpeak", help="what every name begins with")
    parser.add_argument(
        "--set", type=_pair, action="append", default=[], metavar="NAME=VALUE",
        help="any variable of infra/gcp/variables.tf; JSON where it is no text",
    )  # fmt: skip
    parser.add_argument("--local-state", action="store_true", help="keep Terraform's state in the folder")
    parser.add_argument("--yes", action="store_true", help="do not ask before something is changed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
