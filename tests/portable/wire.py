"""What an agent reads in the golden files of the released wire formats (tests/assets/wire): printed, on both
interpreters. Portable itself; each case shows its own module's part with `show("NAME")`.
"""

import sys
from binascii import hexlify

from agent.adapters.micropython.p256 import verify_signature
from agent.app import update_state
from agent.core import receipt as receipt_check
from agent.core import voucher as voucher_check
from agent.core.clock import Time
from agent.core.trust import Check, Device
from agent.core.trust_repository import Repository
from agent.formats import boot_record, envelope, evidence, json, label, messages, ownership, release, token, tuf
from agent.formats.value import Value

V1 = sys.path[0] + "/tests/assets/wire/v1/"
MAX_BYTES = 65536


def read(name):
    with open(V1 + name, "rb") as file:
        return file.read()


def plain(value):
    """The value with its texts as UTF-8: the interpreters show other characters than ASCII differently."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, Value):
        return [(name, plain(getattr(value, name))) for name in value.FIELDS]
    return [plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def optional(name):
    try:
        return read(name)
    except OSError:
        return None


def about():
    return json.parse_object(read("about.json"), MAX_BYTES)


def _check(stored, wall_at):
    known = about()
    device = Device(known["device"], "kawa-1", "a", known["version"], 1)
    check = Check(device, stored, Time(wall_at, 0, 0), verify_signature)
    while True:
        request = check.wants()
        if request is None:
            break
        body = optional(request.repository + "/" + request.path)
        print(request, body is not None)
        if body is None:
            check.absent()
        else:
            check.feed(body)
        for name, kept in check.accepted():
            repository, role = name.split("/")
            stored[repository][role] = kept
    return check


def trust():
    stored = {}
    for name in ("image", "director"):
        stored[name] = {"root": read(name + "/1.root.json"), "timestamp": None, "snapshot": None, "targets": None}
    check = _check(stored, about()["made_at"])
    print(plain(check.outcome), check.issued_at, check.floor_reset_to is not None)
    for name in ("image", "director"):
        for role in sorted(stored[name]):
            print(name, role, len(stored[name][role]))


def manifest():
    for target in ("kawa-1-1.0.0.slot", "kawa-1-1.1.0.slot"):
        listed = tuf.target_file(tuf.parse(read("image/3.targets.json"), "targets", MAX_BYTES), target)
        found = release.parse(listed)
        print(plain(found))
        print(
            release.custom(found) == listed.custom, listed.custom == json.parse_object(read("release.json"), MAX_BYTES)
        )


def tokens():
    text = read("token.txt").decode()
    found = token.parse(text)
    print(found.url, found.id, len(found.ca), found.ownership_sha256, token.encode(found) == text.strip())


def owner():
    body = read("ownership.json")
    record = ownership.parse(body)
    print(record.operator, record.server_url, record.broker_host, record.broker_port, record.command_keys)
    print(record.sealing_key, record.check_interval_s, record.telemetry_interval_s, ownership.encode(record) == body)


def messages_():
    for kind in envelope.TYPES:
        body = read("envelope-" + kind + ".json")
        found = envelope.parse(body)
        print(found.type, found.id, found.boot, found.seq, found.at, len(found.signature))
        again = envelope.parse(envelope.encode(found))
        print(again == found)
        if found.signature:
            print(hexlify(envelope.message(found)))


def telemetry():
    print(messages.parse_telemetry(envelope.parse(read("envelope-telemetry.json")).body))
    print(plain(messages.parse_report(envelope.parse(read("envelope-report.json")).body)))
    print(messages.parse_state(read("state.json")), messages.encode_state(messages.parse_state(read("state.json"))))


def proof():
    found = evidence.parse(envelope.parse(read("envelope-evidence.json")).body)
    print(found.at, found.device, found.catalogue, plain(found.findings), sorted(found.facts))


def factory_label():
    print(label.parse(read("label.json")))


def record():
    sector = read("boot-record.bin")
    found = boot_record.decode(sector)
    print(found, boot_record.encode(found) == sector)


def state():
    found = update_state.decode(read("update-state.json"))
    print(found.phase, found.slot, found.origin, found.failed, update_state.encode(found) == read("update-state.json"))
    print(update_state.release_of(found.release).version)


def receipt():
    known = about()
    stored = {"root": read("director/2.root.json")}
    director = Repository("director", stored, verify_signature, lambda role, body: None)
    print(receipt_check.verify(read("receipt.json"), known["device"], known["nonce"], director, 0) - known["made_at"])


def voucher():
    known = about()
    root = tuf.parse_root(read("image/2.root.json"), MAX_BYTES)
    found = voucher_check.verify(read("voucher.json"), root, known["serial"], known["made_at"], verify_signature)
    print(found.url, found.ownership_sha256 == token.parse(read("token.txt").decode()).ownership_sha256)


PARTS = {
    "trust": trust,
    "release": manifest,
    "token": tokens,
    "ownership": owner,
    "envelope": messages_,
    "messages": telemetry,
    "evidence": proof,
    "label": factory_label,
    "boot_record": record,
    "update_state": state,
    "receipt": receipt,
    "voucher": voucher,
}


def show(name):
    """Print what is read of one part."""
    print("== wire v1:", name)
    PARTS[name]()
