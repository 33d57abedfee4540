"""Wrapped keys: our two sides against an implementation from the RFC's text, which its own test vector vouches for."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_private_key

from agent.adapters.linux.keys import UnsafeFileKeyStore
from agent.adapters.linux.store import FileStore
from agent.adapters.linux.unsealer import HpkeUnsealer
from agent.formats import base64
from agent.formats.delivery import Artifact
from agent.formats.errors import Rejected, Unavailable
from agent.formats.segments import KEY_INFO
from tests.unit.agent.adapters import hpke_reference
from update_server import keyfiles
from update_server.repository import sealing

KEY, INFO = bytes(range(32)), b"info of an artifact"
ARTIFACT = Artifact("", "a.segments", 100, "ab" * 32, 60, "cd" * 32, b"", b"")


@pytest.fixture
def unsealer(tmp_path):
    return HpkeUnsealer(UnsafeFileKeyStore(FileStore(tmp_path)), "unseal")


@pytest.fixture
def public(unsealer):
    return load_der_public_key(unsealer.public())


def test_the_reference_gives_what_rfc_9180_says():
    """A.3.1: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, base mode, sequence number 0."""
    number = int("f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2", 16)
    recipient = ec.derive_private_key(number, ec.SECP256R1())
    enc = bytes.fromhex(
        "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac9"
        "8536d7b61a1af4b78e5b7f951c0900be863c403ce65c9bfcb9382657222d18c4"
    )
    sealed = bytes.fromhex("5ad590bb8baa577f8619db35a36311226a896e7342a6d836d8b7bcd2f20b6c7f9076ac232e3ab2523f39513434")
    assert (
        hpke_reference.unseal(
            recipient, enc, b"Ode on a Grecian Urn", sealed, b"Count-0", aead=hpke_reference.AES_128_GCM
        )
        == b"Beauty is truth, truth beauty"
    )


def test_the_camera_opens_what_anybody_sealed_for_it_by_the_rfc(unsealer, public):
    for length in (0, 1, 32, 100):
        enc, sealed = hpke_reference.seal(public, INFO, bytes(length))
        assert unsealer.open(enc, sealed, INFO) == bytes(length)


def test_what_the_server_seals_opens_by_the_rfc():
    recipient = ec.generate_private_key(ec.SECP256R1())
    made = sealing.wrapped(KEY, keyfiles.public_pem(recipient.public_key()), ARTIFACT, {})
    enc, sealed = base64.decode(made["enc"]), base64.decode(made["sealed"])
    info = KEY_INFO + bytes.fromhex(ARTIFACT.index_sha256)
    assert hpke_reference.unseal(recipient, enc, info, sealed) == KEY


@pytest.mark.parametrize("at", [0, 1, 64, 65, -1])
def test_what_was_altered_does_not_open(unsealer, public, at):
    enc, sealed = hpke_reference.seal(public, INFO, KEY)
    whole = bytearray(enc + sealed)
    whole[at] ^= 1
    with pytest.raises(Rejected):
        unsealer.open(bytes(whole[:65]), bytes(whole[65:]), INFO)


def test_what_is_for_another_purpose_or_camera_does_not_open(unsealer, public):
    enc, sealed = hpke_reference.seal(public, INFO, KEY)
    with pytest.raises(Rejected):
        unsealer.open(enc, sealed, INFO + b"x")
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    enc, sealed = hpke_reference.seal(other, INFO, KEY)
    with pytest.raises(Rejected):
        unsealer.open(enc, sealed, INFO)


@pytest.mark.parametrize("enc", [b"", bytes(65), b"\x04" + bytes(64), bytes(1000)])
def test_nonsense_is_refused(unsealer, public, enc):
    with pytest.raises(Rejected):
        unsealer.open(enc, b"", INFO)


def test_the_key_is_made_once_and_only_its_owner_reads_it(unsealer, tmp_path):
    first = unsealer.public()
    again = HpkeUnsealer(UnsafeFileKeyStore(FileStore(tmp_path)), "unseal")
    assert again.public() == first
    path = tmp_path / "identity/unseal.key.pem"
    assert oct(path.stat().st_mode)[-3:] == "600"
    assert load_pem_private_key(path.read_bytes(), None).public_key() == load_der_public_key(first)


def test_without_a_key_nothing_opens_for_now(unsealer):
    with pytest.raises(Unavailable):
        unsealer.open(bytes(65), bytes(48), INFO)
