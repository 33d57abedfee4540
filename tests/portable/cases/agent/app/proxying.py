from firmware_sim.world.secrets import UnsafeSigner
from tests.portable.story import Stage

stage = Stage()
operator, world = stage.operator, stage.world
operator.command_signers = [UnsafeSigner("command")]
stage.claim().enrol()
now = int(world.clock.now_s)


def tell(seq, proxy, down, seconds):
    topic = "camward/1/" + world.device_id() + "/down/command"
    world.link.deliver(topic, operator.command("settings", seq, now, {"proxy": proxy}))
    world.broker.down = down
    world.run_for(seconds)
    world.broker.down = False
    world.run_for(30)
    content = world.documents.content
    print(seq, [content.get("config/" + name + ".json") for name in ("proxy", "proxy_before")])


tell(1, {"host": "a.example", "port": 3128}, False, 30)
tell(2, {"host": "b.example", "port": 3128}, True, 1000)
tell(3, {"host": "b.example", "port": 3128}, True, 60)
world.restart()
world.run_for(30)
tell(4, None, False, 30)
tell(5, {"host": "c.example", "port": 3128}, True, 60)
world.power_cut()
world.documents.content["commands/state.json"] = b"{"
world.power_on()
world.run_for(30)
print([world.documents.content.get("config/" + name + ".json") for name in ("proxy", "proxy_before")])
stage.tell()
