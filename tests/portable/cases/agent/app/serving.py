from agent.formats import json
from firmware_sim.world.network import DAY_S
from tests.portable.story import Stage

ISSUED = "web/issued/services.pem"
camera = Stage()
world = camera.world
world.server.certificate_s = 10 * DAY_S
camera.claim().enrol()


def tell():
    print(json.dump(world.admin("status")["services_certificate"]), world.server.services_issued)
    print(world.documents.content.get(ISSUED))


tell()
world.run_for(60)
tell()
print("== nobody answers when it is time")
world.server.down = True
world.clock.advance(8 * DAY_S)
world.run_for(1800)
tell()
world.server.down = False
world.run_for(12 * 3600)
tell()
camera.tell()
