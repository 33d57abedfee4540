from agent.formats import envelope
from agent.formats.errors import FormatError
from firmware_sim.world import certificates
from firmware_sim.world.broker import Broker, WorldLink, as_event
from firmware_sim.world.machine import WorldClock

CA = "-----BEGIN CERTIFICATE-----\n"


def attempt(work):
    try:
        return work()
    except FormatError as error:
        return str(error)


unsure = WorldLink(Broker(), lambda: fits)
fits = False
unsure.open("h", 1, CA, "id", (), 60)
print(unsure.events)
fits = True
unsure.poll()
fits = False
unsure.poll()
print(unsure.events)

broker = Broker()
link = WorldLink(broker)
print(link.publish("n", "t", b"p", False), attempt(lambda: link.open("h", 1, "no", "id", (), 60)))
link.open("h", 1, CA, "id", ("down",), 60)
print(link.publish("n", "up/t", b"p", False))
link.begin()
print(link.publish("n", "up/t", b"p", False), link.subscribed, broker.on("/t"), link.events)
broker.refuses.add("/t")
print(link.publish("m", "up/t", b"q", False), len(broker.messages))
link.deliver("down", b"c")
broker.down = True
link.poll()
link.deliver("down", b"c")
print(link.publish("n", "t", b"p", False), link.events)
broker.down = False
link.poll()
print(link.publish("n", "t", b"p", False))
link.close()
print(link.events)
receipted = Broker()
receipted.takes = lambda device, messages: (device + str([(one.seq, one.code) for one in messages])).encode()
link = WorldLink(receipted)
link.open("h", 1, CA, "id", (), 60)
link.begin()
for kind in ("alarm", "telemetry"):
    wire = envelope.encode(envelope.Envelope(kind, "a" * 26, "b", 7, 0, {"x": 1}, b""))
    print(link.publish("7", "c/up/" + kind, wire, False), link.publish("8", "c/up/" + kind, b"?", False))
receipted.unheard = True
print(link.publish("0", "c/up/alarm", wire, False))
receipted.unheard, receipted.loses_receipts = False, True
print(link.publish("9", "c/up/alarm", wire, False), link.events)
for event in (("up",), ("down", "gone", "closed"), ("acknowledged", "n"), ("refused", "n"), ("message", "t", b"p")):
    print(as_event(event))

clock = WorldClock(1763800000)
documents = {}
for name, at in (("certificate", 1763799000), ("b", 1763800000)):
    documents["identity/" + name + ".pem"] = certificates.make("i" * 26, at, at, at + 1000)
broker = Broker()
link = WorldLink(broker, None, documents.get, clock)
link.show("identity/b.pem", "tls")
print(repr(link.shown()), link.stands(), link.events)
link.open("h", 1, CA, "id", (), 60)
print(repr(link.shown()), link.stands(), link.events)
broker.distrusts_since = 1763800000
link.show("identity/certificate.pem", "tls")
print(repr(link.shown()), link.stands(), link.events)
link.show("identity/b.pem", "tls")
print(repr(link.shown()), link.stands(), link.events)
clock.advance(10)
link.show("identity/certificate.pem", "tls")
print(repr(link.shown()), link.stands(), link.events)
