"""Declarations of programs, and the lines of their sockets."""

import json

import pytest

from agent.formats import base64, program_line, programs
from agent.formats.errors import FormatError
from agent.formats.programs import MAX_KEEP_BYTES, MAX_MESSAGE_BYTES, MIN_KEEP_BYTES

GOOD = {
    "name": "river", "uid": 900, "gid": 901, "receive": ["interval"], "max_message_bytes": 1024,
    "publish": [{"topic": "level", "durable": True}, {"topic": "viewers", "durable": False}],
    "messages_per_minute": 60, "bytes_per_hour": 1000, "keep_bytes": MIN_KEEP_BYTES,
}  # fmt: skip


def parse(*declared):
    return programs.parse({"programs": list(declared)})


def without(*names, **changes):
    return {name: value for name, value in GOOD.items() if name not in names} | changes


def test_a_declaration_is_read():
    (found,) = parse(GOOD)
    assert (found.name, found.uid, found.gid, found.receive) == ("river", 900, 901, ("interval",))
    assert found.publish == {"level": True, "viewers": False}
    assert parse() == ()
    (small,) = parse(without("keep_bytes", "receive", publish=[{"topic": "n", "durable": False}]))
    assert (small.receive, small.keep_bytes) == ((), 0)


@pytest.mark.parametrize(
    "wrong",
    [
        *(without(name) for name in GOOD if name != "receive"),
        *(without(name=name) for name in ("", "River", "a-b", "a/b", "a+", "x" * 17, 7, "\u0661")),
        *(without(uid=value) for value in (-1, 65535, "900", True)),
        *(
            without(publish=[{"topic": topic, "durable": True}])
            for topic in ("", "#", "+", "a/b", ".x", "x" * 33, 1, None)
        ),
        *(without(receive=[topic]) for topic in ("", "#", "a/b", 1)),
        without(publish=[{"topic": "a", "durable": True}] * 2),
        without(publish=[{"topic": "a"}]),
        without(publish=[{"topic": "a", "durable": 1}]),
        without(publish=[{"topic": "a", "durable": True, "qos": 2}]),
        without(publish=[{"topic": str(n), "durable": True} for n in range(17)]),
        without(publish=[{"topic": "a", "durable": False}]),
        without(keep_bytes=MIN_KEEP_BYTES - 1),
        without(keep_bytes=MAX_KEEP_BYTES + 1),
        without(max_message_bytes=MAX_MESSAGE_BYTES + 1),
        without(max_message_bytes=0),
        without(messages_per_minute=601),
        without(messages_per_minute=0),
        without(bytes_per_hour=0),
        without(more=1),
        [],
    ],
    ids=lambda wrong: json.dumps(wrong)[:60],
)
def test_what_is_not_one_is_refused(wrong):
    with pytest.raises(FormatError):
        parse(wrong)


def test_a_name_is_there_once():
    with pytest.raises(FormatError, match="repeats"):
        parse(GOOD, GOOD)


def test_the_longest_message_fits_a_line_in_both_directions():
    data = base64.encode(bytes(MAX_MESSAGE_BYTES))
    line = json.dumps({"v": 1, "n": 2**31 - 1, "op": "publish", "topic": "x" * 32, "data": data}).encode() + b"\n"
    assert len(line) <= program_line.MAX_LINE_BYTES
    assert program_line.parse_request(line).data == bytes(MAX_MESSAGE_BYTES)
    assert len(program_line.encode_message("x" * 32, bytes(4096))) <= program_line.MAX_LINE_BYTES


@pytest.mark.parametrize(
    "wrong",
    [
        {"v": 2, "n": 1, "op": "state"}, {"v": 1, "op": "state"}, {"v": 1, "n": -1, "op": "state"},
        {"v": 1, "n": 1, "op": "login"}, {"v": 1, "n": 1, "op": "receive", "topic": "x"},
        {"v": 1, "n": 1, "op": "publish", "topic": "x"}, {"v": 1, "n": 1, "op": "publish", "data": ""},
        {"v": 1, "n": 1, "op": "publish", "topic": "x", "data": "YQ"},
        {"v": 1, "n": 1, "op": "publish", "topic": "x/y", "data": "YQ=="},
        {"v": 1, "n": 1, "op": "publish", "topic": "x", "data": "YQ==", "retain": True},
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(wrong):
    with pytest.raises(FormatError):
        program_line.parse_request(json.dumps(wrong).encode())
