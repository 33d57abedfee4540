import sys

from agent.adapters.micropython.p256 import verify_signature
from agent.core.trust_delegations import find_target
from agent.core.trust_repository import Repository
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


for world in ("delegated", "withheld"):
    base = FIXTURES + "/trust/" + world
    folder = base + "/served/image/"
    kept = []
    stored = {"root": read(base + "/stored/image/root")}
    repository = Repository("image", stored, verify_signature, lambda role, body, kept=kept: kept.append(role))
    drive(repository.refresh_root(NOW), folder)
    timestamp, body = drive(repository.refresh_timestamp(NOW), folder)
    repository.keep_timestamp(timestamp, body)
    snapshot = drive(repository.refresh_snapshot(timestamp, NOW), folder)
    targets = drive(repository.refresh_targets(snapshot, NOW), folder)
    for path in ("kawa-1-1.1.0.slot", "kawa-1-1.1.0.tree", "kawa-1-1.1.0.slot", "other-x", "a/b"):
        try:
            found = drive(find_target(repository, path, targets, snapshot, NOW), folder)
            print(path, found is not None and (found.path, found.length_bytes, sorted(found.custom)))
        except (Rejected, Unavailable) as error:
            print(path, error)
    print(kept)
