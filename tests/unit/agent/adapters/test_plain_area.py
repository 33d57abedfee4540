"""What comes in by the plain area in front of an encrypted data partition: what was kept, and nothing forged."""

from hashlib import sha256

import pytest

from agent.adapters.linux import data_partition
from agent.adapters.linux.admin_commands import ERASE_JOURNAL
from agent.adapters.linux.data_partition import PlainArea, carried_record
from agent.adapters.linux.store import FileStore
from agent.app import handover
from agent.formats import data_area, tpm
from agent.formats.errors import Unavailable
from tests.unit.agent.adapters.partition_camera import (
    LABEL,
    START,
    Cut,
    fill,
    never,
    next_start,
    put,
)

FORGED = {
    "trust/image/root.json": b"the thief's, version 1000",
    "trust/rollback_index": b"0",
    "clock/floor.json": b'{"at":4070908800}',
    "evidence/history.json": b'{"update_history":{}}',
}


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


def test_an_erase_that_is_repeated_after_its_order_leaves_the_order_as_it_stands(camera, monkeypatch):
    camera.partition.open()
    fill(camera)
    kept = {"trust/image/root.json": b"root", "clock/floor.json": b"1", ERASE_JOURNAL: b"{}"}
    for name, body in kept.items():
        FileStore(camera.state).write(name, body)
    with monkeypatch.context() as patched:
        patched.setattr(camera.chip, "remove_secret", never)
        with pytest.raises(Cut):
            camera.erasure.renew()
    FileStore(camera.state).write("clock/floor.json", b"2")
    with monkeypatch.context() as patched:
        patched.setattr(PlainArea, "_write", never)
        assert camera.erasure.renew()
    assert tpm.PARTITION_INDEX not in camera.chip.held
    assert next_start(camera).items() >= kept.items()


def test_an_order_that_keeps_nothing_is_replaced_by_an_erases(camera):
    """The control: the TPM does not vouch for the record of the order that stands."""
    camera.partition.open()
    fill(camera)
    FileStore(camera.state).write("clock/floor.json", b"{}")
    camera.area.order(carried_record({ERASE_JOURNAL: b"{}"}))
    assert camera.erasure.renew()
    assert next_start(camera).items() >= {("clock/floor.json", b"{}")}


@pytest.mark.parametrize("fault", ["disk", "TPM"])
def test_what_cannot_be_forgotten_costs_no_sound_partition_and_is_tried_at_each_start(camera, monkeypatch, fault):
    camera.partition.open()
    fill(camera)
    FileStore(camera.state).write("clock/floor.json", b"{}")
    assert camera.erasure.renew()

    def fails(*_: object) -> None:
        raise Unavailable("it fails")

    def left() -> list[str]:
        with camera.disk.open("rb") as file:
            file.seek(START + data_area.CARRIED)
            there = {"disk": any(file.read(data_area.HEAD_BYTES)), "TPM": tpm.CARRIED_INDEX in camera.chip.held}
        return [name for name in there if there[name]]

    remove = camera.chip.remove_secret
    camera.kernel.there.clear()
    assert camera.partition.open()[1]
    with monkeypatch.context() as patched:
        if fault == "disk":
            patched.setattr(PlainArea, "forget_carried", fails)
        else:
            patched.setattr(camera.chip, "remove_secret", lambda i: fails() if i == tpm.CARRIED_INDEX else remove(i))
        assert "clock/floor.json" in fill(camera)
        assert camera.area.state() == data_area.READY
        camera.kernel.there.clear()
        assert camera.partition.open()[1] is False
        assert camera.said == ["what was carried is still there: it fails"] * 2, "once in each start"
        assert left() == [fault], "the other goes"
    camera.kernel.there.clear()
    assert camera.partition.open()[1] is False
    assert left() == []
    assert len(camera.said) == 2


def test_what_a_formatting_puts_in_is_what_an_erase_keeps():
    """Two lists, since an adapter knows nothing of the agent's app."""
    assert (*handover.ALWAYS, handover.HISTORY, handover._journal(handover.ERASE)) == data_partition.KEPT
