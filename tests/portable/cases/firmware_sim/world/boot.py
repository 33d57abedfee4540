from agent.formats.boot_record import BootRecord, encode
from agent.formats.errors import Unavailable
from firmware_sim.world.boot import (
    FRESH,
    RecordSectors,
    Save,
    UnsafeWorldRollbackStore,
    WorldBootControl,
    boot_pass,
    other,
)
from firmware_sim.world.disk import Medium, StrictBlockDevice
from firmware_sim.world.power import Power
from firmware_sim.world.store import Documents, MemoryStore

DAMAGED = bytes(512)


def play(first, second, good, saved=True):
    steps = boot_pass(first, second, lambda slot, index: good.get(slot, -1) >= index)
    answer = None
    told = []
    while True:
        try:
            step = steps.send(answer)
        except StopIteration:
            break
        if isinstance(step, Save):
            record = step.record
            told.append((step.copy,) + tuple(getattr(record, name) for name in record.FIELDS))
            answer = saved
        else:
            told.append((step.slot, step.on_trial))
    return told


for act, trial, left, tries, index in (
    ("a", "-", 0, 0, 1),
    ("b", "-", 0, 8, 1),
    ("b", "-", 0, 9, 1),
    ("a", "b", 3, 0, 1),
    ("a", "b", 1, 0, 2),
    ("a", "b", 0, 5, 1),
    ("b", "a", 9, 9, 0),
):
    record = BootRecord(5, act, trial, left, tries, index)
    for good in ({"a": 1, "b": 2}, {"a": 1}, {"b": 1}, {}):
        print(act, trial, left, tries, index, sorted(good), play(encode(record), DAMAGED, good))
        print("stuck", play(DAMAGED, encode(record), good, saved=False))
print(play(DAMAGED, DAMAGED, {"a": 0, "b": 0}), other("a"), other("b"))

medium = Medium(16384, Power())
sectors = RecordSectors(StrictBlockDevice(medium, [(4096, 512), (8192, 512)], 512), (4096, 8192))
restarts = []
control = WorldBootControl(sectors, "a", lambda: restarts.append(1))
documents = Documents(medium.power)
rollback = UnsafeWorldRollbackStore(control, MemoryStore(documents))
try:
    control.read()
except Unavailable as error:
    print(str(error))
control.write(FRESH)
for epoch in (3, 2, 4, 4):
    rollback.raise_to(epoch)
    print(rollback.read(), control.read().generation, sectors.load()[1])
control.reboot()
print(restarts, control.booted_slot(), rollback.protection(), len(sectors.copies()))
control.write(FRESH)
print(rollback.read(), control.read().rollback_index, documents.content)
rollback.raise_to(rollback.read())
print(rollback.read(), control.read().rollback_index)
