"""The encrypted data partition without a kernel: its key, its tables, and what its plain area says when."""

from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from agent.adapters.linux import data_partition, device_mapper
from agent.adapters.linux.admin_commands import ERASE_JOURNAL
from agent.adapters.linux.data_partition import DataPartition, PlainArea, carried_record, key_of
from agent.adapters.linux.partition_erasure import PartitionErasure
from agent.adapters.linux.store import FileStore
from agent.app import handover
from agent.core import slots
from agent.core.slots import Region
from agent.formats import data_area, tpm
from agent.formats.boot_record import FRESH, BootRecord
from agent.formats.errors import Unavailable

SECRET = bytes(range(32))
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


@pytest.fixture
def camera(tmp_path, monkeypatch):
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
    area, chip = PlainArea(disk, Region(START, data_area.AREA_BYTES + (1 << 20))), Chip()
    template = data_area.encode_template(3, {1: b"\x11" * 4096})
    run = tmp_path / "renewed"
    return SimpleNamespace(
        area=area, chip=chip, kernel=kernel, disk=disk, source=source, state=tmp_path / "state", renewed=run,
        partition=DataPartition(area, chip, source, template),
        erasure=PartitionErasure(tmp_path / "state", (), area, chip, run),
    )  # fmt: skip


def fill(camera) -> dict[str, bytes]:
    return camera.partition.fill(FileStore(camera.state))


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


class Cut(Exception):
    """Stands for a power cut."""


def never(*_: object) -> None:
    raise Cut


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


def test_what_finds_no_room_is_left_out_the_longest_first(camera):
    kept = {"clock/floor.json": b"1", "trust/image/targets.json": bytes(data_area.CARRIED_BYTES)}
    record = carried_record(kept)
    camera.area.order(record)
    assert camera.area.documents(sha256(record).digest()) == {**LABEL, "clock/floor.json": b"1"}


def test_nothing_that_claims_a_camera_comes_in_by_the_plain_area(camera):
    record = carried_record({"credentials/web.json": b"the thief's", "factory/../../../etc/x": b"x", "clock/Bad": b"x"})
    camera.area.order(record)
    assert camera.area.documents(None) == LABEL
    assert camera.area.documents(sha256(record).digest()) == LABEL, "whoever vouches for it"


FORGED = {
    "trust/image/root.json": b"the thief's, version 1000",
    "trust/rollback_index": b"0",
    "clock/floor.json": b'{"at":4070908800}',
    "evidence/history.json": b'{"update_history":{}}',
}


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


@pytest.mark.parametrize("erased_before", [False, True])
def test_forged_trust_clock_and_history_do_not_come_in_by_the_plain_area(camera, erased_before):
    camera.partition.open()
    fill(camera)
    if erased_before:
        FileStore(camera.state).write("trust/image/root.json", b"the maker's")
        FileStore(camera.state).write(ERASE_JOURNAL, b"{}")
        assert camera.erasure.renew()
    for state in data_area.STATES:
        put(camera, state, data_area.encode_state(data_area.NEW))
    put(camera, data_area.CARRIED, data_area.encode_documents({**FORGED, ERASE_JOURNAL: b"{}"}))
    assert next_start(camera) == {**LABEL, ERASE_JOURNAL: b"{}"}


def test_forged_trust_does_not_come_in_by_the_factorys_record_either(camera):
    put(camera, data_area.FACTORY, data_area.encode_documents({**FORGED, **LABEL, ERASE_JOURNAL: b"{}"}))
    assert next_start(camera) == {**LABEL, "factory/voucher.json": b"a voucher"}


def test_what_an_earlier_erase_kept_does_not_come_in_again(camera):
    camera.partition.open()
    fill(camera)
    FileStore(camera.state).write("trust/image/root.json", b"version 1, whose keys are stolen")
    assert camera.erasure.renew()
    with camera.disk.open("rb") as file:
        file.seek(START + data_area.CARRIED)
        earlier = file.read(4096)
    assert "trust/image/root.json" in next_start(camera), "the control: it comes in where it belongs"
    for state in data_area.STATES:
        put(camera, state, data_area.encode_state(data_area.NEW))
    put(camera, data_area.CARRIED, earlier)
    assert "trust/image/root.json" not in next_start(camera)


@pytest.mark.parametrize("cut", ["keep", "order", "half an order", "first state", "remove_secret", None])
def test_a_power_cut_at_any_step_of_an_erase_loses_nothing_that_it_keeps(camera, monkeypatch, cut):
    camera.partition.open()
    fill(camera)
    kept = {"trust/image/root.json": b"root", "clock/floor.json": b"{}", ERASE_JOURNAL: b"{}"}
    for name, body in kept.items():
        FileStore(camera.state).write(name, body)
    write = PlainArea._write
    writes = {"half an order": 1, "first state": 2}

    def cut_off(area: PlainArea, at: int, body: bytes) -> None:
        writes[cut] -= 1
        write(area, at, body if writes[cut] or cut == "first state" else body[: len(body) // 2])
        if not writes[cut]:
            raise Cut

    with monkeypatch.context() as patched:
        if cut in ("keep", "remove_secret"):
            patched.setattr(camera.chip, cut, never)
        elif cut == "order":
            patched.setattr(PlainArea, "order", never)
        elif cut:
            patched.setattr(PlainArea, "_write", cut_off)
        if cut:
            with pytest.raises(Cut):
                camera.erasure.renew()
        else:
            assert camera.erasure.renew()
    if camera.area.state() == data_area.READY:
        camera.kernel.there.clear()
        assert camera.partition.open()[1] is False, "as before: its key is still there"
        assert tpm.CARRIED_INDEX not in camera.chip.held
        assert camera.erasure.renew(), "the journal still lies there"
    assert next_start(camera).items() >= kept.items()
    assert tpm.CARRIED_INDEX not in camera.chip.held
    camera.kernel.there.clear()
    assert camera.partition.open()[1] is False


@pytest.mark.parametrize("cut", ["set_state", "forget_carried", "remove_secret"])
def test_a_power_cut_while_what_was_kept_is_put_in_loses_none_of_it(camera, monkeypatch, cut):
    camera.partition.open()
    fill(camera)
    FileStore(camera.state).write("clock/floor.json", b"{}")
    assert camera.erasure.renew()
    camera.kernel.there.clear()
    assert camera.partition.open()[1]
    with monkeypatch.context() as patched:
        patched.setattr(camera.chip if cut == "remove_secret" else PlainArea, cut, never)
        with pytest.raises(Cut):
            fill(camera)
    camera.kernel.there.clear()
    if camera.partition.open()[1]:
        assert "clock/floor.json" in fill(camera)
    assert FileStore(camera.state).read("clock/floor.json") == b"{}"
    assert tpm.CARRIED_INDEX not in camera.chip.held
