from binascii import hexlify
from hashlib import sha256

from agent.app.packed import packed
from agent.app.part import NAMES, Part
from agent.app.sources import OWN
from agent.formats import segments
from agent.formats.delivery import Artifact
from tests.portable.story import ready

BODY = bytes(range(250)) * 32
PIECE = 1500

index = segments.encode([(3, 2)], [(2, len(BODY), 0, 0, sha256(BODY).digest())])
digest = str(hexlify(sha256(index).digest()), "utf-8")
named = Artifact("", "a", len(index) + len(BODY), "ab" * 32, len(index), digest, b"", b"")


class Desk:
    now = 0.0
    ports = ready().world.ports


class Medium:
    def save(self):
        print("saved")
        yield None


class Line:
    """Brings a piece each six seconds; `wrong`: where a byte is spoilt."""

    def __init__(self, desk, wrong=-1):
        self.desk = desk
        self.body = bytearray(BODY)
        self.count = 0
        if wrong >= 0:
            self.body[wrong] ^= 1

    def begin(self, _work, path, at, stop, end, align):
        return at - len(index), min(PIECE, stop - at), path, end, align

    def take(self, _work, asked):
        at, count = asked[:2]
        yield None
        self.desk.now += 6.0
        self.count += 1
        return bytes(self.body[at : at + count]), OWN


def run(part, most):
    """So many steps, then the power is gone."""
    whole = []

    def steps():
        whole.append((yield from part.rest(packed(named, index), 0, {0})))

    for _ in steps():
        most -= 1
        if most < 0:
            break
    return [(len(stored), len(givers)) for stored, givers in whole]


def life(most, wrong=-1):
    desk = Desk()
    line = Line(desk, wrong)
    print(run(Part(desk, None, Medium(), line), most), line.count, len(desk.ports.spool.read(NAMES[1], 0, 100000)))


life(5)
life(1)
life(9)
life(9)
body = bytearray(Desk.ports.store.read(NAMES[1]))
body[5000] ^= 1
Desk.ports.store.write(NAMES[1], bytes(body))
life(2)
life(9)
Desk.ports.store.delete(NAMES[1])
life(9, 7500)
life(3, 7500)
life(9, 7500)
life(9)
part = Part(Desk(), None, Medium(), Line(Desk()))
run(part, 9)
part.clear()
print(Desk.ports.store.read(NAMES[1]))
