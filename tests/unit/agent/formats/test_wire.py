"""The golden files of the released wire formats: read, verified and written again byte for byte by today's agent."""

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from agent.app import update_state
from agent.core import receipt as receipt_check
from agent.core import trust
from agent.core import voucher as voucher_check
from agent.core.clock import Time
from agent.core.trust_repository import Repository
from agent.formats import block_tree, boot_record, envelope, evidence, label, messages, ownership, release, token, tuf
from agent.formats.boot_record import BootRecord
from agent.formats.errors import FormatError
from tests.repositories import verify_signature

ASSETS = Path(__file__).resolve().parents[3] / "assets" / "wire"
V1 = ASSETS / "v1"
ABOUT = json.loads((V1 / "about.json").read_text(encoding="utf-8"))
ROLES = ("root", "timestamp", "snapshot", "targets")
PIN_OF_V1 = (
    "f28556347dffa75622427dd4895587d1fb9740d59286bb1302ec54202665c692"  # so that no set is made again without a word
)
MAX_BYTES = 65536
DAY_S = 86_400
Stored = dict[str, dict[str, bytes | None]]


def read(name: str) -> bytes:
    return (V1 / name).read_bytes()


def stored() -> Stored:
    """What a camera has before its first check: the roots of factory and enrolment."""
    return {name: dict.fromkeys(ROLES) | {"root": read(f"{name}/1.root.json")} for name in ("image", "director")}


def check(kept: Stored, at: int = ABOUT["made_at"], flipped: str = "") -> tuple[trust.Check, list[str]]:
    """One check against the golden files; of the one that is named, one bit is flipped."""
    who = trust.Device(ABOUT["device"], "kawa-1", "a", ABOUT["version"], 1)
    found, asked = trust.Check(who, kept, Time(at, 0, 0), verify_signature), []
    while (wanted := found.wants()) is not None:
        name = f"{wanted.repository}/{wanted.path}"
        asked.append(name)
        if not (V1 / name).is_file():
            found.absent()
        else:
            body = bytearray(read(name))
            if name == flipped:
                body[body.index(b'"expires":"20') + 14] ^= 1
            found.feed(bytes(body))
        for path, content in found.accepted():
            repository, role = path.split("/")
            kept[repository][role] = content
    return found, asked


def test_every_byte_is_pinned_and_nothing_is_missing() -> None:
    for folder in (path for path in ASSETS.iterdir() if path.is_dir()):
        lines = (folder / "SHA256SUMS").read_text().splitlines()
        pinned = {name: digest for digest, name in (line.split("  ") for line in lines)}
        files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
        assert set(files) == {*pinned, "SHA256SUMS"}
        for name, digest in pinned.items():
            assert hashlib.sha256(files[name].read_bytes()).hexdigest() == digest, name
    assert hashlib.sha256(read("SHA256SUMS")).hexdigest() == PIN_OF_V1


def test_no_private_key_is_in_a_set() -> None:
    for path in ASSETS.rglob("*"):
        assert not path.is_file() or b"PRIVATE" not in path.read_bytes().replace(b"private key in here", b"")


def test_a_camera_with_the_first_roots_installs_the_release() -> None:
    kept = stored()
    found, asked = check(kept)
    assert asked == [
        "director/timestamp.json", "director/2.root.json", "director/3.root.json", "director/timestamp.json",
        "director/2.snapshot.json", "director/2.targets.json", "image/2.root.json", "image/3.root.json",
        "image/timestamp.json", "image/4.snapshot.json", "image/3.targets.json",
    ]  # fmt: skip
    assert found.outcome is not None
    assert (found.outcome.version, found.outcome.security_epoch) == ("1.1.0", 2)
    assert ABOUT["made_at"] - DAY_S < found.issued_at <= ABOUT["made_at"]
    for name in ("image", "director"):
        assert kept[name]["root"] == read(f"{name}/2.root.json")
        assert kept[name]["timestamp"] == read(f"{name}/timestamp.json")
    again, asked = check(kept)
    assert again.outcome == found.outcome
    assert asked == ["director/timestamp.json", "director/3.root.json", "image/3.root.json", "image/timestamp.json"]


@pytest.mark.parametrize(
    "name",
    [
        "director/timestamp.json", "director/2.root.json", "director/2.snapshot.json", "director/2.targets.json",
        "image/2.root.json", "image/timestamp.json", "image/4.snapshot.json", "image/3.targets.json",
    ],
)  # fmt: skip
def test_one_flipped_bit_in_any_file_is_refused(name: str) -> None:
    with pytest.raises((trust.TrustError, FormatError)):
        check(stored(), flipped=name)


def test_years_later_the_same_files_are_a_freeze() -> None:
    kept = stored()
    with pytest.raises(trust.Freeze):
        check(kept, at=ABOUT["made_at"] + 5 * 365 * DAY_S)


def listed(name: str) -> tuf.Target:
    found = tuf.target_file(tuf.parse(read("image/3.targets.json"), "targets", MAX_BYTES), name)
    assert found is not None
    return found


def test_manifests_with_the_fewest_and_with_all_members() -> None:
    first, second = (release.parse(listed(f"kawa-1-{version}.slot")) for version in ("1.0.0", "1.1.0"))
    assert (first.requires, first.fixed, first.security_epoch) == ((), (release.BOOTLOADER,), 1)
    assert (second.requires, second.security_epoch) == ((("bootloader", 3),), 2)
    assert second.fixed == (release.Component("bootloader", 3, (("ptz", 0),)), release.Component("ptz", 0, ()))
    assert (second.model, second.hardware, second.severity, second.support_ends) == (
        "kawa-1", ("a",), "high", "2031-12-31",
    )  # fmt: skip
    assert (second.block_count, second.block_bytes, second.length_bytes) == (3, 4096, 12288)
    assert json.loads(read("release.json")) == listed("kawa-1-1.1.0.slot").custom
    assert release.custom(first) == listed("kawa-1-1.0.0.slot").custom
    leaves = read("kawa-1-1.1.0.tree")
    assert block_tree.root_of(leaves).hex() == second.tree_root
    assert hashlib.sha256(leaves).hexdigest() == second.tree_sha256


def test_the_owners_papers() -> None:
    record = ownership.parse(read("ownership.json"))
    assert (record.operator, record.server_url) == ("Kawa water office 河川事務所", "https://cameras.example.jp:8443")
    assert ownership.encode(record) == read("ownership.json")
    text = read("token.txt").decode()
    found = token.parse(text)
    assert token.encode(found) == text.strip()
    assert found.ownership_sha256 == hashlib.sha256(read("ownership.json")).hexdigest()
    root = tuf.parse_root(read("image/2.root.json"), MAX_BYTES)
    vouched = voucher_check.verify(read("voucher.json"), root, ABOUT["serial"], ABOUT["made_at"], verify_signature)
    assert (vouched.url, vouched.ownership_sha256) == (found.url, found.ownership_sha256)
    late = ABOUT["made_at"] + 2 * 365 * DAY_S
    with pytest.raises(voucher_check.ExpiredVoucher):
        voucher_check.verify(read("voucher.json"), root, ABOUT["serial"], late, verify_signature)


def test_the_time_receipt() -> None:
    director = Repository("director", {"root": read("director/2.root.json")}, verify_signature, lambda role, body: None)
    said = receipt_check.verify(read("receipt.json"), ABOUT["device"], ABOUT["nonce"], director, 0)
    assert said == ABOUT["made_at"]
    with pytest.raises(receipt_check.StaleReceipt):
        receipt_check.verify(read("receipt.json"), ABOUT["device"], "0" * 32, director, 0)


@pytest.mark.parametrize("kind", envelope.TYPES)
def test_messages(kind: str) -> None:
    body = read(f"envelope-{kind}.json")
    found = envelope.parse(body)
    assert (found.type, found.id, found.at) == (kind, ABOUT["device"], ABOUT["made_at"])
    assert envelope.encode(found) == body
    if kind in envelope.SIGNED_TYPES:
        key = load_pem_public_key(read("evidence-key.pem"))
        assert isinstance(key, ec.EllipticCurvePublicKey)
        r, s = (int.from_bytes(half, "big") for half in (found.signature[:32], found.signature[32:]))
        key.verify(encode_dss_signature(r, s), envelope.message(found), ec.ECDSA(hashes.SHA256()))
        other = found.replace(seq=found.seq + 1)
        with pytest.raises(InvalidSignature):
            key.verify(encode_dss_signature(r, s), envelope.message(other), ec.ECDSA(hashes.SHA256()))


def test_what_messages_say() -> None:
    told = messages.parse_telemetry(envelope.parse(read("envelope-telemetry.json")).body)
    assert (told.cpu_percent, told.temperature_c, told.problems) == (12.5, -3.25, "label")
    done = messages.parse_report(envelope.parse(read("envelope-report.json")).body)
    assert (done.event, done.source, done.to, done.code) == ("rolled_back", "1.1.0", "1.0.0", "health")
    proof = evidence.parse(envelope.parse(read("envelope-evidence.json")).body)
    assert [finding.verdict for finding in proof.findings] == [evidence.PASS, evidence.FAIL]
    assert messages.encode_state(messages.parse_state(read("state.json"))) == read("state.json")


def test_what_lies_on_the_disk_of_an_older_camera() -> None:
    record = boot_record.decode(read("boot-record.bin"))
    assert record == BootRecord(41, "b", "a", 3, 2, 1, 1, "r", 1, 7)
    assert boot_record.encode(record) == read("boot-record.bin")
    known = label.parse(read("label.json"))
    assert known.claim_sha256 == hashlib.sha256(known.claim_salt + label.normal_code("abcd-efgh-ijkl-mnop")).digest()
    state = update_state.decode(read("update-state.json"))
    assert state.release is not None
    assert (state.phase, state.slot, update_state.release_of(state.release).version) == ("trial", "b", "1.1.0")
    assert update_state.encode(state) == read("update-state.json")
