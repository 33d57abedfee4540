"""The password policy: what it refuses, for which reason, and what it must not refuse."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import agent.core
from agent.core import password
from agent.formats.errors import FormatError

CORE = Path(agent.core.__file__).parent
WORDS = frozenset(json.loads((CORE / "blocklist.json").read_text())["words"])
MIRAI = json.loads((Path("firmware_sim/attacks/mirai_credentials.json")).read_text())["pairs"]
CONTEXT = ("Camward", "kawa-1", "KW1-000001", "52:54:00:12:34:56", "river-north")


class Blocklist:
    def contains(self, word: str) -> bool:
        return word in WORDS


def codes(typed: str, user: str = "yamada") -> set[str]:
    found = password.check(typed, user, CONTEXT, password.DEFAULT, Blocklist())
    return {violation.code for violation in found}


@pytest.mark.parametrize("pair", MIRAI, ids="/".join)
def test_every_mirai_password_is_refused_even_when_padded(pair: list[str]) -> None:
    user, typed = pair
    assert codes(typed, user)
    if typed:
        assert codes(typed * 15)
        assert codes(typed + "!2345678901234"[: max(0, 15 - len(typed))])
        assert codes(typed + "-" + typed + "-2026-" + typed)


@pytest.mark.parametrize("pair", MIRAI, ids="/".join)
def test_every_mirai_word_is_on_the_list(pair: list[str]) -> None:
    assert not pair[1] or pair[1].lower() in WORDS


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("", "too_short"),
        ("14 characters!", "too_short"),
        ("x" * 129, "too_long"),
        ("a tab\tis in this password", "characters"),
        ("a nel \x85 is in this password", "characters"),
        ("7ujMko0admin", "common"),
        ("7UJMKO0ADMIN", "common"),
        ("Password1234567890", "common"),
        ("!!!!password!!!!", "common"),
        ("passwordpassword", "common"),
        ("adminpassword123", "common"),
        ("surveillance2026camera", "common"),
        ("Admin-Root-Password!", "common"),
        ("7ujMko0admin!!!", "common"),
        ("the yamada family 5", "context"),
        ("YAMADA likes rivers!", "context"),
        ("my kawa-1 is dry now", "context"),
        ("serial kw1000001 xyzw", "context"),
        ("525400123456 zebras", "context"),
        ("52-54-00-12-34-56 zebras", "context"),
        ("rivernorth is wet today", "context"),
        ("aaaaaaaaaaaaaaaa", "repeats"),
        ("abababababababab", "repeats"),
        ("xy7!xy7!xy7!xy7!x", "repeats"),
        ("aabbaabbccaabbcc", "repeats"),
        ("abcdefghijklmnopq", "pattern"),
        ("qwertyuiopasdfghjkl", "pattern"),
        ("1qaz2wsx3edc4rfv5tgb", "pattern"),
        ("98765432101234567", "pattern"),
    ],
)
def test_refused_for_a_reason(typed: str, code: str) -> None:
    assert code in codes(typed)


@pytest.mark.parametrize(
    "typed",
    [
        "correct horse battery staple",
        "mizu wa shizuka ni",
        "tGh7#kPq2$mWz9!",
        "川の水位を毎朝見る人は早起きです",
        "Der Fluss fliesst nach Norden",
        "837462910573645",
        "password of a grey heron",
        "x" + "kQ8z Lr5p Wn2d " * 8,
        "пароль которого нет в списках",
    ],
)
def test_good_passwords_are_taken(typed: str) -> None:
    assert codes(typed) == set()


def test_length_limits_are_exact() -> None:
    base = "kQ8z Lr5p Wn2d Yt7m Bx4c Hv9j " * 5
    assert codes(base[:14]) == {"too_short"}
    assert codes(base[:15]) == set()
    assert codes(base[:128]) == set()
    assert codes(base[:129]) == {"too_long"}


@pytest.mark.parametrize("user", ["", "a", "ab"])
def test_very_short_user_names_do_not_poison_every_password(user: str) -> None:
    assert codes("abridge over water", user) == set()


def test_texts_are_in_both_languages() -> None:
    found = password.check("a", "", (), password.DEFAULT, Blocklist())
    assert "15" in found[0].en
    assert "15" in found[0].ja
    assert all(violation.en.isascii() and not violation.ja.isascii() for violation in found)


@settings(max_examples=300)
@given(st.text(max_size=150), st.text(max_size=20), st.lists(st.text(max_size=20), max_size=4))
def test_any_text_gets_known_codes(typed: str, user: str, words: list[str]) -> None:
    found = password.check(typed, user, tuple(words), password.DEFAULT, Blocklist())
    assert {violation.code for violation in found} <= set(password.CODES)


def test_policy_from_configuration() -> None:
    assert password.parse_policy({}) == password.DEFAULT
    assert password.parse_policy({"profile": password.DEFAULT.profile}) == password.DEFAULT
    assert password.parse_policy({"min_chars": 20, "max_chars": 64}).min_chars == 20


@pytest.mark.parametrize(
    "source",
    [{"min_chars": 14}, {"min_chars": 65}, {"max_chars": 63}, {"max_chars": 129}, {"profile": "weak"}, {"colour": 1}],
)
def test_policy_cannot_be_weakened(source: dict[str, object]) -> None:
    with pytest.raises(FormatError):
        password.parse_policy(source)
