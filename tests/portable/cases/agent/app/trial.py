from firmware_sim.world.firmware import DEAD_SERVICES
from tests.portable.story import ready

camera = ready()
camera.release("1.1.0", behaviour=DEAD_SERVICES)
camera.update("1.1.0")
camera.release("1.1.1")
camera.update("1.1.1")
record = camera.world.record()
print(record.active, record.trial, record.left, record.tries)
