from binascii import hexlify

from agent.formats import data_area
from agent.formats.errors import FormatError


def tried(read, *given):
    try:
        return read(*given)
    except FormatError as error:
        return error.detail


new, ready = data_area.encode_state(data_area.NEW), data_area.encode_state(data_area.READY)
print(hexlify(new).decode())
for first, second in ((new, new), (ready, new), (b"", ready), (new[:-1], ready), (bytes(512), b"")):
    print(tried(data_area.parse_state, first + bytes(8), second))
print(tried(data_area.parse_state, data_area.encode(b"old"), ready))
documents = {"factory/label.json": b"{}", "clock/ü": bytes(3), "empty": b""}
record = data_area.encode_documents(documents)
print(len(record), tried(data_area.parse_documents, record + b"behind") == documents)
print(tried(data_area.record_bytes, record[: data_area.HEAD_BYTES], 100), tried(data_area.record_bytes, record, 4096))
for body in (b"", b"\0", b"\0\1a\0\0\0\2b", b"\0\0\0\0\0\0", b"\0\1\xff\0\0\0\0", b"\0\1a\0\0\0\0" * 2, b"\xff\xff"):
    print(tried(data_area.parse_documents, data_area.encode(body)))
for at in (0, 20, 30, 60):
    print(tried(data_area.parse_documents, record[:at] + bytes([record[at] ^ 1]) + record[at + 1 :]))
template = data_area.encode_template(4, {3: b"x" * 4096, 0: b"y" * 4096})
count, blocks = data_area.parse_template(template)
print(count, sorted(blocks), blocks[3][:2], len(blocks[0]))
for body in (b"", bytes(4), b"\0\0\0\1x", b"\0\0\0\1" + b"\0\0\0\1" + bytes(4096), b"\0\0\0\1" + bytes(4100) * 2):
    print(tried(data_area.parse_template, data_area.encode(body)))
