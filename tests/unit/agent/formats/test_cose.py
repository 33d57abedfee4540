"""The form of sealed messages: the structures of RFC 9052 and of draft-ietf-cose-hpke, and nothing beside them."""

from typing import Any

import pytest
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agent.formats import cbor, cose, json
from agent.formats.cose import Sealed, Session
from agent.formats.errors import FormatError

SESSION = Session(b"k" * 8, b"\x04" + b"e" * 64, b"w" * 48)
MESSAGE = Sealed(SESSION, "boot-7", 41, b"i" * 12, b"ciphertext and 16 bytes")
TOPIC = "camward/1/abcdefghijklmnopqrstuvwxyz/up/evidence"
# draft-ietf-cose-hpke, the example of Key Encryption: HPKE-0-KE (46 there), A128GCM, nothing external.
ALICE = int("31e9ff686ed68feafa8774d2fb88370da73b4de5a8a8104545c2c3db412b8202", 16)
EXAMPLE = bytes.fromhex(
    "d8608443a10101a10550311aa7cc6cf87c1068a2ca671ede2cc758253e17fb3a5e244dc66e4d175424d364c24c6f85945b75f3788cf35116"
    "c67bc7b845df5757c381834ba201182e0445616c696365a123584104a97992eb783474b632289699b5b97218595f82c0fe2ed9097d505f6a"
    "64c8c530775a66fa36b8728ae329a24c8c6580a59c80e7c5d583b197cd42222cdb4f674c5820649f31f9e647c3d7ded69f8cd6ed1ca4e517"
    "1f681c39eed1f077a1d1a01bf784"
)


def test_the_drafts_example_opens_with_our_structures() -> None:
    protected, unprotected, ciphertext, ((how, where, wrapped),) = cbor.parse(EXAMPLE, 1000, (cose.TAG,)).value
    suite = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_128_GCM)
    info = cose.recipient_structure(1, how, b"")
    key = suite.decrypt(where[-4] + wrapped, ec.derive_private_key(ALICE, ec.SECP256R1()), info)
    associated = cbor.encode(["Encrypt", protected, b""])
    assert AESGCM(key).decrypt(unprotected[cose.IV], ciphertext, associated) == b"This is the content.\n"


def test_the_structures_are_those_of_the_standards() -> None:
    protected = cbor.encode({1: 3, -70_003: "boot-7", -70_004: 41})
    assert cose.associated(TOPIC, "boot-7", 41) == cbor.encode(["Encrypt", protected, TOPIC.encode()])
    recipient = cbor.encode({1: -70_001, 4: b"k" * 8})
    assert cose.info(b"k" * 8) == cbor.encode(["HPKE Recipient", 3, recipient, b"camward sealed message 1"])
    assert all(number < -65_536 for number in (cose.SEALING, cose.EK, cose.BOOT, cose.SEQ)), "for private use"


def test_a_message_is_what_was_put_into_it() -> None:
    wire = cose.encode(MESSAGE)
    assert cose.parse(wire) == MESSAGE
    assert cose.is_sealed(wire)
    assert len(wire) - len(MESSAGE.ciphertext) < cose.OVERHEAD_BYTES
    longest = MESSAGE.replace(boot="b" * 64, seq=2**53 - 1, ciphertext=bytes(cose.MAX_ENVELOPE_BYTES + 16))
    assert cose.parse(cose.encode(longest)) == longest


@pytest.mark.parametrize("payload", [b"", b"\xd8", b'{"v":1}', b" \xd8\x60", json.dump({}), b"\xd8\x61\x80"])
def test_what_is_not_sealed_is_not_taken_for_it(payload: bytes) -> None:
    assert not cose.is_sealed(payload)


@pytest.mark.parametrize(
    "change",
    [
        {"session": SESSION.replace(kid=b"k" * 7)},
        {"session": SESSION.replace(enc=b"e" * 66)},
        {"session": SESSION.replace(wrapped=b"w" * 32)},
        {"session": SESSION.replace(kid="k" * 8)},
        {"boot": ""}, {"boot": "a/b"}, {"boot": "b" * 65}, {"boot": 7}, {"seq": -1}, {"seq": "1"}, {"seq": 2**53},
        {"seq": True}, {"iv": b"i" * 13}, {"iv": b""}, {"ciphertext": b"t" * 15}, {"ciphertext": None},
        {"ciphertext": bytes(cose.MAX_SEALED_BYTES)},
    ],
)  # fmt: skip
def test_no_other_message_is_written(change: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        cose.encode(MESSAGE.replace(**change))


def whole() -> list[Any]:
    value: list[Any] = cbor.parse(cose.encode(MESSAGE), 1000, (cose.TAG,)).value
    return value


def protected(**members: Any) -> bytes:
    names = {"alg": 1, "boot": cose.BOOT, "seq": cose.SEQ, "kid": 4, "more": 99}
    return cbor.encode({names[name]: value for name, value in members.items()})


@pytest.mark.parametrize(
    ("at", "put"),
    [
        ((0,), protected(alg=1, boot="b", seq=1)),
        ((0,), protected(alg=3, boot="b")),
        ((0,), protected(alg=3, boot="b", seq=1, more=0)),
        ((0,), b"\xa0\x00"), ((0,), b""), ((0,), {}), ((0,), b"\xbf\xff"),
        ((1,), {}), ((1,), {5: b"i" * 12, 6: b""}), ((1,), None),
        ((2,), "text"),
        ((3,), []), ((3,), None),
        ((3, 0), []), ((3, 0, 0), protected(alg=53, kid=b"k" * 8)), ((3, 0, 0), protected(alg=cose.SEALING)),
        ((3, 0, 0), protected(alg=cose.SEALING, kid=b"k" * 8, more=1)), ((3, 0, 1), {-4: b"\x04" + b"e" * 64}),
        ((3, 0, 2), b""), ((3, 0, 2), None),
    ],
)  # fmt: skip
def test_what_differs_in_one_place_is_refused(at: tuple[int, ...], put: Any) -> None:
    top = whole()
    place: Any = top
    for step in at[:-1]:
        place = place[step]
    assert cose.parse(cbor.encode(cbor.Tag(cose.TAG, top))) == MESSAGE
    place[at[-1]] = put
    with pytest.raises(FormatError):
        cose.parse(cbor.encode(cbor.Tag(cose.TAG, top)))


@pytest.mark.parametrize(
    "wire",
    [
        cbor.encode(whole()), cbor.encode(cbor.Tag(cose.TAG, whole()[:3])),
        cbor.encode(cbor.Tag(cose.TAG, [*whole()[:3], whole()[3] * 2])), cbor.encode(cbor.Tag(16, whole())),
        cose.encode(MESSAGE) + b"\0", cose.encode(MESSAGE)[:-1],
    ],
)  # fmt: skip
def test_another_number_of_parts_or_another_tag_is_refused(wire: bytes) -> None:
    with pytest.raises(FormatError):
        cose.parse(wire)
