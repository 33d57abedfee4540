from firmware_sim.world.firmware import DEAD_SERVICES
from tests.portable.story import ready

camera = ready()
camera.world.dead_services.add("rtsp")
camera.world.restart()
camera.world.run_for(600)
camera.tell()
camera.world.dead_services.clear()
camera.release("1.1.0", behaviour=DEAD_SERVICES)
camera.update("1.1.0")
