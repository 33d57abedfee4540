from agent.formats import json
from agent.formats.errors import FormatError

GOOD = (
    b"null",
    b" true ",
    b"false",
    b"0",
    b"-0",
    b"-17",
    b"9007199254740991",
    b'""',
    b'"a\\n\\u00e9\\ud83d\\ude00/\\/"',
    '"川カメラ"'.encode(),
    b"[]",
    b"[1,[2,[3]]]",
    b"{}",
    b'{"b":1,"a":{"c":[null]}}',
    b"\t[ 1 , 2 ]\r\n",
)
BAD = (
    b"",
    b" ",
    b"nul",
    b"tru",
    b"NaN",
    b"Infinity",
    b"-",
    b"+1",
    b"01",
    b"1.",
    b".5",
    b"1e",
    b"1.5",
    b"1e3",
    b"--1",
    b"9007199254740992",
    b"1" * 40,
    b'"',
    b'"\\x"',
    b'"\\u12"',
    b'"\\ud800"',
    b'"\\udc00"',
    b'"\\ud800\\u0041"',
    b'"\n"',
    b"[",
    b"[1",
    b"[1,",
    b"[1,]",
    b"[1 2]",
    b"{",
    b'{"a"',
    b'{"a":',
    b'{"a":1',
    b'{"a":1,}',
    b"{1:2}",
    b'{"a":1,"a":2}',
    b"1 2",
    b"\xff",
    b'"\xc0\x80"',
    b'"\xed\xa0\x80"',
    b'"\xf4\x90\x80\x80"',
    b'"\xe3\x81"',
    b"\xef\xbb\xbf1",
    b"[" * 30,
)
FLOATS = (b"1.5", b"-0.25", b"2e3", b"1E-2", b"1e999", b"1.e1", b"1e301")


def show(body, floats=False):
    try:
        print(body, json.dump(json.parse(body, 1000, floats)))
    except FormatError as error:
        print(body, error)


for body in GOOD + BAD:
    show(body)
for body in FLOATS:
    show(body, True)
show(b'{"a":' * 24 + b"1" + b"}" * 24)
show(b" " * 1001)
print(json.dump({"z": [1, None, True, False, 'é\x7f\n"\\'], "a": {"y": 0.5, "x": -1.0005}, "t": ()}))
for value in ({1: 2}, {"a": b"x"}, {"a": 1e300}, ["\ud800"[:0], object]):
    try:
        json.dump(value)
        print("taken")
    except FormatError as error:
        print(error)
try:
    json.parse_object(b"[]", 10)
except FormatError as error:
    print(error)
