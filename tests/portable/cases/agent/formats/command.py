from agent.formats import base64, command, json, ownership, tuf
from agent.formats.errors import FormatError
from firmware_sim.world import people
from tests.portable.story import ready

part = command.signed_part("a" * 26, 1, 1000, 2000, "check", {"b": [1], "a": "x"})
found = command.parse(json.dump({"signed": part, "signatures": [{"keyid": "k", "sig": "00ff"}]}))
print(found)
print(found.digest())
print(command.key_id("-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n"))
for changes in (
    {"v": 2}, {"seq": 0}, {"expires_at": 1000}, {"expires_at": 10**9}, {"command": "a b"}, {"arguments": 1}, {"x": 1},
):  # fmt: skip
    try:
        print(command.parse(json.dump({"signed": dict(part, **changes), "signatures": []})))
    except FormatError as error:
        print(error)
record = ownership.parse(ready().world.server.files[people.OWNERSHIP_PATH])


def key(number):
    """A PEM public key by its form; nobody looks whether its point is on the curve."""
    der = base64.encode(tuf.SPKI_P256 + b"\x04" + bytes([number]) * 64)
    return "\n".join(("-----BEGIN PUBLIC KEY-----", der[:64], der[64:], "-----END PUBLIC KEY-----", ""))


changed = command.with_keys(record, {"command_keys": [key(1)], "authority_keys": [key(2), key(3)]})
print(changed.command_keys, changed.authority_keys)
for arguments in (
    {}, {"operator": "x"}, {"ca": "x"}, {"authority_keys": [key(2)]}, {"authority_keys": ["a", "b"]},
    {"authority_keys": [key(2), key(2) + "\n"]}, {"command_keys": ["k"]}, {"command_keys": [key(1)] * 9},
):  # fmt: skip
    try:
        command.with_keys(record, arguments)
    except FormatError as error:
        print(error)
print(command.with_settings(record, {"check_interval_s": 900, "telemetry_interval_s": 60, "line": "wired"}).line)
for arguments in (
    {}, {"operator": "x"}, {"line": "x"}, {"check_interval_s": 59}, {"telemetry_interval_s": 86401}, {"line": 1},
):  # fmt: skip
    try:
        command.with_settings(record, arguments)
    except FormatError as error:
        print(error)
report = command.CommandReport("refused", 0, "", "forged", 3)
body = command.report_body(report)
print(json.dump(body), command.parse_report(body) == report)
for changes in ({"event": "x"}, {"seq": "1"}, {"command": "a b"}, {"count": 0}):
    try:
        command.parse_report(dict(body, **changes))
    except FormatError as error:
        print(error)
