import re
import secrets
import string
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.secret_key import hashed, hashes_meant, mint, plausible, shown

MINTED = re.compile(r"sk-[0-9A-Za-z]{28}_[0-9A-Za-z]{6}")


def test_keys_are_long_and_never_the_same() -> None:
    keys = {mint() for _ in range(1_000)}
    assert len(keys) == 1_000
    assert all(MINTED.fullmatch(key) and plausible(key) for key in keys)


@given(
    st.integers(3, 37).filter(lambda place: place != 31),
    st.sampled_from("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
)
def test_one_wrong_character_is_noticed(place: int, wrong: str) -> None:
    key = mint(choice=lambda alphabet: alphabet[7])
    changed = key[:place] + wrong + key[place + 1 :]
    assert plausible(changed) == (changed == key)


def test_two_characters_in_the_wrong_order_are_noticed() -> None:
    key = mint()
    for place in (*range(3, 30), *range(32, len(key) - 1)):  # beside the underscore it looks like somebody else's
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


@pytest.mark.parametrize("length", range(13, 65))
def test_letters_and_digits_of_any_length_may_be_a_key(length: int) -> None:
    """Also as many as ours have: none is taken for one of ours with a slip in it."""
    letters = string.ascii_letters + string.digits
    assert all(plausible("sk-" + "".join(secrets.choice(letters) for _ in range(length))) for _ in range(50))


def test_keys_that_other_gateways_make_may_be_keys() -> None:
    """LiteLLM's are `sk-` and 22 characters: `secrets.token_urlsafe(16)`."""
    assert all(plausible(f"sk-{secrets.token_urlsafe(size)}") for size in (16, 24, 32, 48) for _ in range(500))


def test_what_a_request_may_name_a_key_by() -> None:
    key = mint()
    digest = sha256(key.encode()).hexdigest()

    assert hashes_meant("p", key) == (hashed("p", key),)
    assert hashed("p", key) in hashes_meant("p", digest)
    assert hashed("p", key) in hashes_meant("p", hashed("p", key))
    assert hashed("p", key) not in hashes_meant("another", digest)
    assert hashes_meant("", key) == ()
    for wrong in (key[:-1], digest.upper(), digest[:-1], "", "key-" + "a" * 24):
        assert hashes_meant("p", wrong) == () or wrong == key[:-1]


def test_a_hash_needs_the_pepper_and_a_name_tells_nothing() -> None:
    assert hashed("a", "sk-x") != hashed("b", "sk-x")
    assert hashed("a", "sk-x") == hashed("a", "sk-x")
    assert re.fullmatch(r"[0-9a-f]{64}", hashed("a", "sk-x"))
    assert shown("sk-abcdefghijklmnop") == "sk-...mnop"
