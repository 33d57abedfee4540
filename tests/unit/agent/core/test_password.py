"""The password check with the lists that cameras carry: what it refuses, why, and what it must not refuse."""

import itertools
import json
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import agent.core
from agent.core import blocklist, guessing, password
from agent.core.password_policy import DEFAULT, Policy, parse_policy
from agent.formats.errors import FormatError, Unavailable

CORE = Path(agent.core.__file__).parent
ATTACKS = Path(__file__).resolve().parents[4] / "firmware_sim" / "attacks"
MIRAI = json.loads((ATTACKS / "mirai_credentials.json").read_text())["pairs"]
VENDORS = json.loads((ATTACKS / "vendor_defaults.json").read_text())
FACTORY = sorted({pair[1] for pair in MIRAI} | {row[2] for row in VENDORS["pairs"]} | set(VENDORS["botnet_passwords"]))
CONTEXT = ("Camward", "kawa-1", "KW1-000001", "52:54:00:12:34:56", "river-north")
IPRO = parse_policy({"profile": "ipro-compatible"})
WEAKEST = parse_policy({"profile": "custom", "min_chars": 8, "classes": 3, "rules": [], "common": "10k"})
POLICIES = pytest.mark.parametrize("policy", [DEFAULT, IPRO, WEAKEST], ids=["nist", "ipro", "weakest"])


def shipped(common: str = "100k") -> blocklist.ShippedList:
    return blocklist.ShippedList(lambda name: (CORE / name).read_bytes(), common)


LIST, SMALL_LIST = shipped(), shipped("10k")


def codes(typed: str, user: str = "yamada", policy: Policy = DEFAULT) -> set[str]:
    listed = LIST if policy.common == "100k" else SMALL_LIST
    return {violation.code for violation in password.check(typed, user, CONTEXT, policy, listed)}


@POLICIES
@pytest.mark.parametrize("pair", MIRAI, ids="/".join)
def test_every_mirai_password_is_refused_even_when_padded(pair: list[str], policy: Policy) -> None:
    user, typed = pair
    assert codes(typed, user, policy)
    if typed:
        assert codes(typed * 15, user, policy)
        assert codes(typed + "!2345678901234"[: max(0, 15 - len(typed))], policy=policy)
        assert codes(typed + "-" + typed + "-2026-" + typed, policy=policy)


@pytest.mark.parametrize("pair", MIRAI, ids="/".join)
def test_every_mirai_word_is_on_the_list(pair: list[str]) -> None:
    assert not pair[1] or LIST.commonness(pair[1].lower(), password.COMMONEST) == password.COMMONEST


@POLICIES
@pytest.mark.parametrize("row", VENDORS["pairs"], ids="/".join)
def test_every_vendors_default_is_refused(row: list[str], policy: Policy) -> None:
    _, user, typed, _ = row
    assert codes(typed, user, policy)
    assert codes(typed, "somebody", policy)
    assert {"common"} <= codes(typed, "somebody", policy)


@POLICIES
@pytest.mark.parametrize("typed", VENDORS["botnet_passwords"])
def test_what_other_botnets_try_is_refused(typed: str, policy: Policy) -> None:
    assert {"common"} <= codes(typed, "somebody", policy)
    if len(typed) >= password.MIN_WORD_CHARS:
        assert codes(typed + "-2026", "somebody", policy)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("", "too_short"),
        ("14 characters!", "too_short"),
        ("x" * 129, "too_long"),
        ("a tab\tis in this password", "characters"),
        ("a nel \x85 is in this password", "characters"),
        ("half a \ud83d character in it", "characters"),
        ("7ujMko0admin", "common"),
        ("7UJMKO0ADMIN", "common"),
        ("Password1234567890", "common"),
        ("!!!!password!!!!", "common"),
        ("passwordpassword", "common"),
        ("adminpassword123", "common"),
        ("surveillance2026camera", "common"),
        ("Admin-Root-Password!", "common"),
        ("7ujMko0admin!!!", "common"),
        ("manchesterunited", "common"),
        ("Manchester-United", "common"),
        ("sunshinebutterfly", "common"),
        ("iloveyouforever1", "common"),
        ("liverpoolfc2024!!", "common"),
        ("P@ssw0rd-P@$$w0rd", "common"),
        ("5un5h1n3-butt3rfly", "common"),
        ("5unsh!ne-qwer|y-99", "common"),
        ("C4m3r4-Adm1n-2026", "common"),
        ("ｐａｓｓｗｏｒｄ１２３４５６７８", "common"),
        ("kanrisha-kanrisha", "common"),
        ("sakura-arigatou-12", "common"),
        ("KasenKanshi-Kamera", "common"),
        ("suzukihanako2026", "common"),
        ("the yamada family 5", "context"),
        ("YAMADA likes rivers!", "context"),
        ("our y4m4d4 on the bank", "context"),
        ("my kawa-1 is dry now", "context"),
        ("serial kw1000001 xyzw", "context"),
        ("525400123456 zebras", "context"),
        ("52-54-00-12-34-56 zebras", "context"),
        ("rivernorth is wet today", "context"),
        ("aaaaaaaaaaaaaaaa", "repeats"),
        ("abababababababab", "repeats"),
        ("xy7!xy7!xy7!xy7!x", "repeats"),
        ("aabbaabbccaabbcc", "repeats"),
        ("あいあいあいあいあいあいあいあい", "repeats"),
        ("abcdefghijklmnopq", "pattern"),
        ("qwertyuiopasdfghjkl", "pattern"),
        ("1qaz2wsx3edc4rfv5tgb", "pattern"),
        ("!QAZ2wsx#EDC4rfv%TGB", "pattern"),
        ("98765432101234567", "pattern"),
        ("qwertyuiop@[asdfghjkl;:]", "pattern"),
        ("!\"#$%&'()=~|qwertyuiop@[", "pattern"),
        ("ぬふあうえおやゆよわほへ", "pattern"),
        ("たていすかんなにらせちとしはきくまのりれ", "pattern"),
        ("あいうえおかきくけこさしすせそ", "pattern"),
        ("アイウエオカキクケコサシスセソ", "pattern"),
        ("いろはにほへとちりぬるをわか", "pattern"),
    ],
)
def test_refused_for_a_reason(typed: str, code: str) -> None:
    assert code in codes(typed)


GOOD = (
    "correct horse battery staple",
    "mizu wa shizuka ni",
    "shizukana-kawa-no-hotori",
    "kyou wa ame ga furu",
    "tGh7#kPq2$mWz9!",
    "川の水位を毎朝見る人は早起きです",
    "Der Fluss fliesst nach Norden",
    "837462910573645",
    "my cat likes fish",
    "password of a grey heron",
    "x" + "kQ8z Lr5p Wn2d " * 8,
    "пароль которого нет в списках",
    "chocolate-sunshine-Wr7-ok",
)


@pytest.mark.parametrize("typed", GOOD)
def test_good_passwords_are_taken(typed: str) -> None:
    assert codes(typed) == set()


def test_length_limits_are_exact() -> None:
    base = "kQ8z Lr5p Wn2d Yt7m Bx4c Hv9j " * 5
    assert codes(base[:14]) == {"too_short"}
    assert codes(base[:15]) == set()
    assert codes(base[:128]) == set()
    assert codes(base[:129]) == {"too_long"}


def test_what_the_systems_own_programs_could_not_take_is_too_long() -> None:
    """crypt(3) takes 511 bytes; four-byte characters are all that reaches it. It would be `busy` for ever."""
    signs = [chr(0x20000 + 37 * number) for number in range(128)]
    assert codes("".join(signs[:127]) + "a") == codes("".join(signs[:127])) == set()
    refused = password.check("".join(signs), "yamada", CONTEXT, DEFAULT, LIST)
    assert [(one.code, one.en) for one in refused] == [("too_long", "Use at most 127 characters.")]
    assert codes("\ud800" * 128 + "a") == {"too_long"}


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("kQ8zLr5p", set()),
        ("kQ8zLr5", {"too_short"}),
        ("kqxzlrvp7", {"classes"}),
        ("kqxzlrvp7W", set()),
        ("kqxz-rvp7", set()),
        ("kqxz川rvp7", set()),
        ("kQ8z-Lr5p" * 4, {"too_long"}),
        ("Password1!", {"common"}),
        ("Kawasaki99", {"common"}),
        ("Manchester1", {"common"}),
        ("1qaz2WSX!", {"common", "pattern"}),
    ],
)
def test_three_classes_and_the_blocklist_for_compatible_fleets(typed: str, found: set[str]) -> None:
    assert codes(typed, policy=IPRO) == found


def test_all_violations_come_at_once() -> None:
    assert codes("admin\tadmin\t", "admin", IPRO) == {"characters", "classes", "common", "context", "repeats"}
    assert codes("aaaa", "aaaa") == {"too_short", "context", "repeats", "pattern"}


def test_the_manufacturers_own_words_are_context() -> None:
    policy = parse_policy({"words": ["Mizube Denki"]})
    assert codes("grey herons at mizubedenki", policy=policy) == {"context"}
    assert codes("grey herons at mizubedenki") == set()


@pytest.mark.parametrize("user", ["", "a", "ab"])
def test_very_short_user_names_do_not_poison_every_password(user: str) -> None:
    assert codes("abridge over still water", user) == set()


def test_texts_are_in_both_languages_and_name_the_number() -> None:
    weak = parse_policy({"profile": "custom", "min_chars": 17, "max_chars": 77, "classes": 4})
    told = {one.code: one for typed in ("a", "a" * 200) for one in password.check(typed, "", (), weak, LIST)}
    for code, number in (("too_short", "17"), ("too_long", "77"), ("classes", "4")):
        assert number in told[code].en
        assert number in told[code].ja
    for en, ja in password._TEXTS.values():
        assert en.isascii()
        assert not ja.isascii()
        assert ("{n}" in en) == ("{n}" in ja)


@pytest.mark.parametrize("error", [FormatError("damaged"), Unavailable("gone")])
def test_without_a_usable_list_nothing_is_taken_and_the_other_reasons_are_told(error: Exception) -> None:
    def read(name: str) -> bytes:
        raise error

    broken = blocklist.ShippedList(read, "100k")
    found = [one.code for one in password.check("correct horse battery staple", "", (), DEFAULT, broken)]
    assert found == ["unchecked"]
    found = [one.code for one in password.check("short\t", "", (), DEFAULT, broken)]
    assert found == ["too_short", "characters", "unchecked"]


policies = st.builds(
    lambda least, classes, rules, common: parse_policy(
        {"profile": "custom", "min_chars": least, "classes": classes, "rules": rules, "common": common}
    ),
    st.integers(8, 24),
    st.integers(3, 4),
    st.lists(st.sampled_from(("pattern", "repeats")), max_size=2),
    st.sampled_from(("10k", "100k")),
)
characters = st.characters() | st.sampled_from("a1!@oО川ー\ud800\x00Ａ") | st.sampled_from("admin1470")


@settings(max_examples=400, deadline=None)
@given(st.text(characters, max_size=150), st.text(max_size=20), st.lists(st.text(max_size=20), max_size=4), policies)
def test_any_text_gets_known_codes_once(typed: str, user: str, words: list[str], policy: Policy) -> None:
    found = [one.code for one in password.check(typed, user, tuple(words), policy, SMALL_LIST)]
    assert set(found) <= set(password.CODES) - {"unchecked"}
    assert len(set(found)) == len(found)


class More:
    """Everything that LIST knows, and some words more."""

    def __init__(self, words: set[str]) -> None:
        self._words = words

    def commonness(self, word: str, least: int) -> int:
        return password.COMMONEST if word in self._words else LIST.commonness(word, least)


parts = st.lists(
    st.sampled_from(("admin", "river", "Qz7", "-", "sunshine", "x", "2026", "kQ8z", "heron", " ")),
    min_size=1,
    max_size=9,
)


@settings(max_examples=200, deadline=None)
@given(parts, policies, st.sets(st.sampled_from(("heron", "kq8z", "river", "qz7-", "2026"))))
def test_more_rules_and_more_words_never_let_more_pass(parts: list[str], policy: Policy, more: set[str]) -> None:
    typed = "".join(parts)
    stricter = policy.replace(min_chars=policy.min_chars + 1, classes=4, rules=("pattern", "repeats"))
    found = {one.code for one in password.check(typed, "nobody", CONTEXT, policy, SMALL_LIST)}
    for other, listed in ((stricter, SMALL_LIST), (policy, LIST), (policy, More(more))):
        assert found <= {one.code for one in password.check(typed, "nobody", CONTEXT, other, listed)}


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FACTORY), st.text(st.sampled_from("123!-_ "), max_size=4), policies)
def test_no_policy_takes_a_factory_password_with_something_behind_it(typed: str, behind: str, policy: Policy) -> None:
    assert codes(typed + behind, "somebody", policy)


class Graded:
    """A few words of every commonness, exact."""

    WORDS: ClassVar = {
        "heron": 3,
        "admin": 3,
        "tanuki": 3,
        "vqmbx": 3,
        "1234567": 2,
        "sunshine": 2,
        "storks": 2,
        "manchester": 1,
        "1qaz2wsx": 1,
        "kq8z": 1,
    }

    def commonness(self, word: str, least: int) -> int:
        found = self.WORDS.get(word, 0)
        return found if found >= least else 0


def made_of_listed_words(typed: str) -> bool:
    """What the rule says, by trying every way to take words out; nothing is left out as hopeless."""
    folded = guessing.fold(typed)
    spellings = guessing.spellings(folded)
    if any(spelling in Graded.WORDS for spelling in spellings):
        return True
    hard = guessing.news(folded, guessing.hardness(folded))
    found: dict[tuple[int, int], int] = {}
    for nth, spelling in enumerate(spellings):
        for start, end in itertools.combinations(range(len(folded) + 1), 2):
            if spelling[start:end] in Graded.WORDS and (nth == 0 or any(c.isalpha() for c in folded[start:end])):
                found[start, end] = max(found.get((start, end), 0), Graded.WORDS[spelling[start:end]])
    for most in (1, 2, 3):
        words = [span for span, commonness in found.items() if commonness >= most]
        for taken in range(1, most + 1):
            for chosen in itertools.combinations(words, taken):
                own = [at for at, one in enumerate(hard) if one and not any(start <= at < end for start, end in chosen)]
                if len(own) < password.MIN_OWN_CHARS:
                    return True
    return False


mixed = st.lists(
    st.sampled_from((*Graded.WORDS, "5un5h1n3", "4dm1n", "Qz7", "-", "wpk", "2026", "abcdef", " ", "v", "tbgk")),
    min_size=1,
    max_size=8,
)


@settings(max_examples=1500, deadline=None)
@given(mixed)
def test_no_question_that_matters_is_left_out(parts: list[str]) -> None:
    typed = "".join(parts)
    policy = parse_policy({"profile": "custom", "min_chars": 8, "classes": 3})
    found = {one.code for one in password.check(typed, "", (), policy, Graded())}
    assert ("common" in found) == made_of_listed_words(typed)
