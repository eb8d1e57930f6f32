"""Tokens of Microsoft Entra, from a server that gives them out as it does."""

import time

import pytest

from infra.local.standins.azure import CLIENT, SECRET, TENANT, AzureStandIn
from shared.providers.azure.credentials import EntraCredentials
from shared.providers.base import Busy, Refused


def entra(standin: AzureStandIn, secret: str = SECRET) -> EntraCredentials:
    return EntraCredentials(TENANT, CLIENT, secret, login=standin.base)


def asked(standin: AzureStandIn) -> int:
    return standin.journal.count("token")


def test_a_token_is_fetched_once_and_kept(standin: AzureStandIn) -> None:
    credentials = entra(standin)
    first = credentials.headers()
    assert credentials.headers() == first
    assert first["authorization"].removeprefix("Bearer ") in standin.tokens
    assert asked(standin) == 1


def test_a_token_is_renewed_before_it_ends(standin: AzureStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials, now = entra(standin), time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    first = credentials.headers()
    monkeypatch.setattr(time, "time", lambda: now + 3_599 - 301)
    assert credentials.headers() == first
    monkeypatch.setattr(time, "time", lambda: now + 3_599 - 299)
    assert credentials.headers() != first


def test_a_token_that_holds_is_used_while_no_other_can_be_had(
    standin: AzureStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials, now = entra(standin), time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    first = credentials.headers()
    standin.refuse["token"] = [(503, {}), (503, {})]
    monkeypatch.setattr(time, "time", lambda: now + 3_400)
    assert credentials.headers() == first
    monkeypatch.setattr(time, "time", lambda: now + 3_700)
    with pytest.raises(Busy):
        credentials.headers()


def test_a_token_that_was_not_accepted_is_fetched_again(standin: AzureStandIn) -> None:
    credentials = entra(standin)
    first = credentials.headers()
    credentials.forget()
    assert credentials.headers() != first


def test_a_secret_that_is_wrong_is_refused_until_it_is_right_and_nothing_is_named(standin: AzureStandIn) -> None:
    with pytest.raises(Refused) as caught:
        entra(standin, secret="wrong").headers()
    assert not caught.value.settled
    assert CLIENT not in str(caught.value)
    assert "AADSTS" not in str(caught.value)


@pytest.mark.parametrize("body", [{}, {"access_token": ""}, {"access_token": "a\r\nb: c"}, {"access_token": 7}, "x"])
def test_what_is_no_token_is_not_used(standin: AzureStandIn, body: object) -> None:
    standin.refuse["token"] = [(200, body)]
    with pytest.raises(Refused):
        entra(standin).headers()


def test_a_service_that_is_busy_or_silent_is_asked_later(standin: AzureStandIn) -> None:
    standin.refuse["token"] = [(429, {})]
    standin.says = {"retry-after": "7"}
    with pytest.raises(Busy) as caught:
        entra(standin).headers()
    assert caught.value.retry_after == 7
    with pytest.raises(Busy):
        EntraCredentials(TENANT, CLIENT, SECRET, login="http://127.0.0.1:1").headers()


def test_the_secret_goes_to_no_other_host(standin: AzureStandIn) -> None:
    standin.refuse["token"] = [(307, {})]
    with pytest.raises(Refused):
        entra(standin).headers()


def test_the_secret_is_in_no_text_of_the_credentials(standin: AzureStandIn) -> None:
    assert "canary" not in repr(entra(standin, secret="canary"))
