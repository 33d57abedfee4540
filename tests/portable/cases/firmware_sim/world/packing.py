from agent.formats import cose, segments
from agent.formats.errors import Rejected, Unavailable
from firmware_sim.world import packing
from firmware_sim.world.chance import Chance

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
point = b"\x04" + bytes(64)
sealer = packing.UnsafeWorldSealer(Chance(1))
try:
    sealer.seal(b"text", b"")
except Unavailable as error:
    print(error)
try:
    sealer.start(b"short", b"")
except Rejected as error:
    print(error)
kid = cose.key_id(point)
session = cose.Session(kid, *sealer.start(point, cose.info(kid)))
made = cose.Sealed(session, "b", 1, *sealer.seal(b"text", cose.associated("a/b", "b", 1)))
print(cose.encode(made), sealer.starts)
for change, topic in (({}, "a/b"), ({}, "a/c"), ({"seq": 2}, "a/b"), ({"iv": bytes(12)}, "a/b")):
    try:
        print(packing.unsafe_open(point, made.replace(**change), topic))
    except Rejected as error:
        print(error)
