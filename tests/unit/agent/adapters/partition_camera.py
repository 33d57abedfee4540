"""A camera with an encrypted data partition, of files: no kernel, and a TPM that is a dictionary."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.adapters.linux import data_partition
from agent.adapters.linux.data_partition import DataPartition, PlainArea
from agent.adapters.linux.partition_erasure import PartitionErasure
from agent.adapters.linux.store import FileStore
from agent.core.slots import Region
from agent.formats import data_area
from agent.formats.boot_record import FRESH, BootRecord
from agent.formats.errors import Unavailable

LABEL = {"factory/label.json": b"{}"}
START = 1 << 20


class Chip:
    """The calls of a TPM that matter here; `fails` makes each of them fail."""

    def __init__(self) -> None:
        self.held: dict[int, bytes] = {}
        self.made = 0
        self.fails = False

    def secret(self, index: int) -> bytes | None:
        self._work()
        return self.held.get(index)

    def make_secret(self, index: int) -> bytes:
        self._work()
        assert index not in self.held, "as a TPM refuses it"
        self.made += 1
        self.held[index] = bytes([self.made]) * 32
        return self.held[index]

    def keep(self, value: bytes, index: int) -> None:
        self._work()
        self.held[index] = value

    def remove_secret(self, index: int) -> None:
        self._work()
        self.held.pop(index, None)

    def _work(self) -> None:
        if self.fails:
            raise Unavailable("the TPM is busy")


class Kernel:
    """Device-mapper: remembers what was made, in order; writes to a device go to a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.there: dict[str, tuple[str, int, str]] = {}
        self.asked: list[tuple[str, str]] = []

    def create(self, name: str, kind: str, sectors: int, arguments: str) -> Path:
        assert name not in self.there
        self.there[name] = (kind, sectors, arguments)
        self.asked.append((kind, arguments))
        (self.folder / name).touch()
        return self.folder / name

    def remove(self, name: str) -> None:
        del self.there[name]


def make_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """As from the factory, with everything of it in files."""
    kernel = Kernel(tmp_path)
    monkeypatch.setattr(data_partition.device_mapper, "create", kernel.create)
    monkeypatch.setattr(data_partition.device_mapper, "remove", kernel.remove)
    disk, source = tmp_path / "disk", tmp_path / "source"
    with disk.open("wb") as file:
        file.truncate(START + data_area.AREA_BYTES)
        for at in data_area.STATES:
            file.seek(START + at)
            file.write(data_area.encode_state(data_area.NEW))
        file.seek(START)
        file.write(data_area.encode_documents(LABEL))
        file.seek(START + data_area.CARRIED)
        file.write(data_area.encode_documents({"factory/voucher.json": b"a voucher"}))
    source.write_bytes(b"\xff" * (data_area.AREA_BYTES + 8192))
    region = Region(START, data_area.AREA_BYTES + (1 << 20))
    area, chip = PlainArea(disk, region), Chip()
    template = data_area.encode_template(3, {1: b"\x11" * 4096})
    run = tmp_path / "renewed"
    said: list[str] = []
    return SimpleNamespace(
        area=area, region=region, chip=chip, kernel=kernel, disk=disk, source=source, state=tmp_path / "state",
        renewed=run, said=said,
        partition=DataPartition(area, chip, source, template, said.append),
        erasure=PartitionErasure(tmp_path / "state", (), area, chip, run),
    )  # fmt: skip


def fill(camera) -> dict[str, bytes]:
    return camera.partition.fill(FileStore(camera.state))


class Restarted(Exception):
    """Stands for a restart of the machine."""


def erasing(camera) -> SimpleNamespace:
    """The ports that the end of an erase needs; `announced` are the boot records it has written."""
    announced: list[BootRecord] = []

    def reboot() -> None:
        raise Restarted

    keys = SimpleNamespace(forget=lambda name: None)
    boot = SimpleNamespace(read=lambda: FRESH, write=announced.append, reboot=reboot, announced=announced)
    secret = SimpleNamespace(forget=lambda: None)
    return SimpleNamespace(
        store=FileStore(camera.state), erasure=camera.erasure, keys=keys, secret=secret, boot=boot
    )  # fmt: skip


class Cut(Exception):
    """Stands for a power cut."""


def never(*_: object) -> None:
    raise Cut


def put(camera, at: int, record: bytes) -> None:
    """What who writes the flash can do."""
    with camera.disk.open("r+b") as file:
        file.seek(START + at)
        file.write(record)


def next_start(camera) -> dict[str, bytes]:
    """A start, after the formatting of which the state folder holds what was put in and nothing else."""
    for each in sorted(camera.state.rglob("*"), reverse=True):
        each.rmdir() if each.is_dir() else each.unlink()
    camera.kernel.there.clear()
    assert camera.partition.open()[1]
    return fill(camera)


def opened_and_filled(camera) -> None:
    camera.partition.open()
    fill(camera)
    camera.kernel.there.clear()
