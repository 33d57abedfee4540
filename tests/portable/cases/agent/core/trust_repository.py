import sys

from agent.adapters.micropython.p256 import verify_signature
from agent.core.trust_repository import Repository, Request, check_length
from agent.formats.errors import Rejected, Unavailable

FIXTURES = sys.argv[3]

NOW = 1800000000


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def drive(steps, folder):
    body = None
    try:
        while True:
            request = steps.send(body)
            print(request)
            body = read(folder + request.path)
    except StopIteration as stop:
        return stop.value


for world in ("install", "mixed", "rotated"):
    base = FIXTURES + "/trust/" + world
    kept = []
    stored = {}
    for role in ("root", "timestamp", "snapshot", "targets"):
        stored[role] = read(base + "/stored/director/" + role)
    repository = Repository(
        "director", stored, verify_signature, lambda role, body, kept=kept: kept.append((role, len(body) > 0))
    )
    folder = base + "/served/director/"
    try:
        print(drive(repository.refresh_root(NOW), folder))
        timestamp, body = drive(repository.refresh_timestamp(NOW), folder)
        repository.keep_timestamp(timestamp, body)
        snapshot = drive(repository.refresh_snapshot(timestamp, NOW), folder)
        targets = drive(repository.refresh_targets(snapshot, NOW), folder)
        print(targets.version, targets.expires_at)
    except (Rejected, Unavailable) as error:
        print(error)
    print(kept)
try:
    check_length(Request("image", "x", 2), b"abc")
except Rejected as error:
    print(error)
