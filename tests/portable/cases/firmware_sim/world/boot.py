from agent.core.slots import other
from agent.formats.boot_record import FRESH, encode
from agent.formats.errors import Unavailable
from firmware_sim.world.boot import (
    COMMITTED,
    SILENT,
    TRIAL,
    RecordSectors,
    Save,
    UnsafeWorldRollbackStore,
    WorldBootControl,
    boot_pass,
    counted,
)
from firmware_sim.world.disk import Medium, StrictBlockDevice
from firmware_sim.world.power import Power
from firmware_sim.world.store import Documents, MemoryStore

DAMAGED = bytes(512)


def play(first, second, good, saved=True, ended=SILENT):
    steps = boot_pass(first, second, lambda slot, index: good.get(slot, -1) >= index, ended)
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


for act, trial, left, fails, tries, resets, index in (
    ("a", "-", 0, 0, 0, 0, 1),
    ("b", "-", 0, 0, 9, 2, 1),
    ("b", "-", 0, 0, 10, 0, 1),
    ("b", "-", 0, 0, 1, 3, 1),
    ("a", "b", 10, 0, 0, 0, 1),
    ("a", "b", 1, 2, 0, 0, 2),
    ("a", "b", 0, 3, 5, 2, 1),
    ("b", "a", 9, 2, 9, 7, 0),
):
    record = FRESH.replace(
        generation=5, active=act, trial=trial, left=left, fails=fails, tries=tries, resets=resets, rollback_index=index
    )
    for good in ({"a": 1, "b": 2}, {"a": 1}, {"b": 1}, {}):
        for ended in (SILENT, TRIAL, COMMITTED):
            print(record, sorted(good), ended, play(encode(record), DAMAGED, good, ended=ended))
        print("stuck", play(DAMAGED, encode(record), good, saved=False))
    for ended in (TRIAL, COMMITTED):
        print(counted(record, ended), counted(record.replace(said=1), ended))
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
