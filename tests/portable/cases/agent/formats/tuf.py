import sys

from agent.formats import tuf
from agent.formats.errors import FormatError

FIXTURES = sys.argv[3]


def read(name):
    with open(FIXTURES + "/trust/install/served/" + name, "rb") as file:
        return file.read()


root = tuf.parse_root(read("image/1.root.json"), 65536)
for name in sorted(root.roles):
    role = root.roles[name]
    print(name, role.threshold, sorted(role.keyids))
for keyid in sorted(root.keys):
    key = root.keys[keyid]
    print(keyid, key.scheme, key.identity == tuf.point_from_pem(key.public), len(key.identity))
timestamp = tuf.parse(read("image/timestamp.json"), "timestamp", 8192)
snapshot = tuf.parse(read("image/2.snapshot.json"), "snapshot", 8192)
targets = tuf.parse(read("image/2.targets.json"), "targets", 65536)
for metadata in (timestamp, snapshot, targets):
    print(metadata.role, metadata.version, metadata.expires_at, len(metadata.signatures), metadata.message)
print(tuf.snapshot_meta(timestamp), tuf.targets_metas(snapshot)["targets.json"], tuf.has_delegations(targets))
for path in sorted(tuf.targets_files(targets)) + ["none"]:
    target = tuf.target_file(targets, path)
    print(path, target is not None and (target.length_bytes, target.sha256, sorted(target.custom)))
good = read("image/timestamp.json")
for old, new in (
    (b'"timestamp"', b'"snapshot"'),
    (b'"version":2', b'"version":0'),
    (b'"1.0.31"', b'"2.0.0"'),
    (b'"expires"', b'"expired"'),
    (b'"signatures":[', b'"signatures":[1,'),
    (b'"sig":"', b'"sig":"zz'),
    (b"Z", b""),
    (b"{", b"["),
):
    try:
        print(len(tuf.parse(good.replace(old, new), "timestamp", 8192).signatures))
    except FormatError as error:
        print(old, error)
body = read("image/1.root.json")
for old, new in (
    (b'"consistent_snapshot":true', b'"consistent_snapshot":false'),
    (b'"threshold":3', b'"threshold":0'),
    (b"ecdsa", b"sphincs"),
    (b"BEGIN", b"BEGUN"),
    (b'"timestamp":{', b'"stampede":{'),
    (b'"keyids":["', b'"keyids":["x'),
):
    try:
        changed = tuf.parse_root(body.replace(old, new), 65536)
        print(old, sum(1 for keyid in changed.keys if changed.keys[keyid].identity))
    except FormatError as error:
        print(old, error)
