from agent.core.trust_conversation import Verification, refresh
from agent.core.trust_repository import Request
from agent.formats.errors import FormatError, Rejected


class Two(Verification):
    def __init__(self):
        super().__init__()
        self._begin(self._run())

    def _run(self):
        first = yield Request("image", "a.json", 3)
        self._accepted.append(("image/a", first or b""))
        second = yield Request("image", "b.json", 3)
        if second is None:
            raise FormatError("b is needed")
        self.outcome = (first, second)


def play(*bodies):
    check = Two()
    try:
        for body in bodies:
            print(check.wants())
            if body is None:
                check.absent()
            else:
                check.feed(body)
            print(check.accepted(), check.accepted())
    except (Rejected, ValueError) as error:
        print(error)
    print(check.wants(), check.outcome, check.issued_at, check.floor_reset_to)


play(b"1", b"2")
play(None, b"2")
play(b"1", None)
play(b"1234")
play(b"1", b"2", b"3")


class Shelf:
    def refresh_root(self, now):
        yield "root"
        return False

    def refresh_timestamp(self, now):
        body = yield "timestamp"
        return "T", body

    def keep_timestamp(self, timestamp, body):
        print("kept", timestamp, body)

    def refresh_snapshot(self, timestamp, now):
        yield "snapshot of " + timestamp
        return "S"

    def refresh_targets(self, snapshot, now):
        yield "targets of " + snapshot
        return "G"


steps = refresh(Shelf(), 7)
asked = steps.send(None)
try:
    while True:
        print(asked)
        asked = steps.send(b"x")
except StopIteration as stop:
    print(stop.value)
