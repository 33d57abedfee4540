"""The hand-over file: what goes in comes out for the one it is sealed to, and for nobody else."""

import json
import unicodedata

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.formats.errors import FormatError
from update_server.installer import handover, sealing
from update_server.installer.handover import CLAIMED, PLANNED, Account, Handover
from update_server.installer.sealing import ToKey, WithKey, WithPassphrase

KEY = X25519PrivateKey.generate()
OFFICE = WithKey(KEY)
PASSPHRASE = WithPassphrase("four lanterns by the river")
ACCOUNT = Account("admin", "abcde-fghjk-mnpqr-stuv2", "kawa-1", "192.0.2.7:443", 1795000000)
CERTIFICATE = "ab" * 32
both = pytest.mark.parametrize(
    ("sealer", "opener"), [(OFFICE.sealer, OFFICE), (PASSPHRASE, PASSPHRASE)], ids=["key", "passphrase"]
)


def entry_of(sealer):
    return handover.seal(sealer, "KW1-000001", CERTIFICATE, PLANNED, ACCOUNT)


@both
def test_what_goes_in_comes_out_and_nothing_of_it_is_in_the_clear(sealer, opener):
    body = handover.encode(Handover(sealer.header, (entry_of(sealer),)))
    back = handover.parse(body)
    assert back.recipient == sealer.header
    assert handover.unseal(opener, back.entries[0]) == ACCOUNT
    for secret in (ACCOUNT.password, ACCOUNT.user, ACCOUNT.model, ACCOUNT.address):
        assert secret.encode() not in body


@both
@pytest.mark.parametrize("change", [{"serial": "KW1-000002"}, {"state": CLAIMED}, {"certificate": "cd" * 32}])
def test_what_is_said_of_an_entry_in_the_clear_cannot_be_changed(sealer, opener, change):
    with pytest.raises(FormatError):
        handover.unseal(opener, entry_of(sealer)._replace(**change))


@both
def test_any_flipped_bit_is_noticed(sealer, opener):
    entry = entry_of(sealer)
    for at in range(len(entry.sealed)):
        damaged = entry.sealed[:at] + bytes([entry.sealed[at] ^ 1]) + entry.sealed[at + 1 :]
        with pytest.raises(FormatError):
            handover.unseal(opener, entry._replace(sealed=damaged))


@both
def test_nobody_else_opens_it(sealer, opener):
    entry = entry_of(sealer)
    for other in (WithKey(X25519PrivateKey.generate()), WithPassphrase("four lanterns by the river")):
        with pytest.raises(FormatError):
            handover.unseal(other, entry)
    with pytest.raises(FormatError):
        handover.unseal(opener, entry._replace(sealed=b""))


def test_the_same_password_seals_differently_each_time():
    for sealer in (OFFICE.sealer, PASSPHRASE):
        assert entry_of(sealer).sealed != entry_of(sealer).sealed


def test_a_file_is_gone_on_with_under_its_passphrase_and_under_no_other():
    again = WithPassphrase("four lanterns by the river", PASSPHRASE.header)
    assert handover.unseal(again, entry_of(PASSPHRASE)) == ACCOUNT
    with pytest.raises(FormatError):
        WithPassphrase("four lanterns by the lake", PASSPHRASE.header)
    with pytest.raises(FormatError):
        WithPassphrase("four lanterns by the river", {**PASSPHRASE.header, "argon2id": "00" * 16})


def test_a_passphrase_is_the_same_however_its_characters_are_composed():
    words = "川のながれは絶えずして、しかももとの水に"
    first = WithPassphrase(unicodedata.normalize("NFC", words))
    again = WithPassphrase(unicodedata.normalize("NFD", words), first.header)
    assert handover.unseal(again, entry_of(first)) == ACCOUNT


def test_the_tools_own_keys_are_read_back_and_others_are_refused():
    private, public = sealing.new_keys()
    opener, sealer = sealing.read_private(private), sealing.read_public(public)
    assert handover.unseal(opener, entry_of(sealer)) == ACCOUNT
    for read, pem in ((sealing.read_private, public), (sealing.read_public, private)):
        with pytest.raises(FormatError):
            read(pem)
        with pytest.raises(FormatError):
            read(b"")


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.data())
def test_bytes_that_are_no_file_are_refused_by_one_error_alone(data):
    good = handover.encode(Handover(OFFICE.sealer.header, (entry_of(OFFICE.sealer),)))
    at = data.draw(st.integers(0, len(good) - 1))
    changed = good[:at] + data.draw(st.binary(max_size=4)) + good[at + data.draw(st.integers(0, 4)) :]
    for body in (changed, data.draw(st.binary(max_size=200))):
        try:
            read = handover.parse(body)
            for entry in read.entries:
                handover.unseal(OFFICE, entry)
        except FormatError:
            continue


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2}, {"kind": "other"}, {"recipient": {}}, {"recipient": {"x25519": "ab"}}, {"entries": {}}, {"more": 1},
        {"entries": [{"serial": "../x", "certificate": CERTIFICATE, "state": PLANNED, "sealed": ""}]},
        {"entries": [{"serial": "x", "certificate": CERTIFICATE, "state": "done", "sealed": ""}]},
        {"entries": [{"serial": "x", "certificate": CERTIFICATE, "state": PLANNED, "sealed": "a b"}]},
    ],
)  # fmt: skip
def test_other_versions_and_kinds_are_refused(change):
    whole = json.loads(handover.encode(Handover(ToKey(KEY.public_key()).header, ())))
    handover.parse(json.dumps(whole).encode())
    with pytest.raises(FormatError):
        handover.parse(json.dumps({**whole, **change}).encode())


def test_no_file_grows_beyond_what_is_read_back():
    entry = entry_of(OFFICE.sealer)
    most = handover.encode(Handover(OFFICE.sealer.header, (entry,) * handover.MAX_ENTRIES))
    assert len(handover.parse(most).entries) == handover.MAX_ENTRIES
    with pytest.raises(FormatError):
        handover.encode(Handover(OFFICE.sealer.header, (entry,) * (handover.MAX_ENTRIES + 1)))
