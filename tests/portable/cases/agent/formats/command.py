from agent.formats import command, json, ownership
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
print(command.with_keys(record, {"command_keys": ["k"], "authority_keys": ["a", "b"]}).authority_keys)
for arguments in ({}, {"operator": "x"}, {"ca": "x"}, {"authority_keys": ["a"]}):
    try:
        command.with_keys(record, arguments)
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
