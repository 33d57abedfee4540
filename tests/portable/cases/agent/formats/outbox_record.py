from agent.formats import outbox_record
from agent.formats.errors import FormatError

data = b""
for number, kind in enumerate(outbox_record.KINDS):
    print(kind, outbox_record.lane(kind), outbox_record.sealed_name(kind, number))
    data += outbox_record.encode(kind, number + 1, number + 10, 1800000000 + number, b"body " + kind.encode())
print(data)
torn = b"CWo1\x00 torn" + data[:-3]
for one in outbox_record.scan(torn):
    print(one, outbox_record.read(torn[one.offset :]))
for wrong in (b"", b"CWo1", data[1:], data[:20], data[:30] + b"?" + data[31:]):
    try:
        print(outbox_record.read(wrong))
    except FormatError as error:
        print(error)
for fields in (("gossip", 1, 1, 0, b""), ("alarm", 0, 1, 0, b""), ("alarm", 1, 1, 1 << 32, b"")):
    try:
        print(outbox_record.encode(*fields))
    except FormatError as error:
        print(error)
print(outbox_record.file_name("paper", 1234, 3))
for name in (
    "outbox/paper-0000001234-3",
    "outbox/paper-1234-3",
    "outbox/00000001.alarm.300",
    "outbox/paper-0000001234-x",
):
    print(outbox_record.parse_name(name))
