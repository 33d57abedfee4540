from agent.core.clock import Time
from agent.core.trust import Check, Device, SignatureError
from firmware_sim.world.firmware import Geometry, build
from firmware_sim.world.repository import describe, keyid, make_release, new_operator
from firmware_sim.world.secrets import UnsafeSigner, unsafe_signature_fits

NOW = 1800000000


def verify(key, signature, message):
    if not unsafe_signature_fits(key.public, signature, message):
        raise SignatureError("no")


def converse(operator, now):
    stored = {
        "image": {"root": operator.image.files["1.root.json"]},
        "director": {"root": operator.director.files["1.root.json"]},
    }
    check = Check(Device("d" * 26, "kawa-1", "a", "1.0.0", 1), stored, Time(now, 0, 0), verify)
    while True:
        request = check.wants()
        if request is None:
            break
        base = "/tuf/image/" if request.repository == "image" else "/tuf/director/" + operator.device_id + "/"
        body = operator.files.get(base + request.path)
        print(request, 0 if body is None else len(body))
        if body is None:
            check.absent()
        else:
            check.feed(body)
    return check


operator = new_operator(UnsafeSigner, NOW)
operator.adopt("d" * 26)
operator.assign(None)
print(converse(operator, NOW).outcome)
operator.set_time(NOW + 60)
operator.add(make_release(build(Geometry(slot_blocks=6, root_blocks=4), "1.1.0", 1), "1.1.0", 1))
operator.assign("1.1.0")
check = converse(operator, NOW)
print(check.outcome.version, check.outcome.tree_root, check.issued_at)
old = operator.director.signers["timestamp"]
operator.director.signers["timestamp"] = [UnsafeSigner("another")]
operator.director.publish_root()
operator.publish()
print(converse(operator, NOW).outcome.version)
twin = operator.copy()
twin.director.versions["timestamp"] += 1
print(
    twin.director.versions["timestamp"] - operator.director.versions["timestamp"],
    len(twin.files) == len(operator.files),
)
print(keyid(old[0]), sorted(describe(check.outcome)), sorted(operator.director.files))
