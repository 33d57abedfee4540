"""Pure-Python ECDSA P-256 against `cryptography`: what it takes and what it refuses."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.adapters.micropython import p256
from agent.core.trust_errors import SignatureError
from agent.formats.tuf import KEY_SCHEME, KEY_TYPE, Key, read_p256_key
from tests.repositories import verify_signature as by_library

KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
POINT = KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
MESSAGE = b"the river is rising"
SIGNATURE = KEY.sign(MESSAGE, ec.ECDSA(SHA256()))


def read(pem: str) -> Key:
    return read_p256_key("an id", KEY_TYPE, KEY_SCHEME, pem)


def refused(signature: bytes, message: bytes = MESSAGE, pem: str = PEM) -> None:
    with pytest.raises(SignatureError):
        p256.verify_signature(read(pem), signature, message)


def test_a_good_signature() -> None:
    p256.verify_signature(read(PEM), SIGNATURE, MESSAGE)


def test_a_key_of_another_scheme() -> None:
    with pytest.raises(SignatureError):
        p256.verify_signature(read(PEM).replace(scheme="ed25519"), SIGNATURE, MESSAGE)


@settings(max_examples=40)
@given(scalar=st.integers(1, p256.N - 1), message=st.binary(max_size=200))
def test_signatures_by_any_key(scalar: int, message: bytes) -> None:
    key = ec.derive_private_key(scalar, ec.SECP256R1())
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    signature = key.sign(message, ec.ECDSA(SHA256()))
    p256.verify_signature(read(pem), signature, message)
    refused(signature, message + b"x", pem)
    refused(signature, message)


@pytest.mark.parametrize("scalar", [1, 2, 3, 4, p256.N - 1, p256.N - 2])
def test_keys_that_meet_the_base_point(scalar: int) -> None:
    """Small multiples of G make the sums of the table hit doubling and infinity."""
    key = ec.derive_private_key(scalar, ec.SECP256R1())
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for count in range(8):
        p256.verify_signature(read(pem), key.sign(bytes([count]), ec.ECDSA(SHA256())), bytes([count]))


@given(at=st.integers(0, len(SIGNATURE) - 1), bit=st.integers(0, 7))
def test_every_flipped_bit_is_refused(at: int, bit: int) -> None:
    flipped = bytearray(SIGNATURE)
    flipped[at] ^= 1 << bit
    refused(bytes(flipped))


@given(signature=st.binary(max_size=90))
def test_random_bytes(signature: bytes) -> None:
    refused(signature)


@settings(max_examples=200)
@given(r=st.binary(max_size=34), s=st.binary(max_size=34), tail=st.binary(max_size=2))
def test_der_is_judged_as_the_library_does(r: bytes, s: bytes, tail: bytes) -> None:
    body = b"\x02" + bytes([len(r)]) + r + b"\x02" + bytes([len(s)]) + s
    der = b"\x30" + bytes([len(body)]) + body + tail
    try:
        ours: object = p256.signature_from_der(der)
    except SignatureError:
        ours = None
    try:
        theirs: object = decode_dss_signature(der)
    except ValueError:
        theirs = None
    if ours is not None:
        assert ours == theirs
    elif theirs is not None:
        assert isinstance(theirs, tuple)
        assert max(theirs) >= 1 << 256 or min(theirs) < 0 or len(der) < 8


R, S = decode_dss_signature(SIGNATURE)


@pytest.mark.parametrize(
    "body",
    [
        "0201010201010000",
        "02020001020101",
        "020101020200ff00",
        "0201010202007f",
        "02810101020101",
        "0200020101ff",
        "020101020181",
        "0201010301ff",
        "02010102",
        "020101020401",
    ],
)
def test_encodings_that_are_no_der(body: str) -> None:
    with pytest.raises(SignatureError):
        p256.signature_from_der(bytes([0x30, len(body) // 2]) + bytes.fromhex(body))


@pytest.mark.parametrize(
    ("r", "s"),
    [
        (0, S),
        (R, 0),
        (0, 0),
        (p256.N, S),
        (R, p256.N),
        (R + p256.N, S),
        (R, S + p256.N),
        (R, S - 1),
        (R - 1, S),
        (1, 1),
    ],
)
def test_numbers_out_of_range_or_wrong(r: int, s: int) -> None:
    with pytest.raises(SignatureError):
        p256.verify(POINT, r, s, b"\x01" * 32)
    refused(encode_dss_signature(r, s))


def test_the_other_s_is_as_valid() -> None:
    """ECDSA itself takes both; nothing of ours depends on signatures being unique."""
    p256.verify_signature(read(PEM), encode_dss_signature(R, p256.N - S), MESSAGE)


def test_zero_digest_and_sum_at_infinity() -> None:
    """With Q = -G and u1 = u2 the sum is the point at infinity: refused, not crashed."""
    key = ec.derive_private_key(p256.N - 1, ec.SECP256R1())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    with pytest.raises(SignatureError):
        p256.verify(point, 7, 5, (7).to_bytes(32, "big"))
    with pytest.raises(SignatureError):
        p256.verify(point, 7, 5, bytes(32))


def test_x_between_n_and_p_is_found_reduced() -> None:
    """r is x mod n; an x at or above n must still verify (the rare case that careless verifiers miss)."""
    x = p256.N + 1
    while True:
        yy = (x * x * x - 3 * x + p256.B) % p256.P
        y = pow(yy, (p256.P + 1) // 4, p256.P)
        if y * y % p256.P == yy:
            break
        x += 1
    # Any nonce point R = (x, y) with public key Q = r^-1 (s R - e G) makes (r, s) valid; take s = 1, e = 0.
    r = x - p256.N
    nonce_point = (x, y, 1)
    inverse = pow(r, p256.N - 2, p256.N)
    xj, yj, zj = p256._sum_of_products(0, inverse, nonce_point[:2])
    z_inverse = pow(zj, p256.P - 2, p256.P)
    qx, qy = xj * z_inverse**2 % p256.P, yj * z_inverse**3 % p256.P
    point = b"\x04" + qx.to_bytes(32, "big") + qy.to_bytes(32, "big")
    p256.verify(point, r, 1, bytes(32))
    with pytest.raises(SignatureError):
        p256.verify(point, r, 1, bytes(31) + b"\x01")
    with pytest.raises(SignatureError, match="out of range"):
        p256.verify(point, x, 1, bytes(32))  # x itself: one signature must not have two spellings of r


@pytest.mark.parametrize(
    "point",
    [
        b"",
        POINT[:-1],
        POINT + b"\x00",
        b"\x02" + POINT[1:],
        b"\x04" + bytes(64),
        POINT[:-1] + bytes([POINT[-1] ^ 1]),
        b"\x04" + p256.P.to_bytes(32, "big") + POINT[33:],
        POINT[:33] + p256.P.to_bytes(32, "big"),
    ],
)
def test_points_that_are_no_key(point: bytes) -> None:
    with pytest.raises(SignatureError):
        p256.verify(point, R, S, b"\x01" * 32)


def test_other_kinds_of_keys() -> None:
    others = (
        ec.generate_private_key(ec.SECP384R1()).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
        rsa.generate_private_key(65537, 2048).public_key(),
    )
    for key in others:
        refused(SIGNATURE, pem=key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())
    refused(SIGNATURE, pem="nonsense")


def test_the_library_agrees_on_the_same_vectors() -> None:
    by_library(read(PEM), SIGNATURE, MESSAGE)
    with pytest.raises(SignatureError):
        by_library(read(PEM), SIGNATURE, b"")
