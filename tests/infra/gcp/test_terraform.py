"""Terraform's own opinion, against the provider's schema."""

import subprocess

import pytest

from tests.infra.gcp.plans import GCP, VARIANTS, needed, offline, plan

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("terraform")]


def test_the_layout_is_the_formatters() -> None:
    needed("terraform")
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-recursive", "-diff", GCP], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("provider", ["6.50.0", "7.45.0"])
def test_it_is_valid(provider: str) -> None:
    offline("validate", provider=provider)


@pytest.mark.parametrize("provider", ["6.49.0", "8.0.0"])
def test_other_providers_are_refused(provider: str) -> None:
    """What is new in 6.50 is used; what 8 will take away nobody knows."""
    done = offline("validate", provider=provider, check=False)
    assert done.returncode != 0
    assert "version" in done.stderr


@pytest.mark.timeout(300)
def test_its_own_tests_pass() -> None:
    """infra/gcp/tests: what each variant makes, and what is refused."""
    offline("test", "-no-color")


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_can_be_planned(variant: str) -> None:
    assert len(plan(variant).resources) > 100
