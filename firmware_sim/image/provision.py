"""What a factory does last: give one camera its serial number, its address and its claim code."""

import hashlib
import json
import re
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from agent.formats import data_area
from agent.formats.errors import FormatError
from agent.formats.voucher import parse as parse_voucher
from firmware_sim.image.build import BuiltImage
from firmware_sim.image.disk import copy_sparse, make_data, put_file, put_records
from firmware_sim.image.errors import ImageError
from firmware_sim.image.run import storage_error

CODE_CHARACTERS = 16  # of base32: 80 bits, which nobody guesses through a lockout
CODE_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
SALT_BYTES = 16
VOUCHER = "factory/voucher.json"

_SERIAL = re.compile(r"[A-Z0-9][A-Z0-9-]{0,62}")
_CODE = re.compile(r"[A-Z2-7]{16}")


@dataclass(frozen=True)
class Device:
    """One camera as it leaves the factory; all files lie in `folder`.

    Attributes:
        folder: holds everything below; `camward-sim run` takes it.
        disk: its disk, raw and sparse.
        pflash0: U-Boot.
        pflash1: U-Boot's environment.
        dtb: control device tree.
        label_json: what is printed on the label, for programs; holds the plain code, readable by its owner only.
        label_txt: the same for the person.
        code: the claim code as printed, XXXX-XXXX-XXXX-XXXX.
    """

    folder: Path
    serial: str
    mac: str
    code: str
    disk: Path
    pflash0: Path
    pflash1: Path
    dtb: Path
    label_json: Path
    label_txt: Path
    qemu: str
    machine_args: tuple[str, ...]


def new_code() -> str:
    """A random claim code as printed on a label."""
    return _printed("".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_CHARACTERS)))


def mac_of(serial: str) -> str:
    """The network address of a serial number, in QEMU's range."""
    tail = hashlib.sha256(serial.encode()).digest()[:3]
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in tail)


def provision(
    built: BuiltImage,
    serial: str,
    out_dir: Path,
    code: str | None = None,
    mac: str | None = None,
    voucher: bytes | None = None,
    factory: tuple[bytes, bytes] | None = None,
) -> Device:
    """Make one camera's disk and label from a factory image.

    Args:
        built: the image.
        serial: capitals, digits and dashes, at most 63.
        out_dir: folder to make; must not exist or be empty.
        code: claim code with or without dashes, or None for a random one.
        mac: network address, or None for one that follows from the serial number.
        voucher: a factory voucher (`camward-server device voucher`) with which the camera enrols by itself, or None.
        factory: a factory certificate and its key (PEM) that the camera may show instead of a token's secret, or None.

    Returns:
        The camera.

    Raises:
        ImageError: bad serial or code, a voucher of another camera, the folder is in use, or the disk is full; nothing
            is left behind.
    """
    plain = (code or new_code()).upper().replace("-", "")
    if not _SERIAL.fullmatch(serial):
        raise ImageError(f"{serial!r} is no serial number", "capitals, digits and dashes, like KW1-000001")
    if not _CODE.fullmatch(plain):
        raise ImageError("that is no claim code", "16 characters, A to Z and 2 to 7, like ABCD-EFGH-2345-6723")
    address = mac or mac_of(serial)
    _check_voucher(voucher, serial)
    try:
        out_dir.parent.mkdir(parents=True, exist_ok=True)
        if out_dir.exists() and any(out_dir.iterdir()):
            raise ImageError(f"{out_dir} is not empty", "choose another folder")
        work = Path(tempfile.mkdtemp(prefix=".tmp-", dir=out_dir.parent))
        try:
            extras = {} if voucher is None else {"voucher.json": voucher}
            if factory is not None:
                extras |= {"certificate.pem": factory[0], "key.pem": factory[1]}
            _fill(work, built, serial, plain, address, extras)
            if out_dir.exists():
                out_dir.rmdir()
            work.rename(out_dir)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise storage_error(error, f"provisioning {serial}") from error
    return load_device(out_dir)


def load_device(folder: Path) -> Device:
    """Read a folder that `provision` made.

    Raises:
        ImageError: it is not one.
    """
    try:
        value = json.loads((folder / "device.json").read_text("utf-8"))
        return Device(
            folder=folder,
            serial=value["serial"],
            mac=value["mac"],
            code=json.loads((folder / "label.json").read_text("utf-8"))["code"],
            disk=folder / "disk.img",
            pflash0=folder / "pflash0.img",
            pflash1=folder / "pflash1.img",
            dtb=folder / "control.dtb",
            label_json=folder / "label.json",
            label_txt=folder / "label.txt",
            qemu=value["qemu"],
            machine_args=tuple(value["machine_args"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ImageError(f"{folder} is no provisioned camera", "make one with `camward-sim provision`") from error


def _check_voucher(voucher: bytes | None, serial: str) -> None:
    """Its form and whose it is; the camera itself looks at the signatures.

    Raises:
        ImageError: it is no voucher, or another camera's.
    """
    if voucher is None:
        return
    try:
        named = parse_voucher(voucher).serial
    except FormatError as error:
        raise ImageError(
            f"that is no voucher: {error.detail}", "make one with `camward-server device voucher`"
        ) from error
    if named != serial:
        raise ImageError(f"the voucher is for {named}", f"make one for {serial}")


def _fill(work: Path, built: BuiltImage, serial: str, plain: str, mac: str, extras: dict[str, bytes]) -> None:
    """`extras`: what else the factory puts beside the label, by name."""
    work.chmod(0o755)
    salt = secrets.token_bytes(SALT_BYTES)
    label = {
        "v": 1,
        "serial": serial,
        "model": built.model,
        "hardware": built.hardware,
        "mac": mac,
        "claim_salt": salt.hex(),
        "claim_sha256": hashlib.sha256(salt + plain.encode()).hexdigest(),
    }
    _put_data(work, built, {"label.json": json.dumps(label).encode() + b"\n", **extras})
    for source, name in ((built.pflash0, "pflash0.img"), (built.pflash1, "pflash1.img"), (built.dtb, "control.dtb")):
        copy_sparse(source, work / name)
        (work / name).chmod(0o644)
    person = {"v": 1, "serial": serial, "model": built.model, "mac": mac, "code": _printed(plain)}
    (work / "label.json").write_text(json.dumps(person, indent=1) + "\n")
    (work / "label.txt").write_text(
        f"型名 / Model: {built.model}\n製造番号 / Serial: {serial}\nMAC: {mac}\n"
        f"登録コード / Claim code: {_printed(plain)}\n",
        "utf-8",
    )
    for name in ("label.json", "label.txt"):
        (work / name).chmod(0o600)
    device = {
        "v": 1,
        "serial": serial,
        "mac": mac,
        "version": built.version,
        "qemu": built.qemu,
        "machine_args": list(built.machine_args),
    }
    (work / "device.json").write_text(json.dumps(device, indent=1) + "\n")


def _put_data(work: Path, built: BuiltImage, files: dict[str, bytes]) -> None:
    """The disk, with what the factory gives this camera on its data partition, or in front of an encrypted one."""
    disk, layout = work / "disk.img", built.layout
    if layout.encrypted:
        copy_sparse(built.disk, disk)
        documents = {f"factory/{name}": body for name, body in files.items()}
        # The voucher serves the first owner alone: it goes with the first formatting.
        carried = {name: documents.pop(name) for name in [VOUCHER] if name in documents}
        records = {data_area.FACTORY: documents, data_area.CARRIED: carried}
        put_records(disk, layout, {at: data_area.encode_documents(each) for at, each in records.items() if each})
        return
    content = work / "data"
    factory = content / "camward/factory"
    factory.mkdir(parents=True)
    for folder in (content, content / "camward"):
        folder.chmod(0o711)
    factory.chmod(0o700)
    for name, body in files.items():
        (factory / name).write_bytes(body)
        (factory / name).chmod(0o600)
    make_data(work / "data.ext4", layout, content)
    copy_sparse(built.disk, disk, layout.data_offset)
    put_file(disk, layout.data_offset, work / "data.ext4")
    shutil.rmtree(content)
    (work / "data.ext4").unlink()


def _printed(plain: str) -> str:
    return "-".join(plain[at : at + 4] for at in range(0, len(plain), 4))
