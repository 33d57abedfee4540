"""Our XML reader beside expat: what ours takes, expat takes and understands alike; attacks are never taken."""

from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.formats import xml
from agent.formats.errors import FormatError
from tests.fuzz import seeds

MAX_BYTES = 20_000
PIECES = (
    "<a", "</a>", ">", "/>", "<b", "</b>", "<p:c", "</p:c>", ' xmlns="u:1"', ' xmlns:p="u:2"', ' xmlns=""', ' x="1"',
    " p:x='2'", " xml:lang='ja'", "text", "川", " ", "\r\n", "\t", "&amp;", "&#65;", "&#x1F600;", "&#13;", "]]>", '"',
    "'", "=", "&", ";", ":", "<!--", "-->", "<?x?>", "<![CDATA[", "<!DOCTYPE a>",
    "<?xml version='1.0'?>", "<?xml version='1.0' encoding='utf-8'?>", "\ufeff", "\x01", "\x85", "\u2028",
)  # fmt: skip
often = settings(max_examples=400, derandomize=True, deadline=None)


def same_tree(ours: xml.Element, theirs: ElementTree.Element) -> None:
    assert ours.name == theirs.tag
    assert ours.attributes == theirs.attrib
    assert ours.text == (theirs.text or "") + "".join(child.tail or "" for child in theirs)
    assert len(ours.children) == len(theirs)
    for left, right in zip(ours.children, theirs, strict=True):
        same_tree(left, right)


def compare(body: bytes) -> bool:
    """Whether ours takes it; then expat has to as well."""
    try:
        ours = xml.parse(body, MAX_BYTES)
    except FormatError:
        return False
    same_tree(ours, ElementTree.fromstring(body))
    return True


@often
@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_whatever_pieces_are_put_together(pieces):
    compare("".join(pieces).encode())
    compare(("<a>" + "".join(pieces) + "</a>").encode())
    compare(("<a xmlns:p='u:2'" + "".join(pieces) + "></a>").encode())


names = st.text("abcXYZ_09.-", min_size=1, max_size=8).filter(lambda name: name[0] in "abcXYZ_")
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=20)
trees = st.recursive(
    st.tuples(names, st.dictionaries(names, texts, max_size=3), texts, st.just(())),
    lambda inner: st.tuples(names, st.dictionaries(names, texts, max_size=3), texts, st.lists(inner, max_size=3)),
    max_leaves=12,
)


def written(tree) -> str:
    name, attributes, text, children = tree
    inner = "".join(written(child) for child in children)
    given_ones = "".join(f' {key}="{xml.escape(value)}"' for key, value in attributes.items())
    return f"<{name}{given_ones}>{xml.escape(text)}{inner}</{name}>"


@often
@given(trees)
def test_every_tree_comes_back_as_it_was_written(tree):
    assert compare(written(tree).encode())


@often
@given(st.sampled_from([seeds.PROBE, seeds.MATCHES]), st.data())
def test_envelopes_with_a_byte_changed(body, data):
    at = data.draw(st.integers(0, len(body) - 1))
    compare(body[:at] + bytes([data.draw(st.integers(0, 255))]) + body[at + 1 :])


@pytest.mark.parametrize(
    "attack",
    [
        b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><a>&d;</a>',
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/shadow">]><a>&b;</a>',
        b"<!DOCTYPE a><a/>",
        b"<a><![CDATA[x]]></a>",
        b"<a><!-- x --></a>",
        b"<a><?php x?></a>",
        b"<a>&x;</a>",
        "<a/>".encode("utf-16"),
        b'<?xml version="1.0" encoding="utf-7"?><a/>',
        b"<a>" * 20 + b"</a>" * 20,
        b"<r>" + b"<a/>" * 300 + b"</r>",
        b"<a>" + b" " * MAX_BYTES + b"</a>",
        b"",
    ],
)
def test_refuses(attack):
    with pytest.raises(FormatError):
        xml.parse(attack, MAX_BYTES)
