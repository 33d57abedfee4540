"""The whole story, on both interpreters: claim, enrol, update with power cuts, a rollback, an attack."""

from agent.core.trust import SignatureError
from agent.formats import envelope
from firmware_sim.world import people
from firmware_sim.world.firmware import DEAD_SERVICES, Geometry, build
from firmware_sim.world.network import DROP, Fault
from firmware_sim.world.power import TORN, PowerCut
from firmware_sim.world.repository import make_release, new_operator
from firmware_sim.world.secrets import UnsafeSigner, unsafe_signature_fits
from firmware_sim.world.world import World

NOW = 1800000000
GEOMETRY = Geometry(slot_blocks=6, root_blocks=4)


def verify(key, signature, message):
    if not unsafe_signature_fits(key.public, signature, message):
        raise SignatureError("the signature does not verify")


def release(version, epoch=1, **about):
    operator.add(make_release(build(GEOMETRY, version, epoch, **about), version, epoch))


def assign(world, version):
    operator.set_time(int(world.clock.now_s))
    operator.assign(version)
    world.server.files.update(operator.files)


def reports(world):
    told = []
    for payload in world.broker.on("/up/report"):
        body = envelope.parse(payload).body
        line = (body["event"], body["from"], body["to"], body["code"])
        if line not in told:
            told.append(line)
    return told


def tell(world, *what):
    boots = [(boot.slot, boot.version, boot.on_trial, boot.sound) for boot in world.boots]
    print(*what)
    print(boots, reports(world), world.record())
    status = world.admin("status")
    print(status["version"], status["slot"], status["state"], status["update"]["phase"], status["health"])


def runs(world, version):
    return lambda: (
        world.agent is not None
        and world.boots[-1].version == version
        and world.record().trial == "-"
        and world.record().active == world.boots[-1].slot
        and reports(world)[-1:] != []
        and reports(world)[-1][0] in ("committed", "rolled_back", "refused")
    )


operator = new_operator(UnsafeSigner, NOW)
release("1.0.0")
first = World(GEOMETRY, operator.image.files["1.root.json"], verify, NOW)
first.leave_factory()
first.power_on()
first.run_for(1)
grant = people.claim(first)["grant"]
people.enrol(first, operator, grant)
first.run_for(400)
tell(first, "enrolled", first.device_id(), first.console)
first.power_cut()

release("1.1.0")
world = first.copy()
assign(world, "1.1.0")
world.server.fail(Fault(DROP, ".slot", 9000, 1))
world.power_on()
world.run_until(runs(world, "1.1.0"))
tell(world, "updated")
print([trace.split()[0] for trace in world.power.trace])
print([(one.offset_bytes, one.served_bytes) for one in world.server.exchanges if one.path.endswith(".slot")])
total = world.power.count
final = world.firmware("b")
print(final, world.firmware("a"))

for index in range(4, total - 9, 9):  # another seed may need a few operations less
    world = first.copy(index)
    assign(world, "1.1.0")
    world.power.cut_at(index, TORN)
    try:
        world.power_on()
        world.run_until(runs(world, "1.1.0"))
        print(index, "was not cut")
    except PowerCut as cut:
        print(str(cut))
    if world.agent is None:
        world.power_on()
    world.run_until(runs(world, "1.1.0"))
    print(world.firmware("b") == final, [boot.slot for boot in world.boots])

release("1.2.0", behaviour=DEAD_SERVICES)
assign(world, "1.2.0")
world.run_until(lambda: ("rolled_back", "1.1.0", "1.2.0", "unhealthy") in reports(world))
tell(world, "rolled back")

release("1.3.0", epoch=0)
assign(world, "1.3.0")
before = world.digest()
world.run_until(lambda: reports(world)[-1][0] == "refused")
after = world.digest()
print([name for name in ("a", "b", "record 0", "record 1") if before[name] != after[name]])
tell(world, "refused")
