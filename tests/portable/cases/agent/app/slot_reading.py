from agent.app.slot_reading import NO_HASH, ActiveSlot, hashes
from agent.app.work import Ticket
from agent.formats.block_tree import BLOCK_BYTES
from agent.formats.errors import Unavailable

BAD = 2


class Device:
    """Ten blocks, one of which cannot be read."""

    def ask(self, port, method, arguments):
        offset, count = arguments
        first, ticket = offset // BLOCK_BYTES, Ticket()
        if first <= BAD < first + count:
            ticket.settle(None, Unavailable("bad"))
        else:
            ticket.settle(b"".join([bytes([block + 1]) * 32 for block in range(first, first + count)]), None)
        print(port, method, first, count)
        return ticket

    def read(self, offset, length):
        if offset <= BAD * BLOCK_BYTES < offset + length:
            raise Unavailable("bad")
        return bytes(length)


class Store:
    def __init__(self):
        self.kept = {}

    def read(self, name):
        return self.kept.get(name)

    def write(self, name, body):
        self.kept[name] = body

    def delete(self, name):
        self.kept.pop(name, None)


class Desk:
    def __init__(self):
        self.ports = self
        self.device = Device()
        self.store = Store()


def run(steps):
    """What a generator returns whose every call has ended when it is yielded."""
    try:
        ticket = next(steps)
        while True:
            ticket = steps.throw(ticket.error) if ticket.error is not None else steps.send(ticket.value)
    except StopIteration as end:
        return end.value


def letters(found):
    return [found[at] for at in range(0, len(found), 32)]


desk = Desk()
found, whole = run(hashes(desk.device, BLOCK_BYTES, 3))
print(letters(found), whole, found[32:64] == NO_HASH)
found, whole = run(hashes(desk.device, 5 * BLOCK_BYTES, 2))
print(letters(found), whole)
slot = ActiveSlot(desk, desk.device, 0, 4 * BLOCK_BYTES, "tree")
print(letters(run(slot.leaves())), desk.store.kept)
slot = ActiveSlot(desk, desk.device, 3 * BLOCK_BYTES, 2 * BLOCK_BYTES, "tree")
print(letters(run(slot.leaves())), letters(desk.store.kept["tree"]))
print(letters(run(slot.leaves())), len(slot.read(0, 2)), len(slot.read(1, 2)))
slot.doubt()
print(desk.store.kept)
