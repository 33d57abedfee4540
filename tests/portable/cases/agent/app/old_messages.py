from agent.formats import envelope
from tests.portable.story import NOW, ready

camera = ready()
world = camera.world
world.broker.down = True
world.power_cut()
for seq, kind in ((3, "alarm"), (5, "telemetry"), (9, "report")):
    signature = bytes(64) if kind in envelope.SIGNED_TYPES else b""
    body = {"version": "1.0.0", "slot": "a", "phase": "idle"} if kind == "telemetry" else {"kind": kind, "code": kind}
    wire = envelope.encode(envelope.Envelope(kind, "a" * 26, "before", seq, NOW, body, signature))
    world.documents.content["outbox/0000000" + str(seq) + "." + kind + "." + str(len(wire))] = wire
world.documents.content["outbox/00000004.alarm.3"] = b"???"
world.documents.content["outbox/rubbish"] = b"???"
world.power_on()
outgoing = world.agent._reporting._outgoing
print(outgoing.count(), outgoing.damaged)
world.run_for(5)
print(outgoing.count(), outgoing.damaged, sorted(name for name in world.documents.content if name[:7] == "outbox/"))
world.broker.down = False
world.run_for(120)
for topic, payload in world.broker.messages:
    if b'"before"' in payload:
        print(topic, payload)
