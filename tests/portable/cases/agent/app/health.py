from firmware_sim.world.firmware import DEAD_SERVICES
from tests.portable.story import ready

camera = ready()
camera.world.health = {
    "deadline_s": 60,
    "checks": [{"check": "answers", "service": "web"}, {"check": "plays", "service": "rtsp"}, {"check": "watchdog"}],
}
camera.world.dead_services.add("rtsp")
camera.world.restart()
camera.world.run_for(600)
camera.tell()
camera.world.dead_services.clear()
camera.world.hung_services.add("web")
camera.world.restart()
camera.world.run_for(200)
camera.tell()
camera.world.hung_services.clear()
camera.release("1.1.0", behaviour=DEAD_SERVICES)
camera.update("1.1.0")
