from agent.formats import json, plain_rtsp
from agent.formats.errors import FormatError
from agent.formats.plain_rtsp import Opened

opened = Opened("keiko", 1800000000, 1802592000, 3)
body = plain_rtsp.encode(opened)
print(plain_rtsp.SERVICE, body, plain_rtsp.decode(body) == opened)
for changes in ({"v": 2}, {"user": 1}, {"user": "x" * 65}, {"since_at": -1}, {"ends_at": "x"}, {"quarantines": None}):
    members = dict(json.parse_object(body, 512))
    members.update(changes)
    try:
        print(plain_rtsp.decode(json.dump(members)))
    except FormatError as error:
        print(error)

sent = plain_rtsp.encode_sent({"keiko": (5, 7)})
print(sent, plain_rtsp.decode_sent(sent))
for users in ([], {"keiko": 1}, {"keiko": {"set_at": 5}}, {"keiko": {"set_at": -1, "since_at": 7}}):
    try:
        print(plain_rtsp.decode_sent(json.dump({"v": 1, "users": users})))
    except FormatError as error:
        print(error)
