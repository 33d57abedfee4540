"""Keys and secret in a TPM (swtpm): what they are good for, and what a copy of the storage is good for without it."""

import datetime
import shutil
import socket
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key, load_pem_private_key
from cryptography.x509.oid import NameOID

from agent.adapters.linux import certificates
from agent.adapters.linux.admin_commands import ERASE_JOURNAL
from agent.adapters.linux.device_secret import UnsafeFileDeviceSecret
from agent.adapters.linux.erasure import FileErasure
from agent.adapters.linux.keys import UnsafeFileKeyStore
from agent.adapters.linux.store import FileStore
from agent.adapters.linux.tpm import Tpm
from agent.adapters.linux.unsealer import HpkeUnsealer
from agent.app.handover import finish
from agent.app.identity import EVIDENCE, IDENTITY, NEXT, UNSEALING
from agent.formats import tpm as formats
from agent.formats.errors import Rejected, Unavailable
from tests.chips import CLEAR, Chip, guarded
from tests.fuzz import tpm_seeds
from tests.unit.agent.adapters import hpke_reference

INFO = b"what for"


@pytest.fixture
def chip(tmp_path):
    made = Chip(tmp_path / "chip")
    yield made
    made.unplug()


@pytest.fixture
def camera(tmp_path, chip):
    """With all its keys, and a sealed document."""
    made = guarded(tmp_path / "state", Tpm(chip.connect))
    for name in (IDENTITY, EVIDENCE, UNSEALING, NEXT):
        made.keys.ensure(name)
    made.store.write("a.sealed", made.secret.seal("a", b"a message"))
    return made


def test_what_a_chip_keeps_takes_the_place_of_what_was_and_other_secrets_stay(camera):
    before = camera.tpm.secret()
    for value in (b"1" * 32, b"2" * 32):
        camera.tpm.keep(value, formats.CARRIED_INDEX)
        assert camera.tpm.secret(formats.CARRIED_INDEX) == value
    camera.tpm.remove_secret(formats.CARRIED_INDEX)
    assert camera.tpm.secret(formats.CARRIED_INDEX) is None
    assert camera.tpm.secret() == before


@pytest.fixture
def other_chip(tmp_path):
    made = Chip(tmp_path / "other-chip")
    yield made
    made.unplug()


def verified(camera, spki):
    """Sign with the evidence key, and verify as the server does."""
    signature = camera.keys.sign(EVIDENCE, b"message")
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    load_der_public_key(spki).verify(der, b"message", ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        load_der_public_key(spki).verify(der, b"another", ec.ECDSA(hashes.SHA256()))


def sealed_for(camera):
    return hpke_reference.seal(load_der_public_key(camera.keys.ensure(UNSEALING)), INFO, b"for this camera")


def test_the_keys_do_their_work_and_are_the_same_after_a_power_cut(camera, chip, tmp_path):
    before = {name: camera.keys.ensure(name) for name in (IDENTITY, EVIDENCE, UNSEALING, NEXT)}
    assert len(set(before.values())) == 4
    enc, sealed = sealed_for(camera)
    again = guarded(tmp_path / "state", Tpm(chip.connect))
    assert {name: again.keys.ensure(name) for name in before} == before
    verified(again, before[EVIDENCE])
    assert HpkeUnsealer(again.keys, UNSEALING).open(enc, sealed, INFO) == b"for this camera"
    assert again.secret.open("a", again.store.read("a.sealed")) == b"a message"
    assert load_pem_private_key(again.keys.pem(IDENTITY).encode(), None).public_key() == load_der_public_key(
        before[IDENTITY]
    )


def test_it_does_not_run_out_of_places_for_keys(camera):
    enc, sealed = sealed_for(camera)
    for _ in range(8):
        camera.keys.sign(EVIDENCE, b"message")
        assert HpkeUnsealer(camera.keys, UNSEALING).open(enc, sealed, INFO) == b"for this camera"
        with pytest.raises(Rejected):
            HpkeUnsealer(camera.keys, UNSEALING).open(enc, sealed, b"for what else")


def usable(camera):
    """What of the camera's secrets can be used: what a thief would want to do."""
    found, told = set(), []
    tries = {
        "identity": lambda: camera.keys.pem(IDENTITY),
        "evidence": lambda: camera.keys.sign(EVIDENCE, b"message"),
        "unsealing": lambda: camera.keys.private(UNSEALING).exchange(
            ec.ECDH(), ec.generate_private_key(ec.SECP256R1()).public_key()
        ),
        "documents": lambda: camera.secret.open("a", camera.store.read("a.sealed")),
    }
    for name, attempt in tries.items():
        try:
            attempt()
            found.add(name)
        except (Rejected, Unavailable) as error:
            told.append(error.detail)
    assert all("TPM" in one or "device" in one for one in told), told
    return found


EVERYTHING = {"identity", "evidence", "unsealing", "documents"}


def test_a_copied_storage_is_of_no_use_with_another_tpm(camera, chip, other_chip, tmp_path):
    shutil.copytree(tmp_path / "state", tmp_path / "copy")
    thief = guarded(tmp_path / "copy", Tpm(other_chip.connect))
    assert usable(thief) == set()
    thief.secret.seal("b", b"the thief's own")
    assert usable(thief) == set()
    with pytest.raises(Unavailable, match="another TPM"):
        thief.keys.ensure(IDENTITY)
    assert usable(guarded(tmp_path / "copy", Tpm(chip.connect))) == EVERYTHING, "the copy was whole: the chip is it"


def test_with_files_the_same_copy_is_the_camera(tmp_path):
    """The control: what the thief does above, works where nothing in hardware guards the keys."""
    store = FileStore(tmp_path / "state")
    keys, secret = UnsafeFileKeyStore(store), UnsafeFileDeviceSecret(store)
    for name in (IDENTITY, EVIDENCE, UNSEALING):
        keys.ensure(name)
    store.write("a.sealed", secret.seal("a", b"a message"))
    shutil.copytree(tmp_path / "state", tmp_path / "copy")
    copy = FileStore(tmp_path / "copy")

    class Thief:
        store, keys, secret = copy, UnsafeFileKeyStore(copy), UnsafeFileDeviceSecret(copy)

    assert usable(Thief) == EVERYTHING


def test_no_private_number_lies_on_the_storage(camera, tmp_path):
    number = load_pem_private_key(camera.keys.pem(IDENTITY).encode(), None).private_numbers().private_value
    secret = camera.tpm.secret()
    files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert len(files) == 5
    for path in files:
        body = path.read_bytes()
        assert b"PRIVATE KEY" not in body
        assert number.to_bytes(32, "big") not in body
        assert secret not in body


def test_a_cleared_tpm_says_so(camera, chip, tmp_path):
    cleared = guarded(tmp_path / "state", Tpm(chip.connect))
    assert usable(cleared) == EVERYTHING
    cleared.tpm._run(CLEAR)
    with pytest.raises(Unavailable, match="this TPM has been cleared"):
        guarded(tmp_path / "state", Tpm(chip.connect)).keys.sign(EVIDENCE, b"message")
    assert usable(guarded(tmp_path / "state", Tpm(chip.connect))) == set()


def test_without_a_tpm_nothing_works_and_nothing_is_replaced(camera, tmp_path):
    def absent():
        raise FileNotFoundError(2, "No such file or directory")

    broken = guarded(tmp_path / "state", Tpm(absent, lambda _: None))
    before = {path: path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()}
    for attempt in (
        lambda: broken.keys.ensure(IDENTITY),
        lambda: broken.keys.sign(EVIDENCE, b""),
        lambda: broken.secret.seal("a", b""),
        lambda: broken.secret.open("a", bytes(64)),
        broken.secret.forget,
    ):
        with pytest.raises(Unavailable, match="there is no TPM that answers"):
            attempt()
    assert {path: path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()} == before


def test_a_tpm_that_loses_power_for_a_moment_serves_again(camera, chip):
    chip.unplug()
    with pytest.raises(Unavailable):
        camera.keys.sign(EVIDENCE, b"message")
    assert len(camera.keys.sign(EVIDENCE, b"message")) == 64


def test_a_forgotten_secret_takes_an_older_copy_of_the_storage_with_it(camera, chip, tmp_path):
    shutil.copytree(tmp_path / "state", tmp_path / "copy")
    assert usable(guarded(tmp_path / "copy", Tpm(chip.connect))) == EVERYTHING
    again = guarded(tmp_path / "state", Tpm(chip.connect))
    again.secret.forget()
    again.secret.seal("b", b"the next owner's")
    assert usable(guarded(tmp_path / "copy", Tpm(chip.connect))) == set()


def test_an_erase_leaves_nothing_that_opens_and_works_with_another_chip_as_well(camera, chip, other_chip, tmp_path):
    shutil.copytree(tmp_path / "state", tmp_path / "copy")
    before = {name: camera.keys.ensure(name) for name in (IDENTITY, EVIDENCE, UNSEALING)}
    for whose, folder in ((chip, "state"), (other_chip, "copy")):
        erased = guarded(tmp_path / folder, Tpm(whose.connect))
        erased.keys.path(IDENTITY)
        erased.store.write(ERASE_JOURNAL, b"{}")
        erased.erasure = FileErasure(tmp_path / folder)
        assert finish(erased, "1.0.0") == "erase"
        assert not (tmp_path / folder / "identity").exists() or not list((tmp_path / folder / "identity").iterdir())
        assert erased.tpm.secret() is None
        assert not {erased.keys.ensure(name) for name in before} & set(before.values())


def test_the_making_of_a_secret_that_was_cut_off_goes_on(chip, tmp_path):
    cut = guarded(tmp_path / "state", Tpm(chip.connect))
    cut.tpm._run(formats.define_secret())
    camera = guarded(tmp_path / "state", Tpm(chip.connect))
    assert camera.tpm.secret() is None
    assert camera.secret.open("a", camera.secret.seal("a", b"body")) == b"body"
    with pytest.raises(Unavailable, match="already"):
        camera.tpm.make_secret()


def test_a_key_serves_its_own_purpose_alone(camera):
    with pytest.raises(Unavailable):
        camera.keys.sign(UNSEALING, b"message")
    with pytest.raises(Unavailable):
        camera.keys.private(EVIDENCE).exchange(ec.ECDH(), ec.generate_private_key(ec.SECP256R1()).public_key())
    for read in (camera.keys.private(UNSEALING).private_numbers, camera.keys.private(UNSEALING).private_bytes):
        with pytest.raises(Unavailable, match="does not leave"):
            read()


@pytest.mark.parametrize("body", [b"", b"rubbish", tpm_seeds.BLOB[:-1], tpm_seeds.BLOB])
@pytest.mark.parametrize("sealed", [False, True])
def test_a_damaged_key_of_the_tpm_is_never_replaced(camera, body, sealed):
    """The last one is well formed, and another chip's: that shows when it is used."""
    document = "identity/evidence.tpm"
    lies = camera.secret.seal(document, body) if sealed else body
    camera.store.write(document + ".sealed", lies)
    with pytest.raises(Unavailable):
        camera.keys.sign(EVIDENCE, b"message")
    if not sealed or body != tpm_seeds.BLOB:
        with pytest.raises(Unavailable):
            camera.keys.ensure(EVIDENCE)
    assert camera.store.read(document + ".sealed") == lies


def test_what_is_stored_does_not_take_the_place_of_something_else(camera):
    camera.store.write("identity/other.tpm.sealed", camera.store.read("identity/evidence.tpm.sealed"))
    with pytest.raises(Unavailable, match="damaged"):
        camera.keys.sign("other", b"message")


def test_tls_is_spoken_with_the_key_in_memory_also_when_it_is_replaced(camera, chip, tmp_path):
    path = camera.keys.path(IDENTITY)
    assert path.read_bytes() == camera.keys.pem(IDENTITY).encode(), "made before; nobody has asked for it in this run"
    camera.keys.ensure(IDENTITY)
    assert str(path).startswith("/proc/self/fd/")
    for turn in range(2):
        certificate = tmp_path / f"certificate-{turn}.pem"
        certificate.write_text(self_signed(camera.keys.pem(IDENTITY)))
        assert handshake(certificate, path) == ssl.PEM_cert_to_DER_cert(certificate.read_text())
        camera.keys.replace(IDENTITY, NEXT)
    with pytest.raises(ssl.SSLError):  # the control: the key is another one now
        handshake(tmp_path / "certificate-0.pem", path)
    camera.keys.forget(IDENTITY)
    assert path.read_bytes() == b""
    with pytest.raises(ssl.SSLError):
        handshake(tmp_path / "certificate-1.pem", path)


def self_signed(pem):
    key = load_pem_private_key(pem.encode(), None)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "camera")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(datetime.datetime(2020, 1, 1))
    made = made.not_valid_after(datetime.datetime(2050, 1, 1))
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def handshake(certificate, key):
    """What a server sees of who comes with this certificate and key."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(certificate)
    client.load_cert_chain(certificate, key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(certificate)
    ours, theirs = socket.socketpair()
    seen = []

    def serve():
        with server.wrap_socket(theirs, server_side=True) as connection:
            seen.append(connection.getpeercert(binary_form=True))

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(ours):
        thread.join()
    return seen[0]


def answering(body):
    """A TPM that gives this answer to whatever it is asked."""
    ours, theirs = socket.socketpair()
    theirs.send(body)
    theirs.detach()
    return ours.detach


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"\x80\x01\0\0\0\x0a\0\0\x09\x21", "locked out"),
        (b"\x80\x01\0\0\0\x0a\0\0\x01\x01", "failure mode"),
        (b"\x80\x01\0\0\0\x0a\0\0\x09\xa2", "password on the TPM's owner"),
        (b"\x80\x01\0\0\0\x0a\0\0\x07\x77", "answered 0x777"),
        (b"\x80\x01\0\0\0\x0b\0\0\0\0", "makes no sense"),
        (b"\x80\x02\0\0\0\x0a\0\0\0\0", "makes no sense"),
        (b"rubbish", "makes no sense"),
    ],
)
def test_what_is_wrong_is_told(answer, told):
    with pytest.raises(Unavailable, match=told):
        Tpm(answering(answer)).create(formats.SIGNING)


def test_a_request_is_signed_with_the_identity(camera):
    (request,) = certificates.run("request", key=camera.keys.pem(IDENTITY), device_id="abc", serial="1")
    assert len(request) > 300
