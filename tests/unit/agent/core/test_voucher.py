"""The factory voucher: the manufacturer's offline keys, this camera, in time; anything else is refused by name."""

import json

import pytest

from agent.core import voucher
from agent.core.trust import TrustError
from agent.formats import canonical_json, tuf
from agent.formats import token as tokens
from agent.formats import voucher as voucher_format
from agent.formats.errors import FormatError
from tests.repositories import NOW, Repository, verify_signature

SERIAL = "KW1-000001"
TOKEN = tokens.encode(tokens.Token("https://operator.test:8443", "secret", "t1", b"\x30\x00", "ab" * 32))
DAY_S = 86_400


@pytest.fixture(scope="module")
def image() -> Repository:
    made = Repository((3, 5), (2, 3))
    made.publish_root()
    return made


def root(image: Repository) -> tuf.Root:
    return tuf.parse_root(image.files["1.root.json"], 65536)


def signed(signers, serial=SERIAL, text=TOKEN, expires_at=NOW + DAY_S, **changes) -> bytes:
    part = voucher_format.signed_part(serial, text, expires_at) | changes
    message = canonical_json.encode(part)
    signatures = [{"keyid": one.public_key.keyid, "sig": one.sign(message).signature} for one in signers]
    return json.dumps({"signed": part, "signatures": signatures}).encode()


def verify(body: bytes, image: Repository, serial=SERIAL, now=NOW):
    return voucher.verify(body, root(image), serial, now, verify_signature)


def test_two_of_the_three_offline_keys_make_a_voucher(image: Repository) -> None:
    keys = image.signers["targets"]
    for two in (keys[:2], keys[1:], keys):
        assert verify(signed(two), image) == tokens.parse(TOKEN)


def test_members_that_nobody_knows_are_signed_all_the_same(image: Repository) -> None:
    keys = image.signers["targets"]
    assert verify(signed(keys, note="for the river office"), image) == tokens.parse(TOKEN)
    value = json.loads(signed(keys, note="for the river office"))
    value["signed"]["note"] = "for somebody else"
    refused("forged_voucher", json.dumps(value).encode(), image)


def refused(code: str, body: bytes, image: Repository, **where) -> None:
    with pytest.raises(TrustError) as caught:
        verify(body, image, **where)
    assert caught.value.code == code


@pytest.mark.parametrize("role", ["root", "snapshot", "timestamp"])
def test_no_other_role_makes_one(image: Repository, role: str) -> None:
    """A stolen update server has the keys of snapshot and timestamp."""
    refused("forged_voucher", signed(image.signers[role]), image)
    refused("forged_voucher", signed(image.signers[role] + image.signers["targets"][:1]), image)


def test_one_key_counts_once(image: Repository) -> None:
    one = image.signers["targets"][0]
    refused("forged_voucher", signed([one]), image)
    value = json.loads(signed([one]))
    value["signatures"] *= 2
    with pytest.raises(FormatError):
        verify(json.dumps(value).encode(), image)


def test_nothing_unsigned_and_nothing_of_another_maker(image: Repository) -> None:
    other = Repository((3, 5), (2, 3))
    refused("forged_voucher", signed([]), image)
    refused("forged_voucher", signed(other.signers["targets"]), image)


@pytest.mark.parametrize("member", ["serial", "token", "expires"])
def test_an_altered_voucher_is_refused(image: Repository, member: str) -> None:
    value = json.loads(signed(image.signers["targets"]))
    others = tokens.encode(tokens.Token("https://thief.test", "secret", "t1", b"\x30\x00", "ab" * 32))
    value["signed"][member] = {"serial": "KW1-000002", "token": others, "expires": "2099-01-01T00:00:00Z"}[member]
    serial = "KW1-000002" if member == "serial" else SERIAL
    refused("forged_voucher", json.dumps(value).encode(), image, serial=serial)


def test_a_voucher_of_another_camera_is_refused(image: Repository) -> None:
    refused("wrong_device", signed(image.signers["targets"]), image, serial="KW1-000002")


def test_a_voucher_ends(image: Repository) -> None:
    body = signed(image.signers["targets"])
    assert verify(body, image, now=NOW + DAY_S - 1)
    for now in (NOW + DAY_S, NOW + 400 * DAY_S):
        refused("expired_voucher", body, image, now=now)


def test_an_expired_root_stops_no_voucher(image: Repository) -> None:
    """A camera on the shelf cannot fetch a newer one; the voucher has an end of its own."""
    body = signed(image.signers["targets"], expires_at=NOW + 4000 * DAY_S)
    assert verify(body, image, now=NOW + 3900 * DAY_S)


@pytest.mark.parametrize(
    "changes",
    [
        {"_type": "receipt"}, {"v": 2}, {"v": "1"}, {"serial": ""}, {"serial": 5}, {"serial": "a/b"}, {"token": ""},
        {"token": "camward1.e30"}, {"token": TOKEN + "x" * 4000}, {"expires": "tomorrow"}, {"expires": 5},
    ],
)  # fmt: skip
def test_a_malformed_voucher_is_no_voucher(image: Repository, changes: dict) -> None:
    with pytest.raises(FormatError):
        verify(signed(image.signers["targets"], **changes), image)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"signed":{}}', b'{"signed":5}', b"x" * 9000, b"\xff"])
def test_rubbish_is_no_voucher(image: Repository, body: bytes) -> None:
    with pytest.raises(FormatError):
        verify(body, image)


def test_the_errors_have_codes_of_their_own() -> None:
    assert voucher.ForgedVoucher("x").code == "forged_voucher"
    assert voucher.ExpiredVoucher("x").code == "expired_voucher"
