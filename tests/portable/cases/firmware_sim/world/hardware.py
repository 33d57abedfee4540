from agent.formats.errors import Unavailable
from firmware_sim.world.firmware import Geometry, build
from firmware_sim.world.hardware import Hardware
from firmware_sim.world.power import LOST, TORN, PowerCut

GEOMETRY = Geometry(slot_blocks=6, root_blocks=4)


def tell(hardware):
    booted = hardware.boot_loader()
    if booted is None:
        print("reset", hardware.record())
    else:
        print(booted.slot, booted.version, booted.on_trial, booted.sound, booted.behaviour, hardware.record())


camera = Hardware(GEOMETRY, 0, 4)
try:
    camera.record()
except Unavailable as error:
    print(str(error))
tell(camera)
camera.leave_factory("1.0.0", 3)
print(sorted(camera.digest().items()))
tell(camera)
camera.put("b", build(GEOMETRY, "1.1.0", 4))
print(camera.firmware("a"), camera.firmware("b"), len(camera.slot_bytes("b")))
sectors = camera.sectors()
record, copy = sectors.load()
sectors.save(copy, record.replace(generation=9, trial="b", left=2))
for _ in range(3):
    tell(camera)
camera.medium.content[GEOMETRY.slot_offset("a") + 77] ^= 1
tell(camera)
camera.medium.content[GEOMETRY.slot_offset("a") + GEOMETRY.fit_offset()] ^= 1
tell(camera)
for outcome in (LOST, TORN):
    camera.power.cut_at(camera.power.count, outcome)
    try:
        tell(camera)
    except PowerCut as cut:
        print(str(cut))
    camera.power.restore()
    tell(camera)
camera.medium.bad_sectors.add(8)
tell(camera)
