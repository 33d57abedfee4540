from agent.formats import json, quarantine
from agent.formats.errors import FormatError
from agent.formats.quarantine import Quarantine

state = Quarantine(True, 7, 1800000000, "不審な通信 (ticket 7)")
body = quarantine.encode(state)
print(body)
print(quarantine.decode(body) == state, quarantine.NEVER)
print(quarantine.reason({}), quarantine.reason({"reason": "x"}))
for arguments in ({"reason": 1}, {"reason": "x" * 201}, {"reason": "a\nb"}, {"reason": "a\u202eb"}, {"why": "x"}):
    try:
        print(quarantine.reason(arguments))
    except FormatError as error:
        print(error)
for changes in ({"v": 2}, {"active": 1}, {"number": -1}, {"since_at": "x"}, {"reason": "\x7f"}):
    members = dict(json.parse_object(body, 4096))
    members.update(changes)
    try:
        print(quarantine.decode(json.dump(members)))
    except FormatError as error:
        print(error)
