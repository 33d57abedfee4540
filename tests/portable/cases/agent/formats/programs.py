from agent.formats import programs
from agent.formats.errors import FormatError

GOOD = {
    "name": "river", "uid": 900, "gid": 901, "receive": ["interval"], "max_message_bytes": 1024,
    "publish": [{"topic": "level", "durable": True}], "messages_per_minute": 60, "bytes_per_hour": 1000,
    "keep_bytes": 65536,
}  # fmt: skip
for program in programs.parse({"programs": [GOOD]}):
    print(program)
for name, value in (
    ("name", "River"),
    ("name", "a/b"),
    ("publish", [{"topic": "#", "durable": True}]),
    ("publish", [{"topic": "a", "durable": True}] * 2),
    ("publish", []),
    ("receive", ["a/b"]),
    ("uid", -1),
    ("keep_bytes", 1),
    ("more", 1),
):
    changed = dict(GOOD)
    changed[name] = value
    try:
        programs.parse({"programs": [changed]})
        print(name, "taken")
    except FormatError as error:
        print(name, error)
try:
    programs.parse({"programs": [GOOD, GOOD]})
except FormatError as error:
    print(error)
