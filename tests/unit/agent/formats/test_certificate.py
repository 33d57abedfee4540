"""The dates of a certificate, as OpenSSL's own bindings read them."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from agent.formats.certificate import MAX_CERTIFICATE_BYTES, Validity, first, validity
from agent.formats.errors import FormatError

KEY = ec.generate_private_key(ec.SECP256R1())
FIRST, LAST = datetime(1970, 1, 1), datetime(9999, 12, 31, 23, 59, 59)
MOMENTS = st.datetimes(FIRST, LAST).map(lambda found: found.replace(microsecond=0, tzinfo=UTC))


def made(begin, end, names=1):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"camera {n}") for n in range(names)])
    return (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(KEY.public_key()).serial_number(2**150)
        .not_valid_before(begin).not_valid_after(end)
        .sign(KEY, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )  # fmt: skip


SOME = made(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2050, 6, 7, 8, 9, 10, tzinfo=UTC))


@given(st.tuples(MOMENTS, MOMENTS).map(sorted), st.integers(0, 20))
def test_the_dates_are_those_that_went_in(moments, names):
    """UTCTime and GeneralizedTime, short and long lengths."""
    begin, end = moments
    assert validity(made(begin, end, names)) == Validity(int(begin.timestamp()), int(end.timestamp()))


def test_a_first_version_certificate_has_no_version():
    """RFC 5280, 4.1: absent means 1. Take the version out of a real one."""
    at = SOME.index(b"\xa0\x03\x02\x01\x02")
    inner_length, outer_length = at - 2, 2
    der = bytearray(SOME[:at] + SOME[at + 5 :])
    for length_at in (outer_length, inner_length):
        der[length_at : length_at + 2] = (int.from_bytes(der[length_at : length_at + 2], "big") - 5).to_bytes(2, "big")
    assert validity(bytes(der)) == validity(SOME)


@pytest.mark.parametrize("length", range(0, 200, 7))
def test_a_certificate_that_was_cut_off_is_refused(length):
    with pytest.raises(FormatError):
        validity(SOME[:length])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"260102030405Z", b"26010203040Z5"),
        (b"260102030405Z", b"260102030405+"),
        (b"260102030405Z", b"26013203x405Z"),
        (b"260102030405Z", b"261302030405Z"),
        (b"260102030405Z", b"x60102030405Z"),
        (b"\x17\x0d260102030405Z", b"\x16\x0d260102030405Z"),
        (b"\x17\x0d260102030405Z", b"\x17\x0c260102030405Z"),
        (b"20500607080910Z", b"2050060708091xZ"),
        (b"\x18\x0f20500607080910Z", b"\x18\x0e20500607080910Z"),
        (b"\x18\x0f20500607080910Z", b"\x18\x8320500607080910Z"),
        (b"\x18\x0f20500607080910Z", b"\x18\x8020500607080910Z"),
        (b"\x18\x0f20500607080910Z", b"\x17\x0d490607080910Z\x05\x00"),
    ],
)
def test_malformed_dates_are_refused(old, new):
    assert old in SOME
    with pytest.raises(FormatError):
        validity(SOME.replace(old, new))


def test_more_bytes_than_a_certificate_has_are_not_read():
    with pytest.raises(FormatError):
        validity(SOME + bytes(MAX_CERTIFICATE_BYTES))


@given(st.binary(max_size=300))
def test_random_bytes_are_a_format_error(body):
    with pytest.raises(FormatError):
        validity(body)


@given(st.integers(0, len(SOME) - 1), st.integers(0, 255))
def test_a_flipped_byte_is_another_certificate_or_none(at, value):
    body = SOME[:at] + bytes([value]) + SOME[at + 1 :]
    try:
        validity(body)
    except FormatError:
        pass


def test_the_first_certificate_of_a_chain_is_found():
    one, two = (x509.load_der_x509_certificate(der) for der in (SOME, made(FIRST, LAST)))
    chain = b"".join(item.public_bytes(serialization.Encoding.PEM) for item in (one, two))
    assert first(chain) == SOME
    assert first(b"subject=camera 1\n" + chain) == SOME


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"rotten",
        b"-----BEGIN CERTIFICATE-----\nMAMC",
        b"-----BEGIN CERTIFICATE-----\nM-MC\n-----END CERTIFICATE-----",
    ],
)
def test_what_is_no_certificate_in_pem_is_refused(pem):
    with pytest.raises(FormatError):
        first(pem)
