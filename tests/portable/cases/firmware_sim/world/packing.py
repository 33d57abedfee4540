from agent.formats import segments
from agent.formats.errors import Rejected
from firmware_sim.world import packing

old, new = bytes(8 * 4096), b"".join(bytes([number]) * 4096 for number in range(8))
body, length = packing.artifact(old, new, [1, 2, 5, 7], 3, b"key")
index = segments.parse(body[:length])
unpacker = packing.UnsafeWorldUnpacker()
for number in range(index.segment_count):
    one = index.segment(number)
    stored = body[one.offset : one.offset + one.stored_bytes]
    prefix = bytearray(old[one.source_first * 4096 : (one.source_first + one.source_blocks) * 4096])
    content = unpacker.unpack(unpacker.decrypt(b"key", number, stored), prefix, one.blocks * 4096)
    print(len(prefix), list(index.blocks_of(number)), [content[at] for at in range(0, len(content), 4096)])
    try:
        unpacker.decrypt(b"kex", number, stored)
    except Rejected as error:
        print(error)
    try:
        unpacker.unpack(unpacker.decrypt(b"key", number, stored), bytearray(b"x"), one.blocks * 4096)
    except Rejected as error:
        print(error)
enc, sealed = packing.unsafe_seal(b"camera", b"k" * 32, b"info")
print(packing.UnsafeWorldUnsealer(b"camera").open(enc, sealed, b"info"))
try:
    packing.UnsafeWorldUnsealer(b"other").open(enc, sealed, b"info")
except Rejected as error:
    print(error)
