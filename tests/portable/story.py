"""What the cases of the agent's shell have in common: one camera in the simulated world, the same on both interpreters.

Portable itself. Each function prints what an outside observer sees, so that a difference shows where it begins.
"""

from agent.core.trust import SignatureError
from agent.formats import envelope, json, messages, utc
from firmware_sim.world import people
from firmware_sim.world.firmware import SOUND, Geometry, build
from firmware_sim.world.repository import make_release, new_operator
from firmware_sim.world.secrets import UnsafeSigner, unsafe_signature_fits
from firmware_sim.world.world import World

NOW = utc.parse("2026-11-22T00:00:00Z")
SMALL = Geometry(slot_blocks=14, root_blocks=12)


def verify(key, signature, message):
    if not unsafe_signature_fits(key.public, signature, message):
        raise SignatureError("the signature does not verify")


class Stage:
    """A camera out of its box with the power on, and its operator."""

    def __init__(self, geometry=SMALL):
        self.geometry = geometry
        self.operator = new_operator(UnsafeSigner, NOW)
        self.release("1.0.0")
        self.world = World(geometry, self.operator.image.files["1.root.json"], verify, NOW)
        self.world.leave_factory()
        self.world.power_on()
        self.grant = ""
        self._told = 0

    def release(self, version, epoch=1, behaviour=SOUND):
        image = build(self.geometry, version, epoch, behaviour)
        self.operator.add(make_release(image, version, epoch, layout=self.geometry.name()))

    def assign(self, version):
        self.operator.set_time(int(self.world.clock.now_s))
        self.operator.assign(version)
        self.world.server.files.update(self.operator.files)

    def claim(self):
        reply = people.claim(self.world)
        self.grant = reply.get("grant", "")
        print("claim", reply.get("ok"), reply.get("role"))
        return self

    def enrol(self):
        people.enrol(self.world, self.operator, self.grant)
        self.world.run_for(900)
        print("enrolled", self.world.device_id())
        return self

    def ask(self, op, service="web", **arguments):
        reply = self.world.ask(service, people.request(op, **arguments))
        print(op, sorted(arguments), json.dump(reply))
        return reply

    def update(self, version, seconds=3600):
        """Assign a version, let time pass, and tell what came of it."""
        self.assign(version)
        self.world.run_for(seconds)
        self.tell()

    def tell(self):
        """The console, boots, reports and stored documents since the last time."""
        for text in self.world.console[self._told :]:
            print("  console:", text)
        self._told = len(self.world.console)
        record = self.world.record()
        print("  record:", record)
        print("  boots:", [(boot.slot, boot.version, boot.on_trial) for boot in self.world.boots])
        print("  reports:", self.reports())
        print("  documents:", sorted(self.world.digest().items()))

    def reports(self):
        found = []
        for payload in self.world.broker.on("/up/report"):
            body = envelope.parse(payload).body
            if body["kind"] == "update":
                report = messages.parse_report(body)
                found.append((report.event, report.source, report.to, report.code))
        return found


def ready(geometry=SMALL):
    """A claimed and enrolled camera on 1.0.0."""
    return Stage(geometry).claim().enrol()
