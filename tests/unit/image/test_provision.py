"""What a factory gives one camera."""

import hashlib
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.formats import data_area, label, token, voucher
from firmware_sim.image import BuiltImage, ImageError, load_device, provision
from firmware_sim.image.disk import make_data, make_factory_disk, make_template
from firmware_sim.image.model import Layout
from firmware_sim.image.provision import new_code

LAYOUT = Layout("ab-1", "/dev/vda", 4096, [65536, 131072], 1 << 20, 1 << 20, 1 << 19, 8 << 20)
CODE = "ABCD-EFGH-2345-6723"


@pytest.fixture
def built(tmp_path: Path) -> BuiltImage:
    folder = tmp_path / "image"
    folder.mkdir()
    for name in ("slot", "tree", "release.json", "control.dtb", "pflash0.img", "pflash1.img"):
        (folder / name).write_bytes(name.encode() * 1000)
    make_factory_disk(folder / "factory.img", LAYOUT, folder / "slot", 3, tmp_path)
    return BuiltImage(
        folder=folder,
        model="kawa-1",
        hardware="a",
        version="1.0.0",
        variant="product",
        security_epoch=3,
        slot=folder / "slot",
        tree=folder / "tree",
        release_json=folder / "release.json",
        disk=folder / "factory.img",
        dtb=folder / "control.dtb",
        pflash0=folder / "pflash0.img",
        pflash1=folder / "pflash1.img",
        qemu="qemu-system-aarch64",
        machine_args=("-M", "virt"),
        layout=LAYOUT,
    )


def test_the_camera_knows_the_codes_hash_and_the_person_the_code(built: BuiltImage, tmp_path: Path):
    device = provision(built, "KW1-000001", tmp_path / "camera", CODE.lower())
    data = tmp_path / "data"
    with device.disk.open("rb") as disk:
        disk.seek(LAYOUT.data_offset)
        data.write_bytes(disk.read())
    command = ["/usr/sbin/debugfs", "-R", "cat /camward/factory/label.json", data]
    told = label.parse(subprocess.run(command, check=True, capture_output=True).stdout)
    assert (told.serial, told.model, told.hardware, told.mac) == ("KW1-000001", "kawa-1", "a", device.mac)
    assert told.claim_sha256 == hashlib.sha256(told.claim_salt + label.normal_code(CODE)).digest()
    assert json.loads(device.label_json.read_text())["code"] == device.code == CODE
    assert CODE in device.label_txt.read_text("utf-8")
    assert CODE.replace("-", "").encode() not in device.disk.read_bytes()
    assert device.label_json.stat().st_mode & 0o077 == 0
    assert load_device(tmp_path / "camera") == device


def test_in_front_of_an_encrypted_data_partition_lies_the_same_and_the_voucher_goes_once(tmp_path: Path):
    layout = replace(LAYOUT, encrypted=True, data_bytes=16 << 20)
    folder = tmp_path / "image"
    folder.mkdir()
    for name in ("slot", "control.dtb", "pflash0.img", "pflash1.img"):
        (folder / name).write_bytes(name.encode())
    make_factory_disk(folder / "factory.img", layout, folder / "slot", 3, tmp_path)
    built = SimpleNamespace(
        model="kawa-1", hardware="a", version="1.0.0", qemu="", machine_args=(), layout=layout,
        disk=folder / "factory.img", dtb=folder / "control.dtb", pflash0=folder / "pflash0.img",
        pflash1=folder / "pflash1.img",
    )  # fmt: skip
    given = voucher_for("KW1-000001")
    device = provision(built, "KW1-000001", tmp_path / "camera", voucher=given, factory=(b"a certificate", b"a key"))
    data = device.disk.read_bytes()[layout.data_offset :]
    factory = data_area.parse_documents(data[data_area.FACTORY : data_area.BLOCK_BYTES])
    assert label.parse(factory.pop("factory/label.json")).serial == "KW1-000001"
    assert factory == {"factory/certificate.pem": b"a certificate", "factory/key.pem": b"a key"}
    assert data_area.parse_documents(data[data_area.CARRIED :]) == {"factory/voucher.json": given}
    copies = [data[at : at + 4096] for at in data_area.STATES]
    assert data_area.parse_state(*copies) == data_area.NEW
    assert not any(data[data_area.AREA_BYTES :]), "the camera makes the file system"


def test_a_template_is_the_whole_file_system(tmp_path: Path):
    layout = replace(LAYOUT, encrypted=True, data_bytes=16 << 20)
    count, blocks = data_area.parse_template(make_template(layout, tmp_path))
    assert count * 4096 == layout.file_system_bytes < layout.data_bytes - data_area.AREA_BYTES
    make_data(tmp_path / "whole", layout)
    zeros = bytes(4096)
    assert b"".join(blocks.get(number, zeros) for number in range(count)) == (tmp_path / "whole").read_bytes()


def test_everything_but_the_data_partition_is_the_factory_disks(built: BuiltImage, tmp_path: Path):
    device = provision(built, "KW1-000001", tmp_path / "camera")
    assert device.disk.stat().st_size == LAYOUT.disk_bytes
    assert device.disk.read_bytes()[: LAYOUT.data_offset] == built.disk.read_bytes()[: LAYOUT.data_offset]


def test_two_cameras_have_nothing_in_common_that_is_secret(built: BuiltImage, tmp_path: Path):
    one, two = (provision(built, f"KW1-00000{number}", tmp_path / str(number)) for number in (1, 2))
    assert one.code != two.code
    assert one.mac != two.mac
    assert len({new_code() for _ in range(50)}) == 50


@pytest.mark.parametrize("name", ["voucher.json", "certificate.pem", "key.pem"])
def test_what_the_factory_gives_lies_on_the_disk_of_its_camera(built: BuiltImage, tmp_path: Path, name: str):
    given = {"voucher.json": voucher_for("KW1-000001"), "certificate.pem": b"a certificate", "key.pem": b"a key"}
    factory = (given["certificate.pem"], given["key.pem"])
    device = provision(built, "KW1-000001", tmp_path / "camera", voucher=given["voucher.json"], factory=factory)
    data = tmp_path / "data"
    with device.disk.open("rb") as disk:
        disk.seek(LAYOUT.data_offset)
        data.write_bytes(disk.read())
    command = ["/usr/sbin/debugfs", "-R", f"cat /camward/factory/{name}", data]
    assert subprocess.run(command, check=True, capture_output=True).stdout == given[name]
    command = ["/usr/sbin/debugfs", "-R", f"stat /camward/factory/{name}", data]
    assert b"Mode:  0600" in subprocess.run(command, check=True, capture_output=True).stdout


@pytest.mark.parametrize("body", [b"", b"{}", "of another camera"])
def test_a_voucher_that_will_not_do_is_refused_and_nothing_is_left(built: BuiltImage, tmp_path: Path, body):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ImageError, match="voucher"):
        provision(
            built, "KW1-000001", tmp_path / "c", voucher=body if isinstance(body, bytes) else voucher_for("KW1-000002")
        )
    assert sorted(tmp_path.iterdir()) == before


def voucher_for(serial: str) -> bytes:
    text = token.encode(token.Token("https://operator.test:8443", "secret", "t1", b"\x30\x00", "ab" * 32))
    return json.dumps({"signed": voucher.signed_part(serial, text, 1_900_000_000), "signatures": []}).encode()


@pytest.mark.parametrize(
    ("serial", "code"), [("", None), ("kw1", None), ("A/B", None), ("KW1-1", "ABCD"), ("KW1-1", "1" * 16)]
)
def test_odd_serials_and_codes_are_refused_and_nothing_is_left(
    built: BuiltImage, tmp_path: Path, serial: str, code: str | None
):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ImageError):
        provision(built, serial, tmp_path / "camera", code)
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_in_use_is_left_alone(built: BuiltImage, tmp_path: Path):
    (tmp_path / "camera").mkdir()
    (tmp_path / "camera/mine").write_text("mine")
    with pytest.raises(ImageError, match="not empty"):
        provision(built, "KW1-000001", tmp_path / "camera")
    assert [path.name for path in (tmp_path / "camera").iterdir()] == ["mine"]


def test_an_image_that_lost_a_file_leaves_nothing(built: BuiltImage, tmp_path: Path):
    built.dtb.unlink()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ImageError):
        provision(built, "KW1-000001", tmp_path / "camera")
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_is_no_camera_is_named(tmp_path: Path):
    with pytest.raises(ImageError, match="no provisioned camera"):
        load_device(tmp_path)
