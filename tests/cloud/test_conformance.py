import pytest

from tests.cloud.stack import KEY, Cloud
from tests.e2e.conformance import kit, passes_whole

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cloud"), pytest.mark.timeout(600), kit]


def test_the_sdk_s_own_tests_pass_on_google_s_parts(cloud: Cloud) -> None:
    passes_whole(cloud.urls["api"], KEY)
