from agent.core import slots
from agent.formats.boot_record import FRESH
from agent.formats.errors import FormatError

LAYOUT = {
    "name": "ab-1",
    "device": "/dev/vda",
    "erase_bytes": 4096,
    "boot_record": [65536, 131072],
    "slots": {"a": {"offset": 1048576, "length": 8192}, "b": {"offset": 1056768, "length": 8192}},
    "fit_offset": 4096,
    "data": {"offset": 2097152, "length": 4096},
}
layout = slots.parse_layout(LAYOUT)
print(layout, layout.slot("b"))
for change in (
    {"boot_record": [65536]},
    {"boot_record": [65536, 65536]},
    {"boot_record": [1, 2]},
    {"device": "disk"},
    {"fit_offset": 8192},
    {"data": {"offset": 1048576, "length": 4096}},
    {"data": {"offset": 1, "length": 4096}},
    {"slots": {}},
    {"name": "/"},
    {"erase_bytes": 512},
    {"erase_bytes": 512, "boot_record": [512, 1024]},
    {"erase_bytes": 8192, "boot_record": [65536, 135168], "data": {"offset": 122880, "length": 12288}},
    {"erase_bytes": 3000},
    {"erase_bytes": 8192},
    {"erase_bytes": 16384},
    {"erase_bytes": 8192, "boot_record": [65536, 69632]},
):
    changed = dict(LAYOUT)
    changed.update(change)
    try:
        print(slots.parse_layout(changed))
    except FormatError as error:
        print(error)
record = FRESH.replace(generation=5, tries=4, resets=1, rollback_index=1)
armed = slots.arm(record, "b")
print(armed, slots.on_trial(armed, "b"), slots.on_trial(armed, "a"), slots.arm(armed, "b") == armed)
print(
    slots.commit(armed, "b"),
    slots.roll_back(armed),
    slots.seen_healthy(record),
    slots.settle(armed, "a"),
    slots.quiet(record),
    slots.announce(record),
    slots.fail(armed, "b"),
    slots.fail(record, "a"),
    slots.trial_due(armed),
    slots.trial_due(armed.replace(fails=3)),
    slots.raise_index(record, 3),
    slots.raise_index(record, 0),
)
for make in (
    lambda: slots.arm(record, "a"),
    lambda: slots.commit(record, "c"),
    lambda: slots.other("x"),
    lambda: slots.raise_index(record, -1),
):
    try:
        print(make())
    except ValueError as error:
        print(error)
print(slots.other("a"), slots.inactive("b"))
small = dict(LAYOUT)
small["kind"] = "recovery"
small["slots"] = {"a": LAYOUT["slots"]["a"], "b": {"offset": 1056768, "length": 4096, "fit_offset": 0}}
recovery = slots.parse_layout(small)
print(recovery, [(each.target(slot), each.in_recovery(slot)) for each in (layout, recovery) for slot in slots.SLOTS])
print(slots.switch_over(record, "b"))
