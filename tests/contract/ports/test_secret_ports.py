"""One suite for KeyStore and DeviceSecret, over files, over a TPM (swtpm), and over the simulated world's."""

from types import SimpleNamespace

import pytest

from agent.adapters.linux.device_secret import UnsafeFileDeviceSecret
from agent.adapters.linux.keys import UnsafeFileKeyStore
from agent.adapters.linux.store import FileStore
from agent.adapters.linux.tpm import Tpm
from agent.app.evidence import NOT_RESISTED
from agent.formats.errors import Rejected, Unavailable
from firmware_sim.world.chance import Chance
from firmware_sim.world.power import Power
from firmware_sim.world.secrets import SECRET, UnsafeDeviceSecret, UnsafeKeyStore
from firmware_sim.world.store import Documents, MemoryStore
from tests.chips import Chip, guarded


def files(folder):
    store = FileStore(folder / "state")
    return SimpleNamespace(
        store=store,
        keys=UnsafeFileKeyStore(store),
        again=lambda: UnsafeFileKeyStore(FileStore(folder / "state")),
        secret=UnsafeFileDeviceSecret(store),
        secret_again=lambda: UnsafeFileDeviceSecret(FileStore(folder / "state")),
        stored_secret=lambda: store.read(SECRET),
        protection="none",
        document="identity/tls.key.pem",
    )


def chip(folder):
    powered = Chip(folder / "chip")
    tpm = Tpm(powered.connect)
    made = guarded(folder / "state", tpm)
    return SimpleNamespace(
        store=made.store,
        keys=made.keys,
        again=lambda: guarded(folder / "state", tpm).keys,
        secret=made.secret,
        secret_again=lambda: guarded(folder / "state", tpm).secret,
        stored_secret=made.tpm.secret,
        protection="tpm2",
        document="identity/tls.key.pem.sealed",
        unplug=powered.unplug,
    )


def world(_folder):
    documents = Documents(Power())
    store = MemoryStore(documents)
    return SimpleNamespace(
        store=store,
        keys=UnsafeKeyStore(documents, Chance(1)),
        again=lambda: UnsafeKeyStore(documents, Chance(2)),
        secret=UnsafeDeviceSecret(documents, Chance(5)),
        secret_again=lambda: UnsafeDeviceSecret(documents, Chance(6)),
        stored_secret=lambda: store.read(SECRET),
        protection="none",
        document="identity/tls.key.pem",
    )


@pytest.fixture(params=[files, chip, world], ids=["files", "tpm", "world"])
def ports(request, tmp_path):
    made = request.param(tmp_path)
    yield made
    getattr(made, "unplug", lambda: None)()


# --- KeyStore


def test_a_key_stays_the_same_and_another_is_another(ports):
    with pytest.raises(Unavailable):
        ports.keys.sign("tls", b"message")
    tls, evidence = ports.keys.ensure("tls"), ports.keys.ensure("evidence")
    assert tls != evidence
    assert len(tls) == 91
    assert ports.keys.ensure("tls") == tls
    assert ports.again().ensure("tls") == tls
    assert len(ports.keys.sign("evidence", b"message")) == 64
    assert ports.keys.protection() == ports.protection
    assert NOT_RESISTED[ports.protection], "evidence has to say what this does not resist"


def test_a_forgotten_key_is_gone_and_the_next_one_is_another(ports):
    first = ports.keys.ensure("tls")
    ports.keys.sign("tls", b"message")
    ports.keys.forget("tls")
    ports.keys.forget("tls")
    with pytest.raises(Unavailable):
        ports.keys.sign("tls", b"message")
    assert ports.keys.ensure("tls") != first


def test_a_key_takes_the_place_of_another_once(ports):
    first, following = ports.keys.ensure("tls"), ports.keys.ensure("next")
    ports.keys.replace("tls", "next")
    assert ports.keys.ensure("tls") == ports.again().ensure("tls") == following != first
    ports.keys.replace("tls", "next")
    assert ports.keys.ensure("tls") == following
    assert ports.keys.ensure("next") not in (first, following)


@pytest.mark.parametrize("body", [b"", b"rubbish", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_damaged_key_is_never_replaced(ports, body):
    ports.keys.ensure("tls")
    ports.store.write(ports.document, body)
    with pytest.raises(Unavailable):
        ports.again().ensure("tls")
    assert ports.store.read(ports.document) == body


# --- DeviceSecret


def test_what_was_sealed_opens_under_its_name_on_this_device(ports):
    for body in (b"", b"x", bytes(range(256)) * 40):
        sealed = ports.secret.seal("a/b.json", body)
        assert ports.secret.open("a/b.json", sealed) == ports.secret_again().open("a/b.json", sealed) == body
        assert sealed != ports.secret.seal("a/b.json", body)
        assert body[:16] not in sealed or len(body) < 16
        for name in ("a/c.json", "a/b.jso", ""):
            with pytest.raises(Rejected):
                ports.secret.open(name, sealed)
    assert ports.secret.protection() == ports.protection


def test_whatever_is_changed_does_not_open(ports):
    sealed = ports.secret.seal("a", b"the stores")
    for at in range(len(sealed)):
        with pytest.raises(Rejected):
            ports.secret.open("a", sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :])
    for shorter in (b"", sealed[:1], sealed[:12], sealed[:28], sealed[:-1], sealed + b"\0", sealed[1:]):
        with pytest.raises(Rejected):
            ports.secret.open("a", shorter)


def test_opening_makes_no_key_and_a_forgotten_one_is_another(ports):
    with pytest.raises(Rejected):
        ports.secret.open("a", bytes(64))
    assert ports.stored_secret() is None
    sealed = ports.secret.seal("a", b"body")
    first = ports.stored_secret()
    assert len(first) == 32
    ports.secret.forget()
    ports.secret.forget()
    assert ports.stored_secret() is None
    with pytest.raises(Rejected):
        ports.secret.open("a", sealed)
    ports.secret.seal("a", b"body")
    assert ports.stored_secret() != first
    with pytest.raises(Rejected):
        ports.secret.open("a", sealed)


@pytest.mark.parametrize("body", [b"", b"short", bytes(33)])
@pytest.mark.parametrize("made", [files, world])
def test_a_damaged_secret_is_never_replaced(tmp_path, made, body):
    """In a TPM it is whole, or not there (test_tpm.py)."""
    ports = made(tmp_path)
    sealed = ports.secret.seal("a", b"body")
    ports.store.write(SECRET, body)
    with pytest.raises(Unavailable):
        ports.secret_again().seal("a", b"body")
    with pytest.raises(Rejected):
        ports.secret_again().open("a", sealed)
    assert ports.stored_secret() == body


def test_a_key_file_that_somebody_else_changes_counts_at_once(tmp_path):
    """The button's erase and a finished erase work on the file, not by this object."""
    store = FileStore(tmp_path)
    secret = UnsafeFileDeviceSecret(store)
    sealed = secret.seal("one", b"text")
    key = store.read(SECRET)
    store.write(SECRET, bytes(32))
    with pytest.raises(Rejected):
        secret.open("one", sealed)
    store.write(SECRET, key)
    assert secret.open("one", sealed) == b"text"
    store.delete(SECRET)
    with pytest.raises(Rejected):
        secret.open("one", sealed)
    assert secret.open("one", secret.seal("one", b"anew")) == b"anew"
    assert store.read(SECRET) != key
