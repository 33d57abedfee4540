"""EST's bytes: what is accepted as a request, what is refused, and how certificates are packed."""

import base64
import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from update_server.errors import BadInput, Unauthenticated
from update_server.keyfiles import new_key
from update_server.pki import authority, est


def request(key=None, serials=("KW1-1",)):
    name = x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, serial) for serial in serials])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key or new_key(), hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


def test_key_and_serial_number_are_taken_and_line_breaks_do_not_matter():
    key = new_key()
    parsed = est.parse_request(base64.encodebytes(request(key)))
    assert parsed.serial == "KW1-1"
    assert parsed.key.public_numbers() == key.public_key().public_numbers()


@pytest.mark.parametrize(
    "der",
    [
        request(ec.generate_private_key(ec.SECP384R1())),
        request(rsa.generate_private_key(65537, 2048)),
        request(serials=()),
        request(serials=("A", "B")),
        request(serials=("A B",)),
        request(serials=("..",)),
        request()[:-1],
        b"",
    ],
)
def test_other_keys_and_subjects_are_refused(der):
    with pytest.raises(BadInput):
        est.parse_request(base64.b64encode(der))


def test_a_request_that_its_key_did_not_sign_is_refused():
    der = bytearray(request())
    der[-1] ^= 1
    with pytest.raises(BadInput):
        est.parse_request(base64.b64encode(bytes(der)))


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(body):
    for candidate in (body, base64.b64encode(body)):
        with pytest.raises(BadInput):
            est.parse_request(candidate)


def test_too_long_a_body_is_refused_before_it_is_read():
    with pytest.raises(BadInput):
        est.parse_request(b"A" * (est.MAX_REQUEST_BYTES + 1))


@given(st.text(max_size=60))
def test_authorization_headers_parse_or_are_refused(header):
    try:
        user, password = est.parse_basic(header)
    except Unauthenticated:
        return
    assert isinstance(user, str)
    assert isinstance(password, str)


def test_a_colon_belongs_to_the_password():
    header = "Basic " + base64.b64encode(b"id:se:cret").decode()
    assert est.parse_basic(header) == ("id", "se:cret")


def test_certificates_are_packed_and_chain_to_the_authority(tmp_path):
    now = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)
    ca = authority.make(tmp_path, "An operator with a name that is longer than the sixty-four characters of X.520", now)
    key = new_key()
    certificate = ca.certify_device(key.public_key(), "KW1-1", 90, now)
    (unpacked,) = pkcs7.load_der_pkcs7_certificates(base64.b64decode(est.certs_only([certificate])))
    assert unpacked == certificate
    unpacked.verify_directly_issued_by(ca.certificate)
    assert unpacked.not_valid_after_utc == now + datetime.timedelta(days=90)
    assert len(authority.device_id(key.public_key())) == 26


def test_own_certificates_are_renewed_in_their_last_quarter(tmp_path):
    now = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)
    ca = authority.make(tmp_path, "Op", now)
    ca.write_server(("cam.example", "::1"), now)
    ca.write_ingest(now)
    before = (tmp_path / "server.pem").read_bytes()
    ca.renew_own(("cam.example",), now + datetime.timedelta(days=200))
    assert (tmp_path / "server.pem").read_bytes() == before
    ca.renew_own(("cam.example",), now + datetime.timedelta(days=390))
    assert (tmp_path / "server.pem").read_bytes() != before
    for name in ("ca.key.pem", "server.key.pem", "ingest.key.pem"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
