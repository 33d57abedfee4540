from agent.app.identity import CERTIFICATE
from firmware_sim.world.chance import Chance
from firmware_sim.world.firmware import Geometry
from firmware_sim.world.surroundings import Surroundings
from firmware_sim.world.world import World

world = World(Geometry(slot_blocks=6, root_blocks=4), b"", lambda key, signature, message: None, 1800000000)
world.leave_factory()
restarts = []


def boot():
    booted = world.boot_loader()
    return Surroundings(world, booted, Chance("entropy"), lambda: restarts.append(booted.slot))


first, second = boot(), boot()
first.ports.store.write("identity/kept", b"kept")
first.ports.scratch.write("run/lost", b"lost")
print(second.ports.store.read("identity/kept"), second.ports.scratch.read("run/lost"), first.scratch.content)
print(first.ports.boot.booted_slot(), first.ports.device is second.ports.device)
print(first.ports.fetcher is first.ports.clockless, first.ports.link is first.link, first.ports.ssh is first.ssh)
first.ports.boot.reboot()
print(restarts)


def connects(link):
    """Beside a certificate of the camera that is fresh, it is the broker's that decides."""
    world.documents.content[CERTIFICATE] = world.server.certify("a" * 26, int(world.clock.now_s))
    link.open("operator.test", 8883, "-----BEGIN CERTIFICATE-----", "a" * 26, (), 60)
    return [event[0] for event in link.events]


print(connects(first.link))
world.clock.advance(50 * 365 * 86400)  # the broker's certificate has expired by the camera's clock
print(connects(second.link))
