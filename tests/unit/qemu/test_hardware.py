"""A machine's parts: the key that snapshots are found by, and the command line."""

from dataclasses import replace
from pathlib import Path

import pytest

from firmware_sim.qemu.hardware import Forward, Hardware, command_line


@pytest.fixture
def hardware(tmp_path: Path) -> Hardware:
    for name in ("uboot", "disk", "env", "dtb"):
        (tmp_path / name).write_bytes(name.encode())
    return Hardware(tmp_path / "uboot", tmp_path / "env", tmp_path / "disk", tmp_path / "dtb")


def test_equal_machines_have_equal_keys(hardware):
    assert hardware.key("7.2") == replace(hardware).key("7.2")


def test_everything_a_snapshot_depends_on_changes_the_key(hardware, tmp_path):
    before = hardware.key("7.2")
    changed = {
        hardware.key("7.3"),
        replace(hardware, mac="52:54:00:00:00:01").key("7.2"),
        replace(hardware, shell=True).key("7.2"),
        replace(hardware, extra=("-device", "i6300esb")).key("7.2"),
        replace(hardware, board=("-machine", "virt")).key("7.2"),
        replace(hardware, dtb=None).key("7.2"),
    }
    for name in ("uboot", "disk", "env", "dtb"):
        kept = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(kept + b"!")
        changed.add(hardware.key("7.2"))
        (tmp_path / name).write_bytes(kept)
    assert len(changed) == 10
    assert before not in changed
    assert hardware.key("7.2") == before


def test_the_command_line_starts_paused_with_every_part_and_no_default_device(hardware):
    overlays = {name: Path(f"/x/{name}.qcow2") for name in ("flash0", "flash1", "disk")}
    argv = command_line(hardware, overlays, (Forward(443, 8443),), {"qmp": 3, "console": 4}, Path("/x/log"))
    text = " ".join(argv)
    assert "-S" in argv
    assert "-nodefaults" in argv
    assert "hostfwd=tcp:127.0.0.1:8443-:443" in text
    assert "node-name=flash0,driver=qcow2,read-only=on" in text
    assert "node-name=disk,driver=qcow2,read-only=off" in text
    assert "virtconsole" not in text


def test_a_camera_may_be_in_another_network(hardware):
    for made, told in ((hardware, "net=10.0.2.0/24"), (replace(hardware, network="10.0.3.0"), "net=10.0.3.0/24")):
        argv = command_line(made, {}, (Forward(443, 8443),), {"qmp": 3, "console": 4}, Path("/x/log"))
        assert f"user,id=net0,{told},hostfwd=tcp:127.0.0.1:8443-:443" in argv


def test_the_shell_is_plugged_in_on_request_only(hardware):
    argv = command_line(replace(hardware, shell=True), {}, (), {"qmp": 3, "console": 4, "shell": 5}, Path("/x/log"))
    assert "virtconsole,chardev=shell" in argv


def test_a_tpm_is_plugged_in_on_request_only(hardware, tmp_path):
    with_tpm = replace(hardware, tpm=tmp_path / "chip")
    argv = command_line(with_tpm, {}, (), {"qmp": 3, "console": 4, "tpm": 5}, Path("/x/log"))
    assert "socket,id=tpm,fd=5" in argv
    assert "tpm-tis-device,tpmdev=tpm0" in argv
    assert "tpm-tis" not in " ".join(command_line(hardware, {}, (), {"qmp": 3, "console": 4}, Path("/x/log")))


def test_a_disk_whose_writes_are_logged_is_the_same_card_over_the_same_overlay(hardware):
    overlays = {"disk": Path("/x/disk.qcow2")}
    text = " ".join(command_line(hardware, overlays, (), {"qmp": 3, "console": 4}, Path("/x/log"), Path("/x/writes")))
    assert "node-name=disk-below,driver=qcow2,read-only=off,file.driver=file,file.filename=/x/disk.qcow2" in text
    assert "node-name=disk,driver=blklogwrites,file=disk-below,log=write-log" in text
    assert "node-name=write-log,driver=file,filename=/x/writes" in text
    assert text.count("virtio-blk-device,drive=disk") == 1
