from agent.formats import label
from agent.formats.errors import FormatError
from agent.formats.json import dump
from tests.portable import wire

good = {
    "v": 1,
    "serial": "KW1-000001",
    "model": "kawa-1",
    "hardware": "a",
    "mac": "52:54:00:00:00:01",
    "claim_salt": "00" * 16,
    "claim_sha256": "ff" * 32,
}
print(label.parse(dump(good)))
for name in sorted(good):
    for value in (None, -1, "", "/"):
        changed = dict(good)
        changed[name] = value
        try:
            label.parse(dump(changed))
            print(name, value, "taken")
        except FormatError as error:
            print(name, value, error)
print(label.normal_code("abcd-EFGH 2345-6723"))
wire.show("label")
