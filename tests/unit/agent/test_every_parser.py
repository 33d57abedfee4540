"""Whatever arrives, a parser returns or raises FormatError: the list of parsers comes from the tree.

What is tried: the valid inputs, random bytes, valid inputs with some bytes changed, valid JSON with one member changed,
and a table of hostile inputs, for which the work and the memory are bounded as well. `make fuzz` goes on where this
stops, guided by coverage.
"""

import ast
import json
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.formats.errors import FormatError
from tests.fuzz.hostile import HOSTILE
from tests.fuzz.parsers import PARSERS, Parser

AGENT = Path(__file__).resolve().parents[3] / "agent"
READS_BY_NAME = ("parse", "decode", "read", "load")
WRITERS = ("encode", "dump", "render", "body", "message", "report_body", "signed_part", "custom")
"""What makes our own bytes of our own values; the canonical form is made of what others sent, and so is not exempt."""
NOT_PARSERS = {
    "formats.login.encode_request": "writes our own line, by the rules of the reader",
    "formats.login.encode_reply": "writes our own line",
    "formats.login.encode_refusal": "writes our own line",
    "formats.tpm.load": "writes a command",
    "formats.tpm.read_secret": "writes a command",
    "formats.shadow.encode_passwd": "writes our own lines",
    "formats.shadow.encode_shadow": "writes our own lines",
    "core.deny_list.read_list": "reads by core.deny_list.parse_denied and core.blocklist.parse_words",
    "core.compliance.assess": "reads facts that this agent has measured itself",
    "core.sharing.require_tree": "compares, reads nothing",
    "core.receipt.verify": "reads by formats.receipt.parse, then verifies",
    "core.taken.verify": "reads by formats.taken.parse, then verifies",
    "core.voucher.verify": "reads by formats.voucher.parse, then verifies",
    "core.trust.is_news": "reads by formats.release.parse, then compares",
    "core.trust.check_tree": "looks a target up by core.trust_delegations.find_target",
    "core.trust_conversation.refresh": "drives core.trust_repository",
    "core.trust_delegations.find_target": "reads by formats.delegations.responsible, then fetches",
}
LINES_PER_BYTE = 400
LINES_AT_LEAST = 20_000
TRACED_BYTES = 20_000
"""Counting lines is slow; what is longer is refused for its length, or read like its first bytes."""
MEMORY_PER_BYTE = 64
MEMORY_AT_LEAST = 2**21

TOKENS = [b'"', b"\\u0000", b"{", b"]", b"-", b"e9", b"null", b"\xff"]

often = settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
named = pytest.mark.parametrize("name", PARSERS)
once = pytest.mark.parametrize("name", {id(parser): name for name, parser in PARSERS.items()}.values())
"""Some calls serve many functions: each call once."""


def accepted(name: str, data: bytes) -> bool:
    """Whether the parser took it; anything but a FormatError comes out."""
    try:
        PARSERS[name].read(data)
    except FormatError:
        return False
    return True


def public_functions():
    """Every public function of the agent's formats, core and app that reads what others wrote, by its own account."""
    for layer in ("formats", "core", "app"):
        for path in sorted((AGENT / layer).glob("*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                    says = "FormatError" in (ast.get_docstring(node) or "")
                    if says or node.name.startswith(READS_BY_NAME):
                        yield f"{layer}.{path.stem}.{node.name}"


def test_every_parser_of_the_tree_is_here():
    found = {name for name in public_functions() if name.rpartition(".")[2] not in WRITERS or "canonical" in name}
    assert found - set(PARSERS) - set(NOT_PARSERS) == set(), "a parser that nobody fuzzes"
    assert set(NOT_PARSERS) <= found


@named
def test_valid_inputs_are_accepted(name):
    assert PARSERS[name].seeds
    for seed in PARSERS[name].seeds:
        assert accepted(name, seed), seed


@once
def test_random_bytes(name):
    @often
    @given(st.binary(max_size=300))
    def attempt(data):
        accepted(name, data)

    attempt()


@once
def test_valid_inputs_with_some_bytes_changed(name):
    change = st.tuples(
        st.integers(0, 1_000_000),
        st.integers(0, 12),
        st.one_of(
            st.binary(max_size=4), st.sampled_from([b'"', b"\\u0000", b"{", b"]", b"-", b"e9", b"null", b"\xff"])
        ),
    )

    @often
    @given(st.sampled_from(PARSERS[name].seeds), st.lists(change, min_size=1, max_size=4))
    def attempt(seed, changes):
        data = seed
        for position, length, put in changes:
            at = position % (len(data) + 1)
            data = data[:at] + put + data[at + length :]
        accepted(name, data)

    attempt()


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(["", "a" * 2000, "\x00", "2027-01-15T08:00:00Z", "sha256", "..", "/", "0" * 64, 2**53, -1, 0, 1]),
)
trees = st.recursive(
    scalars,
    lambda child: st.one_of(st.lists(child, max_size=4), st.dictionaries(st.text(max_size=8), child, max_size=4)),
    max_leaves=8,
)


def places(value, at=()):
    """Every place in a JSON value."""
    yield at
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, below in items:
            yield from places(below, (*at, key))


def with_change(value, at, put):
    """The value with another one at a place (or without a member, if there is none)."""
    if not at:
        return put
    copied = dict(value) if isinstance(value, dict) else list(value)
    if len(at) == 1 and put is ...:
        del copied[at[0]]
    else:
        copied[at[0]] = with_change(value[at[0]], at[1:], put)
    return copied


JSON_PARSERS = [name for name in once.args[1] if PARSERS[name].seeds[0][:1] == b"{"]


@pytest.mark.parametrize("name", JSON_PARSERS)
def test_valid_json_with_one_member_changed(name):
    @often
    @given(st.sampled_from(PARSERS[name].seeds), st.integers(0, 10_000), st.one_of(st.just(...), trees))
    def attempt(seed, number, put):
        value = json.loads(seed)
        known = list(places(value))
        at = known[number % len(known)]
        changed = with_change(value, at, put if at or put is not ... else None)
        accepted(name, json.dumps(changed).encode())

    attempt()


def test_there_are_json_parsers():
    assert len(JSON_PARSERS) > 20


def lines_of(name: str, data: bytes) -> int:
    """How many lines of Python a parser runs over an input."""
    lines = 0
    most = LINES_AT_LEAST + LINES_PER_BYTE * len(data)

    def count(frame, event, argument):
        nonlocal lines
        lines += event == "line"
        assert lines <= most, "too much work"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        accepted(name, data)
    finally:
        sys.settrace(before)
    return lines


@once
def test_hostile_inputs_cost_little(name):
    """In lines of Python and in bytes, for each byte of input: nothing that grows faster than the input."""
    for make in HOSTILE.values():
        data = make(PARSERS[name].seeds[0])
        if len(data) <= TRACED_BYTES:
            lines_of(name, data)
        tracemalloc.start()
        accepted(name, data)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak <= MEMORY_AT_LEAST + MEMORY_PER_BYTE * len(data), f"{peak} bytes for {len(data)}"


def test_the_work_is_seen():
    lines = [lines_of("formats.json.parse", b"[" + b"1," * count + b"1]") for count in (10, 100, 1000)]
    assert 100 < lines[0] < lines[1] < lines[2]


@pytest.mark.parametrize("error", [ValueError, KeyError, RecursionError, UnicodeEncodeError])
def test_another_error_comes_out(error, monkeypatch):
    made = error("utf-8", "", 0, 1, "") if error is UnicodeEncodeError else error()

    def leaking(data):
        raise made

    monkeypatch.setitem(PARSERS, "leaking", Parser(leaking, ()))
    with pytest.raises(error):
        accepted("leaking", b"")
