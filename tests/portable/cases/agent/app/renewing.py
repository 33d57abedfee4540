from agent.formats import json
from firmware_sim.world import certificates
from firmware_sim.world.network import DAY_S
from tests.portable.story import Stage

PLACE, BESIDE = "identity/certificate.pem", "identity/renewed-certificate.pem"
camera = Stage()
world = camera.world
world.server.certificate_s = 10 * DAY_S
camera.claim().enrol()


def tell():
    print(json.dump(world.admin("status")["certificate"]), BESIDE in world.documents.content)
    print(world.admin("status")["link"], certificates.serial(world.documents.content[PLACE]), world.server.issued)


def pass_time(days):
    """Without running through it: the world remembers every operation."""
    world.clock.advance(days * DAY_S)
    world.run_for(600)
    tell()


tell()
pass_time(6)
print("== nobody answers, then the server refuses, then the broker")
world.server.down = True
pass_time(2)
world.server.down = False
world.server.denied.add(world.device_id())
pass_time(0.2)
world.server.denied.clear()
world.broker.distrusts_since = int(world.clock.now_s)
pass_time(0.2)
print("== it is put right")
world.broker.distrusts_since = certificates.END_S
pass_time(0.2)
print("== the power was off for longer than the certificate lived")
world.power_cut()
world.clock.advance(100 * DAY_S)
world.power_on()
world.run_for(1800)
tell()
camera.tell()
