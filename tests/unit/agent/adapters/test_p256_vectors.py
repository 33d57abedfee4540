"""Vectors of our own making for the pure-Python ECDSA: built backwards from the sum that the verifier has to compute.

For any key d and any u1, u2 there is a signature whose verification computes u1*G + u2*Q with Q = d*G: R is that sum,
r its x, s = r / u2 and e = u1 * s. So every exception of the addition formulas can be met on purpose, and each verdict
is compared with the library's.
"""

import itertools

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.adapters.micropython import p256
from agent.core.trust_errors import SignatureError

N = p256.N
HALF = pow(2, -1, N)
NEAR = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65]
"""What the tables of multiples hold, what lies between, and what lies just beyond."""
SCALARS = [*NEAR, *(N - number for number in NEAR), HALF, HALF - 1, 2**128, 2**192 - 1, 2**255, 2**255 - 2**250]
scalars = st.one_of(st.sampled_from(SCALARS), st.integers(1, N - 1))
numbers = st.one_of(
    st.sampled_from([-1, 0, 1, 2, N - 2, N - 1, N, N + 1, 2 * N, p256.P - 1, p256.P, p256.P - N, 2**256 - 1, 2**256]),
    st.integers(0, 2**256),
)
digests = st.one_of(st.sampled_from([0, 1, N - 1, N, N + 1, 2**255, 2**256 - 1]), st.integers(0, 2**256 - 1))


def key_of(scalar: int) -> ec.EllipticCurvePublicKey:
    return ec.derive_private_key(scalar, ec.SECP256R1()).public_key()


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def by_library(key: ec.EllipticCurvePublicKey, r: int, s: int, digest: bytes) -> bool:
    try:
        key.verify(encode_dss_signature(r, s), digest, ec.ECDSA(Prehashed(SHA256())))
    except InvalidSignature:
        return False
    return True


def by_us(key: ec.EllipticCurvePublicKey, r: int, s: int, digest: bytes) -> bool:
    try:
        p256.verify(point_of(key), r, s, digest)
    except SignatureError:
        return False
    return True


def vector(scalar: int, u1: int, u2: int) -> tuple[int, int, bytes] | None:
    """r, s and the digest that lead to these factors; None where the sum is the point at infinity."""
    total = (u1 + u2 * scalar) % N
    if not total:
        return None
    r = key_of(total).public_numbers().x % N
    s = r * pow(u2, -1, N) % N
    return r, s, (u1 * s % N).to_bytes(32, "big")


@settings(max_examples=300, deadline=None)
@given(scalar=scalars, u1=st.one_of(st.just(0), scalars), u2=scalars)
def test_any_sum_verifies_and_nothing_beside_it(scalar: int, u1: int, u2: int) -> None:
    made = vector(scalar, u1, u2)
    key = key_of(scalar)
    if made is None:
        return
    r, s, digest = made
    assert by_library(key, r, s, digest)
    assert by_us(key, r, s, digest)
    assert by_us(key, r, N - s, digest)
    other = ((int.from_bytes(digest, "big") + 1) % N).to_bytes(32, "big")
    assert by_us(key, r, s, other) == by_library(key, r, s, other)
    assert by_us(key, s, r, digest) == by_library(key, s, r, digest)


@pytest.mark.parametrize("scalar", [1, 2, 3, 31, N - 1, N - 3, HALF])
def test_every_meeting_of_small_multiples(scalar: int) -> None:
    """With Q a small multiple of G the running sum meets the table's points: equal, opposite, and at infinity."""
    key = key_of(scalar)
    met = 0
    for u1 in (0, 1, 2, 3, 29, 31, 32, N - 1, N - 31, HALF):
        for u2 in (1, 2, 3, 15, 16, 17, N - 1, N - 15, HALF):
            made = vector(scalar, u1, u2)
            if made is None:
                met += 1
                s = 5  # any s; r = u2 * s and e = u1 * s lead to the point at infinity, which is no signature
                assert not by_us(key, u2 * s % N, s, (u1 * s % N).to_bytes(32, "big"))
                continue
            assert by_us(key, *made), (scalar, u1, u2)
    assert met or scalar == 31, "no sum was the point at infinity"


@settings(max_examples=300, deadline=None)
@given(scalar=scalars, r=numbers, s=numbers, digest=digests)
def test_any_numbers_are_judged_as_the_library_does(scalar: int, r: int, s: int, digest: int) -> None:
    key, hashed = key_of(scalar), digest.to_bytes(32, "big")
    # The library's encoder takes no negative numbers; they are refused before any arithmetic.
    theirs = r >= 0 and s >= 0 and by_library(key, r, s, hashed)
    assert by_us(key, r, s, hashed) == theirs


@settings(max_examples=100, deadline=None)
@given(scalar=scalars, u1=scalars, u2=scalars, digest_beyond=st.booleans())
def test_a_digest_beyond_the_order_counts_reduced(scalar: int, u1: int, u2: int, digest_beyond: bool) -> None:
    made = vector(scalar, u1, u2)
    if made is None:
        return
    r, s, digest = made
    number = int.from_bytes(digest, "big") + (N if digest_beyond else 0)
    if number >= 2**256:
        return
    raised = number.to_bytes(32, "big")
    assert by_us(key_of(scalar), r, s, raised) == by_library(key_of(scalar), r, s, raised) is True


@given(x=st.integers(0, 2**256 - 1), y=st.integers(0, 2**256 - 1))
def test_points_beside_the_curve_are_no_keys(x: int, y: int) -> None:
    """Those of a twist and of other curves with the same formulas included: b enters in this check alone."""
    point = b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")
    with pytest.raises(SignatureError):
        p256.verify(point, 1, 1, bytes(32))


@settings(max_examples=50)
@given(scalar=scalars, width=st.integers(2, 8))
def test_the_digits_make_the_number(scalar: int, width: int) -> None:
    digits = p256._digits(scalar, width)
    assert sum(digit << at for at, digit in enumerate(digits)) == scalar
    assert all(digit == 0 or (digit % 2 and abs(digit) < 1 << (width - 1)) for digit in digits)
    places = [at for at, digit in enumerate(digits) if digit]
    assert all(later - earlier >= width for earlier, later in itertools.pairwise(places))


@settings(max_examples=20, deadline=None)
@given(scalar=scalars, count=st.integers(1, 16))
def test_the_multiples_are_the_librarys(scalar: int, count: int) -> None:
    numbers = key_of(scalar).public_numbers()
    for index, (x, y) in enumerate(p256._odd_multiples((numbers.x, numbers.y), count)):
        expected = key_of((2 * index + 1) * scalar % N).public_numbers()
        assert (x, y) == (expected.x, expected.y)


@given(number=st.integers(1, N - 1))
def test_the_inverse(number: int) -> None:
    assert p256._inverse(number, N) == pow(number, -1, N)
    assert p256._inverse(number, p256.P) == pow(number, -1, p256.P)
