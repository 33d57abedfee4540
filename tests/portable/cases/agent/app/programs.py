from agent.app.programs import SERVICE
from agent.formats import base64
from tests.portable.story import ready

RIVER = {
    "name": "river", "uid": 900, "gid": 900, "receive": ["interval"], "max_message_bytes": 64,
    "publish": [{"topic": "level", "durable": True}, {"topic": "viewers", "durable": False}],
    "messages_per_minute": 3, "bytes_per_hour": 1000, "keep_bytes": 65536,
}  # fmt: skip
camera = ready()
world = camera.world
world.power_cut()
world.programs = [RIVER]
world.power_on()
world.run_for(300)


def say(op, **members):
    members.update({"v": 1, "n": 5, "op": op})
    found = world.ask(SERVICE + "river", members)
    print(op, sorted([(name, value) for name, value in found.items() if name != "device"]))


say("state")
say("receive")
for topic, data in (("level", b"1"), ("viewers", b"2"), ("level", bytes(65)), ("other", b""), ("level", b"3")):
    say("publish", topic=topic, data=base64.encode(data))
say("publish", topic="level", data="YQ==")
say("erase")
world.run_for(5)
for topic, payload in world.broker.messages:
    if "/app/" in topic:
        print(topic.partition("/app/")[2], payload)
world.link.deliver("camward/1/" + world.device_id() + "/app/river/down/interval", b"60")
world.run_for(1)
print([line for _, line in world.pushed])
world.broker.unheard_on.add("/app/")
say("publish", topic="level", data="YQ==")
say("publish", topic="viewers", data="YQ==")
world.run_for(30)
say("state")
world.broker.unheard_on.clear()
world.run_for(60)
say("state")
