"""Plans of infra/gcp, made without a network and without an account, as Python sees them.

Terraform itself does the work; tf-offline stands in for the provider, whose schema it knows.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

__all__ = ["GCP", "KMS_KEY", "NUMBER", "PROJECT", "ROOT", "VARIANTS", "Plan", "account", "needed", "offline", "plan"]

ROOT: Final = Path(__file__).resolve().parents[3]
GCP: Final = ROOT / "infra" / "gcp"
TF_OFFLINE: Final = ROOT.parent / "shared" / "tools" / "tf-offline" / "tf-offline"

KMS_KEY: Final = "projects/keys/locations/europe-west4/keyRings/offpeak/cryptoKeys/offpeak"
PROJECT: Final = "offpeak-test"
NUMBER: Final = "123456789012"
MINIMAL: Final[Mapping[str, Any]] = {
    "project_id": PROJECT,
    "project_number": NUMBER,
    "region": "europe-west4",
    "config": "tests/config.yaml",
    "source_zip": "tests/empty.zip",
}
VARIANTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "minimal": {},
    "public": {"access": "public"},
    "named": {"invokers": ["group:batchers@example.com"]},
    "balancer": {"access": "load_balancer", "domain": "batch.example.com"},
    "own_key": {"kms_key": KMS_KEY},
    "keys": {"config": "tests/keys.yaml", "provider_secrets": {"AZURE_API_KEY": "1", "OPENAI_API_KEY": "4"}},
    "passthrough": {"passthrough_buckets": ["offpeak-jobs"]},
    "everything": {
        "access": "load_balancer",
        "domain": "batch.example.com",
        "kms_key": KMS_KEY,
        "alert_channels": ["projects/offpeak-test/notificationChannels/17"],
        "daily_usd": 50,
        "labels": {"team": "batch"},
        "media_buckets": ["offpeak-media"],
        "point_in_time_recovery": True,
        "prefix": "off-peak",
        "vertex_projects": {"models-prod": "210987654321"},
        "functions": {"work": {"memory": "2Gi", "max_instances": 100}},
        "secret_versions": {"master_key": "3"},
    },
}


def account(name: str, prefix: str = "offpeak") -> str:
    """One of our service accounts, as IAM writes it."""
    return f"serviceAccount:{prefix}-{name}@{PROJECT}.iam.gserviceaccount.com"


def needed(*programs: Path | str) -> None:
    """Skip, with the reason, where one of these is not there; in CI that is a failure."""
    for program in programs:
        if shutil.which(program) is None:
            reason = f"{program} is not there: put terraform (1.9 or later) on PATH and tf-offline at {TF_OFFLINE}"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)


def offline(*arguments: Path | str, provider: str = "6.50.0", check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run tf-offline on infra/gcp: a command of terraform's, and its options. `provider`: the version to pose as."""
    needed("terraform", TF_OFFLINE)
    pose = f"--provider-version=google={provider}"
    command = [sys.executable, TF_OFFLINE, "--quiet", pose, "--root", GCP, GCP, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


@dataclass(frozen=True)
class Plan:
    """What would be made."""

    resources: list[dict[str, Any]]
    outputs: dict[str, Any]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """The arguments of all resources of one type, by address."""
        return {each["address"]: each["values"] for each in self.resources if each["type"] == kind}

    def one(self, kind: str, key: str | None = None) -> dict[str, Any]:
        """The only resource of a type, or of those made with `for_each` the one with this key."""
        (found,) = [
            each["values"]
            for each in self.resources
            if each["type"] == kind and (key is None or each.get("index") == key)
        ]
        return dict(found)

    def grants(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every grant: its address, and its arguments with `members` whatever the kind."""
        for each in self.resources:
            if each["type"].endswith(("_iam_member", "_iam_binding")):
                values = each["values"]
                yield each["address"], {**values, "kind": each["type"], "members": _members(values)}


def plan(variant: str) -> Plan:
    """The plan of one of VARIANTS, on an empty project."""
    return _planned(json.dumps({**MINIMAL, **VARIANTS[variant]}, sort_keys=True))


@cache
def _planned(variables: str) -> Plan:
    arguments = [f"-var={name}={_literal(value)}" for name, value in json.loads(variables).items()]
    document = json.loads(offline("plan-json", *arguments).stdout)
    values = document["planned_values"]
    return Plan(resources=list(_flat(values["root_module"])), outputs=values.get("outputs", {}))


def _literal(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _flat(module: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from _flat(child)


def _members(values: Mapping[str, Any]) -> list[str]:
    return list(values["members"]) if "members" in values else [values["member"]]
