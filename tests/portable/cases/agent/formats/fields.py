from agent.formats import fields
from agent.formats.errors import FormatError

SOURCE = {
    "i": 5,
    "t": True,
    "f": 1.5,
    "s": "text",
    "o": {"a": 1},
    "l": [1, 2],
    "n": None,
    "h": "00ff",
    "H": "00FF",
    "name": "a-b_c.d",
    "bad": "../x",
    "dash": "-x",
    "empty": "",
}
READERS = (
    ("integer", lambda name: fields.integer(SOURCE, name, 0, 10)),
    ("number", lambda name: fields.number(SOURCE, name, 0, 10)),
    ("boolean", lambda name: fields.boolean(SOURCE, name)),
    ("text", lambda name: fields.text(SOURCE, name, 5)),
    ("choice", lambda name: fields.choice(SOURCE, name, ("text", "x"))),
    ("hexadecimal", lambda name: fields.hexadecimal(SOURCE, name, 2)),
    ("name", lambda name: fields.name(SOURCE, name, 7)),
    ("obj", lambda name: sorted(fields.obj(SOURCE, name))),
    ("array", lambda name: fields.array(SOURCE, name, 2)),
    ("row", lambda name: fields.row(SOURCE.get(name), name, 2)),
)
for kind, read in READERS:
    for name in sorted(SOURCE) + ["missing"]:
        try:
            print(kind, name, read(name))
        except FormatError as error:
            print(kind, name, error)
for names in (tuple(SOURCE), ("i",)):
    try:
        fields.only({"i": 1, "z": 2} if len(names) == 1 else SOURCE, names)
        print("only these")
    except FormatError as error:
        print(error)
