"""The encrypted data partition without a kernel: its key, its tables, and what its plain area says when."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from agent.adapters.linux import data_partition, device_mapper
from agent.adapters.linux.admin_commands import ERASE_JOURNAL
from agent.adapters.linux.data_partition import key_of
from agent.adapters.linux.store import FileStore
from agent.app import handover
from agent.core import slots
from agent.formats import data_area, tpm
from agent.formats.boot_record import FRESH
from agent.formats.errors import Unavailable
from tests.unit.agent.adapters.partition_camera import (
    LABEL,
    START,
    Cut,
    Restarted,
    erasing,
    fill,
    never,
)

SECRET = bytes(range(32))


def test_the_key_is_hkdf_of_the_secret_under_a_label_of_its_own():
    expected = HKDFExpand(SHA256(), data_partition.KEY_BYTES, data_partition.KEY_INFO).derive(SECRET)
    assert key_of(SECRET) == expected
    assert key_of(SECRET) != key_of(bytes(32))
    assert len({tpm.PARTITION_INDEX, tpm.SECRET_INDEX, tpm.CARRIED_INDEX}) == 3


def test_the_tables_are_those_of_the_kernels_documentation():
    assert data_partition.integrity_arguments(Path("/dev/dm-2"), "J") == "/dev/dm-2 12288 48 J 1 block_size:4096"
    assert data_partition.crypt_arguments(Path("/dev/dm-3"), b"\xab" * 96) == (
        "capi:authenc(hmac(sha256),xts(aes))-random "
        + "ab" * 96
        + " 0 /dev/dm-3 0 2 integrity:48:aead sector_size:4096"
    )
    table = device_mapper.table("crypt", 8, "seven77")
    assert table == (
        bytes(8) + (8).to_bytes(8, "little") + bytes(4) + (48).to_bytes(4, "little") + b"crypt".ljust(16, b"\0")
        + b"seven77\0"
    )  # fmt: skip
    assert len(device_mapper.table("crypt", 8, "eight888")) == 56


def test_a_new_camera_formats_every_block_with_a_key_that_was_never_used(camera):
    device, fresh = camera.partition.open()
    assert fresh
    assert device.read_bytes() == bytes(4096) + b"\x11" * 4096 + bytes(4096)
    assert camera.source.read_bytes()[data_area.AREA_BYTES :] == bytes(4096) + b"\xff" * 4096, "the superblock alone"
    kinds = [kind for kind, _ in camera.kernel.asked]
    assert kinds == ["integrity", "integrity", "crypt", "integrity", "crypt"]
    modes = [arguments.split()[3] for kind, arguments in camera.kernel.asked if kind == "integrity"]
    assert modes == ["D", "D", "J"]
    key = key_of(camera.chip.held[tpm.PARTITION_INDEX]).hex()
    assert all(key in arguments for kind, arguments in camera.kernel.asked if kind == "crypt")
    assert fill(camera) == {**LABEL, "factory/voucher.json": b"a voucher"}
    assert (camera.state / "factory/label.json").read_bytes() == b"{}"
    assert camera.area.state() == data_area.READY
    assert b"voucher" not in camera.disk.read_bytes(), "it serves the first owner alone"


def test_the_next_start_opens_and_formats_nothing(camera):
    camera.partition.open()
    fill(camera)
    before = dict(camera.chip.held)
    camera.kernel.there.clear()
    camera.kernel.asked.clear()
    assert camera.partition.open()[1] is False
    assert [kind for kind, _ in camera.kernel.asked] == ["integrity", "crypt"]
    assert camera.chip.held == before


@pytest.mark.parametrize("wrong", ["no key", "no state"])
def test_a_partition_that_does_not_open_is_never_formatted(camera, wrong):
    camera.partition.open()
    fill(camera)
    camera.kernel.there.clear()
    camera.kernel.asked.clear()
    if wrong == "no key":
        camera.chip.held.clear()
    else:
        with camera.disk.open("r+b") as file:
            for at in data_area.STATES:
                file.seek(START + at + data_area.HEAD_BYTES)
                file.write(b"x")
    with pytest.raises(Unavailable, match=r"no key|damaged"):
        camera.partition.open()
    assert camera.kernel.asked == []


def test_a_formatting_that_was_cut_off_begins_again_with_another_key(camera):
    camera.partition.open()
    first = camera.chip.held[tpm.PARTITION_INDEX]
    camera.kernel.there.clear()
    assert camera.partition.open()[1]
    assert camera.chip.held[tpm.PARTITION_INDEX] != first
    assert fill(camera).keys() == {*LABEL, "factory/voucher.json"}


@pytest.mark.parametrize("copy", [0, 1])
def test_one_copy_of_the_state_is_enough(camera, copy):
    camera.area.set_state(data_area.READY)
    with camera.disk.open("r+b") as file:
        file.seek(START + data_area.STATES[copy])
        file.write(bytes(512))
    assert camera.area.state() == data_area.READY


def test_a_cut_between_the_two_copies_counts_as_the_new_state(camera):
    with camera.disk.open("r+b") as file:
        file.seek(START + data_area.STATES[0])
        file.write(data_area.encode_state(data_area.READY))
    assert camera.area.state() == data_area.READY


def test_a_start_puts_the_second_copy_right_so_that_decay_of_the_first_formats_nothing(camera):
    """The power failed between the two copies of `ready`, and years later the first one rots."""
    camera.partition.open()
    fill(camera)
    with camera.disk.open("r+b") as file:
        file.seek(START + data_area.STATES[1])
        file.write(data_area.encode_state(data_area.NEW))
    camera.kernel.there.clear()
    assert camera.partition.open()[1] is False
    with camera.disk.open("r+b") as file:
        file.seek(START + data_area.STATES[0])
        file.write(b"rot")
    camera.kernel.there.clear()
    assert camera.partition.open()[1] is False


def test_an_erase_destroys_the_key_and_the_next_start_goes_on_with_what_is_kept(camera):
    camera.partition.open()
    fill(camera)
    ports = erasing(camera)
    kept = {"trust/image/root.json": b"root", "trust/rollback_index": b"3", "clock/floor.json": b"{}"}
    for name, body in {**kept, ERASE_JOURNAL: b'{"v":1,"version":"1.0.0"}', "credentials/web.json": b"user"}.items():
        ports.store.write(name, body)
    (camera.state / "trust/image/root.json.new").write_bytes(b"an unfinished write")
    with pytest.raises(Restarted):
        handover.finish(ports, "1.0.0")
    assert ports.boot.announced == [slots.announce(FRESH)]
    assert tpm.PARTITION_INDEX not in camera.chip.held
    assert camera.area.state() == data_area.NEW

    for each in sorted(camera.state.rglob("*"), reverse=True):
        each.rmdir() if each.is_dir() else each.unlink()
    camera.kernel.there.clear()
    assert camera.partition.open()[1]
    filled = fill(camera)
    assert filled.keys() == {*LABEL, *kept, "evidence/history.json", ERASE_JOURNAL}
    camera.renewed.touch()  # as agent.main_data does
    assert handover.finish(ports, "1.0.0") == "erase"
    assert {name: ports.store.read(name) for name in kept} == kept
    assert ports.store.read(ERASE_JOURNAL) is None
    assert handover.finish(ports, "1.0.0") == ""


def test_an_erase_whose_tpm_fails_goes_on_and_one_that_is_cut_off_after_the_order_formats(camera):
    camera.partition.open()
    fill(camera)
    camera.chip.fails = True
    FileStore(camera.state).write(ERASE_JOURNAL, b"{}")
    with pytest.raises(Unavailable, match="busy"):
        camera.erasure.renew()
    camera.chip.fails = False
    assert camera.area.state() == data_area.READY, "nothing is ordered that could not be proven"
    camera.chip.remove_secret = never
    with pytest.raises(Cut):
        camera.erasure.renew()
    del camera.chip.remove_secret
    assert camera.area.state() == data_area.NEW
    old = camera.chip.held[tpm.PARTITION_INDEX]
    camera.kernel.there.clear()
    assert camera.partition.open()[1]
    assert camera.chip.held[tpm.PARTITION_INDEX] != old
