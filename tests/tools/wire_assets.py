"""`python -m tests.tools.wire_assets NEW_FOLDER`: makes one complete set of files as the present programs write them.

It was run once for each version of the wire formats (tests/assets/wire/vN), which every later agent has to read: a
camera that is five years old still meets a server of its day, and a new agent still meets what an old one has stored.
A set is never made again: what differs from it is a new version. The private keys live in a temporary folder and are
gone with it.
"""

import hashlib
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.app import update_state
from agent.core import update
from agent.formats import boot_record, envelope, evidence, messages, release, tuf
from agent.formats.boot_record import BootRecord
from tests.contract.runbooks.office import PASSPHRASE, SERIAL, Camera, Office, newest
from tests.contract.server import harness

NONCE = "00112233445566778899aabbccddeeff"
REQUIRES = {"bootloader": 3}
BOOTLOADER = {"name": "bootloader", "fixed": True, "index": 3, "requires": {"ptz": 0}}
PTZ = {"name": "ptz", "fixed": True}


def make(folder: Path) -> None:
    """Fill a new folder."""
    with tempfile.TemporaryDirectory() as name:
        office = Office(Path(name), Path(name))
        (office.folder / "passphrase").write_text(PASSPHRASE + "\n")
        harness.command(
            "init", office.server, "--operator", "Kawa water office 河川事務所", "--host", "cameras.example.jp",
            "--offline-keys", office.folder / "safe", "--passphrase-file", office.folder / "passphrase",
        )  # fmt: skip
        for role in ("image", "director"):
            (folder / role).mkdir(parents=True)
        _releases(office)
        camera = office.enrol()
        office.command("device", "assign", camera.id, "1.1.0")
        _rotate(office)
        _repositories(office, camera, folder)
        _enrolment(office, camera, folder)
    _messages(folder)
    _on_the_disk(folder)
    sums = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    lines = [f"{hashlib.sha256(sums[name].read_bytes()).hexdigest()}  {name}\n" for name in sorted(sums)]
    (folder / "SHA256SUMS").write_text("".join(lines))


def _releases(office: Office) -> None:
    """One release with the fewest members, one with all."""
    office.add_release("1.0.0")
    slot, tree, manifest = harness.write_build(office.folder / "build", "1.1.0", blocks=3, security_epoch=2)
    described = json.loads(manifest.read_text())
    image = described["camward"]["components"][0] | {"index": 2, "requires": REQUIRES}
    described["camward"]["components"] = [image, BOOTLOADER, PTZ]
    manifest.write_text(json.dumps(described))
    words = ("release", "add", slot, "--tree", tree, "--manifest", manifest)
    office.command(*words, "--offline-keys", office.folder / "safe")


def _rotate(office: Office) -> None:
    """Both roots change keys once: a camera walks from version 1 to 2."""
    changes = {"image": ("--remove", "root=image-root-5", "--add", f"root={office.folder / 'image-root-6.pub'}"),
               "director": ("--online", "timestamp=new", "--online", "snapshot=new")}  # fmt: skip
    with harness.environment({"CAMWARD_OFFLINE_PASSPHRASE": PASSPHRASE}):
        harness.command("keys", "new", office.folder / "image-root-6.pem")
    for (repository, words), keys in zip(changes.items(), (3, 2), strict=True):
        file = office.folder / "next.json"
        office.command("keys", "prepare", "root", "--repository", repository, *words, "-o", file)
        for number in range(1, keys + 1):
            office.sign(file.name, office.folder / f"safe/{repository}-root-{number}.pem")
        office.command("keys", "import", file)
        if newest(office, repository) != 2:
            raise SystemExit(f"the {repository} root was not rotated")


def _repositories(office: Office, camera: Camera, folder: Path) -> None:
    """What a camera fetches that has nothing yet but the first roots, in a check that ends in an installation."""

    def fetch(repository: str, path: str) -> bytes | None:
        body = office.fetch(camera)(repository, path)
        if body is not None:
            (folder / repository / path).write_bytes(body)
        return body

    for name in ("image", "director"):
        shutil.copy(office.server / "tuf" / name / "1.root.json", folder / name)
    made_at = int(time.time())
    if camera.check(fetch, at=made_at) != "1.1.0":
        raise SystemExit("the camera does not install")
    about = {"made_at": made_at, "device": camera.id, "serial": SERIAL, "version": "1.0.0", "nonce": NONCE}
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    targets = json.loads((folder / "image" / _only(folder / "image", "targets")).read_bytes())["signed"]["targets"]
    (folder / "release.json").write_text(json.dumps(targets["kawa-1-1.1.0.slot"]["custom"], ensure_ascii=False) + "\n")
    shutil.copy(office.folder / "build/kawa-1-1.1.0.tree", folder)


def _only(folder: Path, role: str) -> str:
    (path,) = folder.glob(f"*.{role}.json")
    return path.name


def _enrolment(office: Office, camera: Camera, folder: Path) -> None:
    """What passes between people, factory, server and camera when it gets its owner."""
    token = office.command("device", "token", "--valid", "1h").stdout
    (folder / "token.txt").write_text(token.strip() + "\n")
    current = (office.server / "ownership/current").read_text().strip()
    (folder / "ownership.json").write_bytes((office.server / f"ownership/{current}.json").read_bytes())
    words = ("device", "voucher", SERIAL, "--out", office.folder / "voucher.json", "--offline-keys")
    office.command(*words, office.folder / "safe")
    (folder / "voucher.json").write_bytes((office.folder / "voucher.json").read_bytes())
    with office.opened() as services:
        made_at = json.loads((folder / "about.json").read_text())["made_at"]
        (folder / "receipt.json").write_bytes(services.director.sign_receipt(camera.id, NONCE, made_at))


def _messages(folder: Path) -> None:
    """One message of each type, from a camera whose evidence key nobody keeps."""
    about = json.loads((folder / "about.json").read_text())
    key = ec.generate_private_key(ec.SECP256R1())
    spki = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "evidence-key.pem").write_bytes(spki)
    finding = evidence.Finding(
        "S1.1-01", evidence.PASS, evidence.MEASURED, ("logins",), "61 known pairs got in nowhere"
    )
    open_port = evidence.Finding("S1.1-12", evidence.FAIL, evidence.MEASURED, ("listeners",), "554 答えた")
    facts = {"logins": {"tried": 61, "in": 0}, "listeners": {"tcp": [443, 322, 554]}}
    proof = evidence.Report(
        about["made_at"], about["device"], "kawa-1", "a", "1.0.0", "star1", (finding, open_port), facts
    )
    measured = {
        "version": "1.0.0", "slot": "a", "phase": "idle", "uptime_s": 86400, "rss_bytes": 4194304,
        "cpu_percent": 12.5, "temperature_c": -3.25, "problems": "label",
    }  # fmt: skip
    done = messages.Report("rolled_back", "1.1.0", "1.0.0", "health", "the stream did not answer 映像なし", "b", None)
    bodies = {
        "telemetry": messages.telemetry_body(measured),
        "alarm": {"kind": "login", "source": "192.0.2.1", "count": 40},
        "report": messages.report_body(done),
        "evidence": evidence.body(proof),
    }
    for number, (kind, body) in enumerate(bodies.items(), 1):
        made = envelope.Envelope(kind, about["device"], "boot-7", number, about["made_at"], body, b"")
        if kind in envelope.SIGNED_TYPES:
            r, s = decode_dss_signature(key.sign(envelope.message(made), ec.ECDSA(hashes.SHA256())))
            made = made.replace(signature=r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        (folder / f"envelope-{kind}.json").write_bytes(envelope.encode(made))
    (folder / "state.json").write_bytes(messages.encode_state(messages.State(True, "1.0.0", "a", "")))


def _on_the_disk(folder: Path) -> None:
    """What a later agent finds that an earlier one, the factory or the boot script has written."""
    record = BootRecord(
        generation=41, active="b", trial="a", left=3, fails=2, tries=1, resets=1, gave="r", said=1, rollback_index=7
    )
    (folder / "boot-record.bin").write_bytes(boot_record.encode(record))
    label = {
        "v": 1, "serial": SERIAL, "model": "kawa-1", "hardware": "a", "mac": "52:54:00:12:34:56",
        "claim_salt": "000102030405060708090a0b0c0d0e0f", "claim_sha256": hashlib.sha256(
            bytes(range(16)) + b"ABCDEFGHIJKLMNOP").hexdigest(),
    }  # fmt: skip
    (folder / "label.json").write_text(json.dumps(label) + "\n")
    targets = json.loads((folder / "image" / _only(folder / "image", "targets")).read_bytes())["signed"]["targets"]
    entry = targets["kawa-1-1.1.0.slot"]
    target = tuf.Target(
        path="kawa-1-1.1.0.slot", length_bytes=entry["length"], sha256=entry["hashes"]["sha256"],
        custom=entry["custom"], hashes=entry["hashes"],
    )  # fmt: skip
    saved = update_state.saved(release.parse(target))
    state = update_state.FRESH.replace(phase=update.TRIAL, slot="b", release=saved, origin="1.0.0", failed=("0.9.0",))
    (folder / "update-state.json").write_bytes(update_state.encode(state))


if __name__ == "__main__":
    where = Path(sys.argv[1])
    if where.exists():
        sys.exit(f"{where} exists: a set is never made again")
    make(where)
