from agent.app.effects import BLOCKING, Call, Reboot, Reply, Say, perform
from agent.formats.errors import FormatError, Unavailable


class Hasher:
    def hash(self, password):
        return "hashed " + password

    def fail(self):
        raise Unavailable("busy")

    def refuse(self):
        raise FormatError("bad")


class Ports:
    hasher = Hasher()


for method, arguments, after in (
    ("hash", ("x",), None),
    ("hash", ("x",), len),
    ("fail", (), None),
    ("refuse", (), len),
):
    result = perform(Call(7, "hasher", method, arguments, after), Ports())
    print(result.id, result.value, str(result.error) if result.error else None)
print(Reply(1, b"x"), Say("y"), Reboot("z"), sorted(BLOCKING.items()))
