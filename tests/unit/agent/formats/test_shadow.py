"""passwd and shadow: what is written is read back, no field makes a line of its own, no password is empty."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.formats import shadow
from agent.formats.errors import FormatError
from agent.formats.shadow import Passwd, Shadow
from tests.fuzz.seeds import YESCRYPT

NAMES = st.from_regex(r"[a-z_][a-z0-9_.-]{0,31}", fullmatch=True)
IDS = st.integers(0, shadow.MAX_UID)
FIELDS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters=":"), max_size=40)
PASSWORDS = FIELDS.filter(bool)


def distinct(entries):
    return len({entry.name for entry in entries}) == len(entries)


@given(st.lists(st.builds(Passwd, NAMES, IDS, IDS, FIELDS, FIELDS, FIELDS), max_size=8).filter(distinct))
def test_passwd_is_read_back_as_written(entries):
    assert shadow.parse_passwd(shadow.encode_passwd(entries)) == tuple(entries)


@given(st.lists(st.builds(Shadow, NAMES, PASSWORDS, st.integers(0, 99999)), max_size=8).filter(distinct))
def test_shadow_is_read_back_as_written(entries):
    assert shadow.parse_shadow(shadow.encode_shadow(entries)) == tuple(entries)


@given(st.text(max_size=20), st.text(max_size=20), st.integers(-5, 70000), st.text(max_size=20))
def test_whatever_a_field_holds_one_entry_is_one_line(name, text, number, shell):
    """As other programs read it: one line, seven or nine fields, and the name is the one that was asked for."""
    for encode, entry, fields in (
        (shadow.encode_passwd, Passwd(name, number, number, text, text, shell), 7),
        (shadow.encode_shadow, Shadow(name, text, number), 9),
    ):
        try:
            body = encode([entry])
        except FormatError:
            continue
        assert body.count(b"\n") == 1
        assert body.endswith(b"\n")
        row = body[:-1].split(b":")
        assert len(row) == fields
        assert row[0] == name.encode()
        assert row[1] != b""


@given(st.text(max_size=40) | st.from_regex(r"[-+.0-9a-zA-Z_$]{1,34}", fullmatch=True))
def test_names_that_are_taken_are_those_that_no_program_misreads(name):
    if shadow.name_ok(name):
        assert name.isascii()
        assert not name[0].isdigit()
        assert name[0] not in "-+."
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_.-")


@given(st.text(max_size=140) | st.from_regex(r"\$y\$[!-~]{0,20}\$[!-~]{0,20}\$[!-~]{0,60}", fullmatch=True))
def test_what_counts_as_yescrypt_breaks_no_line(text):
    if shadow.is_yescrypt(text):
        assert text.startswith("$y$")
        assert not set(text) & set(":\n!* ")


@pytest.mark.parametrize("password", ["*", "!", "!!", "!" + YESCRYPT, "*LK*"])
def test_locked_fields(password):
    assert Shadow("a", password, 0).lets_nobody_in()


@pytest.mark.parametrize("password", ["", YESCRYPT, "x", "abJnggxhB/yWI", "$1$a$b"])
def test_fields_that_may_let_somebody_in(password):
    assert not Shadow("a", password, 0).lets_nobody_in()


def test_a_change_on_the_first_day_does_not_demand_another():
    """shadow(5): 0 means that the user has to change the password at the next login."""
    assert shadow.encode_shadow([Shadow("a", "*", 0)]) == b"a:*:::::::\n"
    assert shadow.encode_shadow([Shadow("a", "*", -3)]) == b"a:*:::::::\n"


def test_a_name_twice_is_refused():
    for parse, line in ((shadow.parse_passwd, b"a:x:1:1:::\n"), (shadow.parse_shadow, b"a:*:::::::\n")):
        parse(line)
        with pytest.raises(FormatError):
            parse(line * 2)
