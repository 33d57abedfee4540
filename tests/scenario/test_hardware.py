"""The simulated hardware is stricter than real hardware, and a sweep of power cuts over it catches bad installers."""

import pytest

from agent.formats.errors import Unavailable
from firmware_sim.world.disk import BLANK, SECTOR_BYTES, Medium, StrictBlockDevice
from firmware_sim.world.power import ERASED, KEPT, LOST, OUTCOMES, SPLIT, TORN, Misuse, Power, PowerCut
from firmware_sim.world.store import Documents, MemoryStore

BLOCK = 4096


def device(power=None, blocks=4, window=None):
    medium = Medium(blocks * BLOCK, power or Power())
    return medium, StrictBlockDevice(medium, window or [(0, blocks * BLOCK)], BLOCK)


def test_a_write_is_not_on_the_medium_before_the_flush():
    medium, disk = device()
    disk.write(0, b"x" * BLOCK)
    assert disk.read(0, BLOCK) == bytes(BLOCK)
    disk.flush()
    assert disk.read(0, BLOCK) == b"x" * BLOCK
    assert medium.digest(0, BLOCK) != medium.digest(BLOCK, BLOCK)


def test_a_flush_through_another_handle_makes_nothing_durable():
    medium, disk = device()
    disk.write(0, b"x" * BLOCK)
    StrictBlockDevice(medium, [(0, BLOCK)], BLOCK).flush()
    medium.power.unplug(LOST)
    assert bytes(medium.content) == bytes(4 * BLOCK)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_what_a_cut_leaves_of_unflushed_writes(outcome):
    power = Power(seed=5)
    medium, disk = device(power)
    disk.write(0, b"x" * BLOCK)
    disk.write(BLOCK, b"y" * BLOCK)
    power.cut_at(2, outcome)
    with pytest.raises(PowerCut):
        disk.flush()
    sectors = [bytes(medium.content[at : at + SECTOR_BYTES]) for at in range(0, 2 * BLOCK, SECTOR_BYTES)]
    expected = [b"x" * SECTOR_BYTES] * 8 + [b"y" * SECTOR_BYTES] * 8
    kept = sum(found == wanted for found, wanted in zip(sectors, expected, strict=True))
    lost = (bytes(SECTOR_BYTES), BLANK * SECTOR_BYTES)
    assert all(found in (wanted, *lost) for found, wanted in zip(sectors, expected, strict=True))
    assert {LOST: kept == 0, KEPT: kept == 16, TORN: 0 < kept < 16}[outcome]
    for work in (lambda: disk.write(0, b"z" * BLOCK), disk.flush, lambda: disk.read(0, 1)):
        with pytest.raises(PowerCut):
            work()


def test_a_cut_during_a_write_may_blank_the_whole_erase_block():
    """Whatever else lies in it, flushed long before; its neighbours stay as they were."""
    fates = set()
    for seed in range(40):
        power = Power(seed)
        medium = Medium(4 * BLOCK, power, 2 * BLOCK)
        medium.content[:] = b"o" * 4 * BLOCK
        sectors = StrictBlockDevice(medium, [(BLOCK, SECTOR_BYTES)], SECTOR_BYTES)
        sectors.write(BLOCK, b"n" * SECTOR_BYTES)
        power.cut_at(1, TORN if seed else ERASED)
        with pytest.raises(PowerCut):
            sectors.flush()
        assert bytes(medium.content[2 * BLOCK :]) == b"o" * 2 * BLOCK
        first = bytes(medium.content[:SECTOR_BYTES])
        assert first in (b"o" * SECTOR_BYTES, BLANK * SECTOR_BYTES)
        assert seed or first == BLANK * SECTOR_BYTES
        fates.add((first[:1], bytes(medium.content[BLOCK : BLOCK + 1])))
    assert fates == {(b"o", b"o"), (b"o", b"n"), (BLANK, BLANK)}


def test_a_cut_may_leave_each_sector_new_in_front_and_old_behind():
    lengths = set()
    for seed in range(20):
        power = Power(seed)
        medium, disk = device(power)
        disk.write(0, b"x" * BLOCK)
        power.cut_at(1, SPLIT)
        with pytest.raises(PowerCut):
            disk.flush()
        for at in range(0, BLOCK, SECTOR_BYTES):
            sector = bytes(medium.content[at : at + SECTOR_BYTES])
            new_bytes = len(sector) - len(sector.lstrip(b"x"))
            assert sector == b"x" * new_bytes + bytes(SECTOR_BYTES - new_bytes)
            lengths.add(new_bytes)
    assert lengths == {1, 2, 4, 8, 16, 32, 64, 128, 256}


def test_sectors_that_cannot_be_read_and_sectors_that_forget():
    medium, disk = device()
    medium.unreadable.add(9)
    medium.forgetful.add(17)
    disk.write(0, b"x" * 4 * BLOCK)
    disk.flush()
    with pytest.raises(Unavailable):
        disk.read(BLOCK, BLOCK)
    assert disk.read(2 * BLOCK, BLOCK) == b"x" * SECTOR_BYTES + bytes(SECTOR_BYTES) + b"x" * 6 * SECTOR_BYTES
    assert disk.read(3 * BLOCK, BLOCK) == b"x" * BLOCK


def test_the_same_seed_tears_the_same_sectors():
    def torn(seed):
        power = Power(seed)
        medium, disk = device(power)
        power.cut_at(0, TORN)
        with pytest.raises(PowerCut):
            disk.write(0, b"x" * BLOCK)
        return bytes(medium.content)

    assert torn(1) == torn(1)
    assert len({torn(seed) for seed in range(8)}) > 4


def test_writes_outside_the_window_are_misuse_and_change_nothing():
    medium, disk = device(window=[(BLOCK, 2 * BLOCK)])
    for offset, length in ((0, BLOCK), (2 * BLOCK, 2 * BLOCK), (3 * BLOCK, BLOCK)):
        with pytest.raises(Misuse):
            disk.write(offset, b"x" * length)
    disk.flush()
    assert bytes(medium.content) == bytes(4 * BLOCK)
    disk.write(BLOCK, b"x" * 2 * BLOCK)
    disk.flush()
    assert bytes(medium.content[BLOCK : 3 * BLOCK]) == b"x" * 2 * BLOCK


def test_what_the_medium_refuses():
    medium, disk = device()
    for work in (
        lambda: disk.write(0, b"x"),
        lambda: disk.write(1, b"x" * BLOCK),
        lambda: disk.write(4 * BLOCK, b"x" * BLOCK),
        lambda: disk.read(4 * BLOCK - 1, 2),
    ):
        with pytest.raises(Unavailable):
            work()
    medium.bad_sectors.add(9)
    with pytest.raises(Unavailable):
        disk.read(BLOCK, BLOCK)
    with pytest.raises(Unavailable):
        disk.write(BLOCK, b"x" * BLOCK)
    assert disk.read(2 * BLOCK, BLOCK) == bytes(BLOCK)
    medium.read_only = True
    with pytest.raises(Unavailable):
        disk.write(0, b"x" * BLOCK)


@pytest.mark.parametrize(("outcome", "kept"), [(LOST, b"old"), (KEPT, b"new")])
def test_a_document_is_the_old_one_or_the_new_one(outcome, kept):
    documents = Documents(Power())
    store = MemoryStore(documents)
    store.write("a/b", b"old")
    documents.power.cut_at(1, outcome)
    with pytest.raises(PowerCut):
        store.write("a/b", b"new")
    documents.power.restore()
    assert store.read("a/b") == kept
    documents.power.cut_at(2, outcome)
    with pytest.raises(PowerCut):
        store.delete("a/b")
    documents.power.restore()
    assert store.read("a/b") == (kept if outcome == LOST else None)


def test_a_full_or_broken_store_keeps_the_old_document():
    documents = Documents(Power())
    store = MemoryStore(documents)
    store.write("a/b", b"old")
    documents.room_bytes = 4
    with pytest.raises(Unavailable):
        store.write("a/b", b"newer")
    assert store.read("a/b") == b"old"
    store.write("a/b", b"new")
    documents.broken = True
    for work in (lambda: store.read("a/b"), lambda: store.write("a/b", b""), lambda: store.names("a")):
        with pytest.raises(Unavailable):
            work()
    documents.broken = False
    assert store.names("a") == ["a/b"]


@pytest.mark.parametrize("name", ["", "/a", "a//b", "../a", "a/b/c/d/e", "A", "a b", ".hidden"])
def test_names_no_file_system_should_see_are_misuse(name):
    with pytest.raises(Misuse):
        MemoryStore(Documents(Power())).write(name, b"")
