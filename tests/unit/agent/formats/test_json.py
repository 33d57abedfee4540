"""The bounded parser against Python's own, and the limits that Python's own lacks."""

import json as stdlib
import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from securesystemslib.formats import encode_canonical

from agent.formats import canonical_json, json
from agent.formats.errors import FormatError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INTEGERS = st.integers(-json.MAX_INTEGER, json.MAX_INTEGER)
SCALARS = st.none() | st.booleans() | INTEGERS | TEXT


def trees(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
    )


JSON = trees(SCALARS)
FLOATS = trees(SCALARS | st.floats(-1e6, 1e6).filter(lambda number: number == 0 or abs(number) > 1e-290))


def strict(body: bytes) -> Any:
    """Python's parser made as strict as it can be."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in found}) != len(found):
            raise ValueError("a key repeats")
        return dict(found)

    def refuse(text: str) -> Any:
        raise ValueError(text)

    text = body.decode("utf-8")
    value = stdlib.loads(text, object_pairs_hook=pairs, parse_constant=refuse, parse_float=refuse)
    stdlib.dumps(value, ensure_ascii=False).encode("utf-8")  # lone surrogates
    return value


@given(JSON)
def test_reads_what_python_writes(value: Any) -> None:
    for text in (stdlib.dumps(value), stdlib.dumps(value, ensure_ascii=False, indent=1)):
        assert json.parse(text.encode(), 10**6) == value


@given(FLOATS)
def test_reads_floats_where_allowed(value: Any) -> None:
    assert json.parse(stdlib.dumps(value).encode(), 10**6, floats=True) == value


@given(JSON)
def test_dump_round_trip(value: Any) -> None:
    wire = json.dump(value)
    assert wire.isascii()
    assert json.parse(wire, 10**6) == value


@given(st.floats(-1e9, 1e9))
def test_dumped_floats_have_three_decimals(value: float) -> None:
    read = json.parse(json.dump(value), 100, floats=True)
    assert math.isclose(read, value, abs_tol=0.0006)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 1e300, 2.0**53])
def test_numbers_that_json_has_not(value: float) -> None:
    with pytest.raises(FormatError):
        json.dump(value)


@settings(max_examples=500)
@given(st.binary(max_size=60))
@example(b'"\xed\xa0\x80"')
def test_random_bytes_only_format_errors(body: bytes) -> None:
    try:
        value = json.parse(body, 50)
    except FormatError:
        return
    assert strict(body) == value


TOKENS = (
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b'"a"',
        b'"a"',
        b'"b"',
        b"1",
        b"-",
        b"0",
        b"12",
        b".",
        b"e",
        b"E5",
        b"+",
    ),
    *(
        b"true",
        b"false",
        b"null",
        b"NaN",
        b"Infinity",
        b" ",
        b"\n",
        b"\\",
        b'"\\u00e9"',
        b'"\\ud800"',
        b'"\\udc00"',
        b"\xc3\xa9",
    ),
)


@settings(max_examples=1500)
@given(st.lists(st.sampled_from(TOKENS), max_size=12).map(b"".join))
def test_agrees_with_python_on_almost_json(body: bytes) -> None:
    try:
        theirs = strict(body)
    except (ValueError, RecursionError):
        with pytest.raises(FormatError):
            json.parse(body, 1000)
        return
    assert json.parse(body, 1000) == theirs


@settings(max_examples=500)
@given(JSON, st.data())
def test_damaged_json_is_read_as_python_reads_it_or_refused(value: Any, data: st.DataObject) -> None:
    body = bytearray(stdlib.dumps(value, ensure_ascii=False).encode())
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] = data.draw(st.integers(0, 255))
    try:
        ours = json.parse(bytes(body), 10**6)
    except FormatError:
        return
    assert strict(bytes(body)) == ours


@pytest.mark.parametrize("depth", [json.MAX_DEPTH, json.MAX_DEPTH + 1, 100, 10000])
@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth(depth: int, brackets: tuple[bytes, bytes]) -> None:
    body = brackets[0] * depth + b"1" + brackets[1] * depth
    if depth <= json.MAX_DEPTH:
        json.parse(body, 10**6)
    else:
        with pytest.raises(FormatError, match="deep"):
            json.parse(body, 10**6)


def test_dump_depth() -> None:
    value: Any = 1
    for _ in range(json.MAX_DEPTH + 1):
        value = [value]
    with pytest.raises(FormatError, match="deep"):
        json.dump(value)


@pytest.mark.parametrize(
    "body",
    [
        b"9007199254740992",
        b"-9007199254740992",
        b"1" * 25,
        b"1" * 5000,
        b"0.5",
        b"1e5",
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":1}',
        b"\xef\xbb\xbf{}",
        b'"\xc0\xaf"',
        b'"\xe0\x80\x80"',
        b'"\xf0\x80\x80\x80"',
        b'"\xf8\x88\x80\x80\x80"',
        b'"\xe3\x81"',
        b'"\xe3\x81A"',
        b'"\xc3',
        b'"\t"',
        b"[1]x",
        b"'a'",
        b"{a:1}",
        b"// x\n1",
        b'"\\"',
        b'"a\\n',
        b'"\\ud800"',
        b'"\\ud800\\u00e9"',
        b'"\\ud800x"',
        b'"\\u00g0"',
        b'"\\',
    ],
)
def test_refused(body: bytes) -> None:
    with pytest.raises(FormatError):
        json.parse(body, 10**6)


@pytest.mark.parametrize(
    "body",
    [
        b"1e400",
        b"0.12345678901e-0000000000001",
        b"-1e400",
        b"1e-400",
        b"1.",
        b".5",
        b"1e",
        b"1e+",
        b"1." + b"0" * 30,
        b"1e99999",
        b"9999999999e300",
    ],
)
def test_refused_floats(body: bytes) -> None:
    with pytest.raises(FormatError):
        json.parse(body, 10**6, floats=True)


def test_length_limit_is_exact() -> None:
    assert json.parse(b"[1]", 3) == [1]
    with pytest.raises(FormatError, match="more than 2 bytes"):
        json.parse(b"[1]", 2)


def test_objects_only() -> None:
    assert json.parse_object(b"{}", 2) == {}
    with pytest.raises(FormatError):
        json.parse_object(b"[]", 2)


@pytest.mark.parametrize("value", [{1: 2}, b"x", object(), {"a": {None: 1}}, ["\ud800"], {"\udfff": 1}])
def test_dump_refuses(value: Any) -> None:
    with pytest.raises(FormatError):
        json.dump(value)


@given(st.text(max_size=10))
def test_dump_takes_every_text_without_lone_surrogates(text: str) -> None:
    assert stdlib.loads(json.dump(text)) == text


@settings(max_examples=1000)
@given(JSON)
def test_canonical_form_is_that_of_securesystemslib(value: Any) -> None:
    expected = encode_canonical(value)
    assert expected is not None
    assert canonical_json.encode(value) == expected.encode("utf-8")


@pytest.mark.parametrize("value", [1.5, b"x", {"a": [0.0]}, {1: 1}, "\ud800", object()])
def test_canonical_form_refuses(value: Any) -> None:
    with pytest.raises(FormatError):
        canonical_json.encode(value)


@given(st.binary(max_size=12))
def test_utf8_is_judged_as_python_does(body: bytes) -> None:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        with pytest.raises(FormatError):
            json.check_utf8(body)
    else:
        json.check_utf8(body)
