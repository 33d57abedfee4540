"""Digest access authentication against the published examples, and nonces that cannot be used twice."""

import hashlib

import pytest

from agent.app import digest
from agent.app.digest import MAX_NONCES, NONCE_LIFE_S, Nonces, response


def test_the_example_of_rfc_7616():
    text = "Mufasa:http-auth@example.org:Circle of Life"
    nonce, cnonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    counted = ("00000001", cnonce, "auth")
    ha1 = hashlib.sha256(text.encode()).hexdigest()
    found = response("SHA-256", ha1, "GET", "/dir/index.html", nonce, counted)
    assert found == "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    ha1 = hashlib.md5(text.encode()).hexdigest()
    assert response("MD5", ha1, "GET", "/dir/index.html", nonce, counted) == "8ca523f5e9506fed4657c9700eebdbec"


def test_the_stored_secret_is_ha1_of_our_realm():
    assert digest.secret("MD5", "admin", "x") == hashlib.md5(b"admin:camward:x").hexdigest()
    assert digest.secret("SHA-256", "admin", "x") == hashlib.sha256(b"admin:camward:x").hexdigest()


def test_a_nonce_is_used_once_per_count():
    nonces = Nonces(b"k" * 32)
    nonce = nonces.make(10.0)
    assert nonces.accept(nonce, 1, 11.0) is True
    assert nonces.accept(nonce, 1, 11.0) is None
    assert nonces.accept(nonce, 3, 11.0) is True
    assert nonces.accept(nonce, 2, 11.0) is None


@pytest.mark.parametrize("change", [lambda n: n[:-1] + "0" + "", lambda n: "0" * 48, lambda n: "", lambda n: n + "0"])
def test_a_nonce_of_somebody_else_is_refused(change):
    nonces = Nonces(b"k" * 32)
    nonce = nonces.make(10.0)
    other = change(nonce)
    assert other == nonce or nonces.accept(other, 1, 10.0) is False
    assert Nonces(b"l" * 32).accept(nonce, 1, 10.0) is False


def test_an_old_nonce_is_stale():
    nonces = Nonces(b"k" * 32)
    nonce = nonces.make(10.0)
    assert nonces.accept(nonce, 1, 10.0 + NONCE_LIFE_S + 1) is None


def test_a_forgotten_nonce_is_stale_and_never_fresh_again():
    nonces = Nonces(b"k" * 32)
    first = nonces.make(10.0)
    assert nonces.accept(first, 1, 10.0) is True
    for _ in range(MAX_NONCES):
        assert nonces.accept(nonces.make(10.0), 1, 10.0) is True
    assert nonces.accept(first, 1, 10.0) is None
    assert nonces.accept(first, 2, 10.0) is None
