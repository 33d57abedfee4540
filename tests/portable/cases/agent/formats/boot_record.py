from binascii import hexlify

from agent.formats import boot_record
from agent.formats.errors import FormatError
from tests.portable import wire

record = boot_record.FRESH.replace(generation=7, active="a", trial="b", left=10, fails=1, rollback_index=1)
sector = boot_record.encode(record)
print(hexlify(sector[:80]), len(sector), boot_record.decode(sector) == record)
later = boot_record.encode(record.replace(generation=8, trial="-", left=0))
damaged = sector[:9] + b"\x00" + sector[10:]
for first, second in (
    (sector, later),
    (later, sector),
    (damaged, later),
    (sector, damaged),
    (damaged, damaged),
    (b"", b"x"),
):
    print(boot_record.newer(first, second))
for change in (
    {"active": "c"},
    {"trial": ""},
    {"left": 11},
    {"gave": "x"},
    {"said": 2},
    {"tries": -1},
    {"generation": 2**32},
    {"rollback_index": -1},
):
    try:
        boot_record.encode(record.replace(**change))
    except FormatError as error:
        print(change, error)
wire.show("boot_record")
