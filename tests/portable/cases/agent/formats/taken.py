from agent.formats import json, taken
from agent.formats.errors import FormatError

messages = (taken.One(5, "0a" * 32, ""), taken.One(7, "ff" * 32, "format"))
signed = taken.signed_part("camera", messages)
print(sorted(signed.items()))
signatures = [{"keyid": "one", "sig": "00ff"}]
print(taken.parse(json.dump({"signed": signed, "signatures": signatures})))
for name, value in (
    ("_type", "receipt"), ("v", 2), ("device", ""), ("messages", 5), ("messages", [[1, "0a" * 32]]),
    ("messages", [["1", "0a" * 32, ""]]), ("messages", [[1, "0A" * 32, ""]]), ("messages", []), ("more", 1),
):  # fmt: skip
    changed = dict(signed)
    changed[name] = value
    try:
        print(taken.parse(json.dump({"signed": changed, "signatures": []})).message)
    except FormatError as error:
        print(error)
