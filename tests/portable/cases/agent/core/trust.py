import sys

from agent.adapters.micropython.p256 import verify_signature
from agent.core.clock import Time
from agent.core.trust import Check, Device
from agent.formats.errors import Rejected, Unavailable
from tests.portable import wire

FIXTURES = sys.argv[3]

NOW = 1800000000
DEVICE = Device("abcdefghijklmnopqrstuvwxyz", "kawa-1", "a", "1.0.0", 1)


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def play(name):
    print("==", name)
    folder = FIXTURES + "/trust/" + name
    stored = {}
    for repository in ("image", "director"):
        roles = ("root", "timestamp", "snapshot", "targets")
        stored[repository] = {role: read(folder + "/stored/" + repository + "/" + role) for role in roles}
    check = Check(DEVICE, stored, Time(NOW, 0, 0), verify_signature)
    try:
        while True:
            request = check.wants()
            if request is None:
                break
            print(request)
            body = read(folder + "/served/" + request.repository + "/" + request.path)
            if body is None:
                check.absent()
            else:
                check.feed(body)
            print([(name, len(body) > 0) for name, body in check.accepted()])
    except (Rejected, Unavailable) as error:
        print(error, [(name, len(body) > 0) for name, body in check.accepted()])
    print(check.issued_at, check.wants())
    if check.outcome is not None:
        for field in check.outcome.FIELDS:
            print(
                field, "=", getattr(check.outcome, field) if field != "hardware" else ",".join(check.outcome.hardware)
            )


for name in (
    "install",
    "idle",
    "rollback",
    "freeze",
    "arbitrary",
    "wrong_model",
    "mixed",
    "unsigned",
    "rotated",
    "delegated",
    "withheld",
):
    play(name)
wire.show("trust")
