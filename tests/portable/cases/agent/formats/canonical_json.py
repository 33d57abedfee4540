from agent.formats import canonical_json, json
from agent.formats.errors import FormatError

for value in (
    None,
    True,
    False,
    0,
    -5,
    "",
    'a"b\\c\n\x00é川😀',
    [],
    [1, [2]],
    {"b": 1, "a": {"d": [], "c": ()}, "": 0, "Z": "é"},
):
    print(canonical_json.encode(value))
print(canonical_json.encode(json.parse('{"β":1,"z":{"a":2,"A":3},"é":[true,null]}'.encode(), 100)))
for value in (1.5, {"a": 0.1}, {1: 2}, b"x"):
    try:
        print(canonical_json.encode(value))
    except FormatError as error:
        print(error)
