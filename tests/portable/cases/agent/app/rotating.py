from firmware_sim.world.secrets import UnsafeSigner
from tests.portable.story import Stage

stage = Stage()
operator, world = stage.operator, stage.world
operator.command_signers = [UnsafeSigner("command")]
stage.claim().enrol()
now = int(world.clock.now_s)


def tell(seq, seconds=60):
    world.link.deliver(
        "camward/1/" + world.device_id() + "/down/command", operator.command("rotate_identity", seq, now)
    )
    world.run_for(seconds)
    content = world.documents.content
    print(world.device_id(), world.ports.keys.ensure("tls"), len(world.server.rekeyed), world.link.key)
    print(sorted(name for name in content if name.startswith("identity/")), world.admin("status")["link"])


print(world.device_id(), world.ports.keys.ensure("tls"))
tell(1)
world.server.rekeys = False
tell(2)
world.server.rekeys = True
world.broker.distrusts_since = int(world.clock.now_s)
tell(3, 400)
world.restart()
world.run_for(60)
print(world.device_id(), world.ports.keys.ensure("tls"))
stage.tell()
