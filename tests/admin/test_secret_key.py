import re

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.secret_key import hashed, mint, plausible, shown

MINTED = re.compile(r"sk-[0-9A-Za-z]{34}")


def test_keys_are_long_and_never_the_same() -> None:
    keys = {mint() for _ in range(1_000)}
    assert len(keys) == 1_000
    assert all(MINTED.fullmatch(key) and plausible(key) for key in keys)


@given(st.integers(3, 36), st.sampled_from("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
def test_one_wrong_character_is_noticed(place: int, wrong: str) -> None:
    key = mint(choice=lambda alphabet: alphabet[7])
    changed = key[:place] + wrong + key[place + 1 :]
    assert plausible(changed) == (changed == key)


def test_two_characters_in_the_wrong_order_are_noticed() -> None:
    key = mint()
    for place in range(3, len(key) - 1):
        swapped = key[:place] + key[place + 1] + key[place] + key[place + 2 :]
        assert plausible(swapped) == (swapped == key)


def test_keys_of_another_shape_may_be_keys() -> None:
    assert plausible("sk-1234567890123")
    assert plausible("sk-" + "x" * 256)
    for wrong in (
        "sk-123456789012",
        "sk-" + "x" * 257,
        "pk-1234567890123",
        "sk-12345678 0123",
        "sk-1234567890123\n",
        "",
    ):
        assert not plausible(wrong)
    assert not plausible("sk-12345678é0123")


def test_a_hash_needs_the_pepper_and_a_name_tells_nothing() -> None:
    assert hashed("a", "sk-x") != hashed("b", "sk-x")
    assert hashed("a", "sk-x") == hashed("a", "sk-x")
    assert re.fullmatch(r"[0-9a-f]{64}", hashed("a", "sk-x"))
    assert shown("sk-abcdefghijklmnop") == "sk-...mnop"
