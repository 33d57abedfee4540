from binascii import hexlify
from hashlib import sha256

from firmware_sim.world.firmware import BEHAVIOURS, Geometry, build, system, verified

geometry = Geometry(slot_blocks=6, root_blocks=4)
print(geometry.slot_bytes(), geometry.fit_offset(), geometry.image_bytes(), geometry.disk_bytes())
layout = geometry.layout()
print(sorted(layout), layout["boot_record"], layout["fit_offset"], sorted(layout["slots"]["b"].items()))
for behaviour in BEHAVIOURS:
    image = build(geometry, "1.0.0", 2, behaviour)
    print(hexlify(sha256(image).digest()).decode(), verified(geometry, image))
    for at in (5, geometry.fit_offset(), geometry.fit_offset() + 40):
        damaged = image[:at] + bytes([image[at] ^ 1]) + image[at + 1 :]
        print(at, system(geometry, damaged) is None, verified(geometry, damaged) is None)
print(system(geometry, b""), system(geometry, bytes(geometry.slot_bytes())))
wide = Geometry(32, 20, 65536)
print(wide, wide.record_offsets(), wide.slot_offset("a"), wide.slot_offset("b"), wide.disk_bytes())
