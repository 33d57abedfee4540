from firmware_sim.world.firmware import DEAD_SERVICES, HANGS
from tests.portable.story import ready

camera = ready()
for version, behaviour in (("1.1.0", DEAD_SERVICES), ("1.2.0", HANGS), ("1.3.0", "sound")):
    camera.release(version, behaviour=behaviour)
    print("==", version, behaviour)
    camera.update(version)
