import pytest

from tests.e2e.conformance import kit, passes_whole
from tests.e2e.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack"), pytest.mark.timeout(600), kit]


def test_the_sdk_s_own_tests_pass_on_one_machine(stack: Stack) -> None:
    passes_whole(stack.url, stack.key)
