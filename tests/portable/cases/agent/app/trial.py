from firmware_sim.world.firmware import DEAD_SERVICES, Geometry
from tests.portable.story import ready

camera = ready()
camera.release("1.1.0", behaviour=DEAD_SERVICES)
camera.update("1.1.0")
camera.release("1.1.1")
camera.update("1.1.1")
record = camera.world.record()
print(record.active, record.trial, record.left, record.tries)
print("== with a recovery system")
camera = ready(Geometry(14, 12, 4096, 5))
camera.release("1.1.0", behaviour=DEAD_SERVICES)
camera.update("1.1.0")
camera.release("1.1.1")
camera.update("1.1.1")
