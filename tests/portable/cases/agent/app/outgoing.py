from binascii import hexlify
from hashlib import sha256

from agent.formats import json
from agent.formats.errors import Unavailable
from tests.portable.story import ready

camera = ready()
world = camera.world
box = world.agent._reporting._outgoing
world.broker.down = True
world.run_for(1)
print(box.count(), box.given_up, box.damaged)
print(world.agent._reporting.queue("alarm", {"code": "one"}), world.agent._reporting.queue("report", {"kind": "test"}))
world.run_for(900)
for name in sorted(world.documents.content):
    if name.startswith("outbox/"):
        print(name, len(world.documents.content[name]))
print(box.count(), box.written_bytes)
found = box.next()
while found is not None:
    number, kind, wire = found
    print(kind, len(wire), box.acknowledged(number))
    if kind == "report":
        seq = json.parse_object(wire, 4096, floats=True)["seq"]
        print(box.taken(seq, "00" * 32), box.taken(seq, str(hexlify(sha256(wire).digest()), "utf-8")))
    found = box.next()
print(box.count(), box.unreceipted())
box.again()
world.documents.broken = True
try:
    box.put("alarm", box.number(), 0, b"x")
except Unavailable as error:
    print(error)
world.documents.broken = False
world.documents.room_bytes = 200000
for number in range(300):
    box.put("telemetry", box.number(), box._now_s() + number, b"x" * 500)
print(box.count(), box.given_up, box.flush())
world.power_cut()
for name in sorted(world.documents.content):
    if name.startswith("outbox/telemetry"):
        world.documents.content[name] = world.documents.content[name][:-5]
world.power_on()
box = world.agent._reporting._outgoing
print(box.count(), box.given_up, box.damaged, box.lost())
world.broker.down = False
world.run_for(300)
print(box.count(), [len(payload) for payload in world.broker.on("/up/alarm")])
