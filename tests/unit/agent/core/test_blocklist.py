"""The lists that cameras carry: what they hold, where it is from, what they cost, and what a broken one leads to."""

import hashlib
import json
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

import agent.core
from agent.core import blocklist, guessing, password, word_filter
from agent.core.password_policy import COMMON_WORDS, DEFAULT
from agent.formats.errors import FormatError, Unavailable
from tests.tools import common_passwords
from tests.unit.agent.core.test_password import GOOD

CORE = Path(agent.core.__file__).parent
ATTACKS = Path(__file__).resolve().parents[4] / "firmware_sim" / "attacks"
WORDS = blocklist.parse_words((CORE / blocklist.WORDS).read_bytes())
MAX_FALSE_REFUSAL = 1e-3
"""One good password in a thousand may be refused without a reason: less often than one is mistyped."""


def read(name: str) -> bytes:
    return (CORE / name).read_bytes()


def test_everything_that_attackers_are_known_to_try_is_on_the_list() -> None:
    mirai = json.loads((ATTACKS / "mirai_credentials.json").read_text())["pairs"]
    vendors = json.loads((ATTACKS / "vendor_defaults.json").read_text())
    tried = {word for pair in mirai for word in pair if word}
    tried |= {word for row in vendors["pairs"] for word in row[1:3]} | set(vendors["botnet_passwords"])
    assert len(tried) > 120
    assert {guessing.fold(word) for word in tried} <= set(WORDS)
    assert all(len(row) == 4 and row[3] for row in vendors["pairs"]), "a pair without its source"


def test_every_group_says_where_it_is_from_and_no_word_stands_twice() -> None:
    for group in json.loads(read(blocklist.WORDS))["groups"]:
        assert group["what"]
        assert group["provenance"]
    assert len(WORDS) == len(set(WORDS))
    for romaji in ("sakura", "yamada", "arigatou", "kanri", "kanrisha", "kawa", "suii", "kasen", "himitsu"):
        assert romaji in WORDS


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{}", "v is missing"),
        (b'{"v":1,"words":["a"]}', "v is not within"),
        (b'{"v":2,"groups":[]}', "no words"),
        (b'{"v":2,"groups":[{"words":[""]}]}', "is empty"),
        (b'{"v":2,"groups":[{"words":["admin  root"]}]}', "is empty"),
        (b'{"v":2,"groups":[{"words":["Admin"]}]}', "not folded"),
        (b'{"v":2,"groups":[{"words":[1]}]}', "no string"),
        (b'{"v":2,"groups":["admin"]}', "no object"),
    ],
)
def test_a_list_that_could_never_match_is_no_list(body: bytes, told: str) -> None:
    with pytest.raises(FormatError, match=told):
        blocklist.parse_words(body)


def test_the_choices_of_the_policy_are_the_files_that_are_shipped() -> None:
    assert set(blocklist.FILTERS) == set(COMMON_WORDS)
    shipped = {name for files in blocklist.FILTERS.values() for _, name in files}
    assert shipped == {path.name for path in CORE.glob("*.fuse")} == set(common_passwords.MADE)


@pytest.mark.parametrize("name", common_passwords.MADE)
def test_the_shipped_filters_are_whole_and_of_the_recorded_list(name: str) -> None:
    made = word_filter.parse(read(name))
    assert made.source_sha256().hex() == common_passwords.SOURCE_SHA256
    assert (made.count, made.min_chars) == common_passwords.MADE[name][:2]
    notice = (CORE / "common-passwords.txt").read_text()
    assert common_passwords.SOURCE_SHA256 in notice
    assert hashlib.sha256(read(name)).hexdigest() in notice


def test_all_of_it_is_below_300_kb_on_disk_and_1_mb_in_memory() -> None:
    assert sum(len(read(name)) for name in (blocklist.WORDS, *common_passwords.MADE)) < 300_000
    tracemalloc.start()
    listed = blocklist.ShippedList(read, "100k")
    before, _ = tracemalloc.get_traced_memory()
    assert not listed.commonness("zq-heron-kx", 1)
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert before < 10_000, "read before it was asked"
    assert after - before < peak - before < 1_000_000


@pytest.mark.parametrize(
    ("word", "commonness"),
    [("7ujmko0admin", 3), ("hikvision", 3), ("sunshine", 2), ("dragon", 2), ("manchesterunited", 1), ("zqheronkx", 0)],
)
def test_how_common_a_word_is(word: str, commonness: int) -> None:
    listed = blocklist.ShippedList(read, "100k")
    assert listed.commonness(word, 1) == commonness
    assert listed.commonness(word, commonness + 1) in (0, commonness)
    small = blocklist.ShippedList(read, "10k").commonness(word, 1)
    assert small == (commonness if commonness > 1 else 0)


def spoilt(name: str, change: Callable[[bytes], bytes]) -> Callable[[str], bytes]:
    return lambda asked: change(read(asked)) if asked == name else read(asked)


@pytest.mark.parametrize("name", [blocklist.WORDS, *common_passwords.MADE])
@pytest.mark.parametrize("change", [lambda body: b"", lambda body: body[:-9], lambda body: b"\0" + body[1:]])
def test_a_damaged_file_refuses_every_password(name: str, change: Callable[[bytes], bytes]) -> None:
    broken = blocklist.ShippedList(spoilt(name, change), "100k")
    with pytest.raises(FormatError):
        broken.commonness("zqheronkx", 1)
    for typed in GOOD:
        assert "unchecked" in {one.code for one in password.check(typed, "", (), DEFAULT, broken)}


def test_a_missing_file_does_the_same_and_one_that_comes_back_counts_again() -> None:
    there = False

    def reading(name: str) -> bytes:
        if not there:
            raise Unavailable(name)
        return read(name)

    listed = blocklist.ShippedList(reading, "10k")
    assert [one.code for one in password.check(GOOD[0], "", (), DEFAULT, listed)] == ["unchecked"]
    there = True
    assert password.check(GOOD[0], "", (), DEFAULT, listed) == ()


LISTED = blocklist.ShippedList(read, "100k")
RATES = ((2, 5, 2.0**-24), (1, 6, 2.0**-16))
"""Of each filter: its commonness, the fewest characters of a question, and how often a stranger is taken for a word."""


class Mistaken:
    """The shipped list, which takes the unknown word number `nth` that it is asked about for one of a filter's."""

    def __init__(self, nth: int, filter_number: int) -> None:
        self._nth = nth
        self._commonness, self._min_chars, _ = RATES[filter_number]
        self.unknown = 0

    def commonness(self, word: str, least: int) -> int:
        found = LISTED.commonness(word, least)
        if found == 0 and self._commonness >= least and len(word) >= self._min_chars:
            self.unknown += 1
            return self._commonness if self.unknown == self._nth else 0
        return found


def chance_of_false_refusal(typed: str) -> float:
    """How likely one false answer refuses this password: of all questions those that would, times the filter's rate."""
    policy = DEFAULT.replace(min_chars=8)
    chance = 0.0
    for number, (_, _, rate) in enumerate(RATES):
        asked = Mistaken(0, number)
        password.check(typed, "", (), policy, asked)
        for nth in range(1, asked.unknown + 1):
            found = password.check(typed, "", (), policy, Mistaken(nth, number))
            chance += rate * any(one.code == "common" for one in found)
    return chance


def test_how_often_a_good_password_is_refused_by_mistake() -> None:
    """Two false answers for one password are one in millions; so one at a time is all that matters."""
    some = random.Random(15)
    letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    drawn = ["".join(some.choice(letters) for _ in range(size)) for size in (8, 12, 15, 16, 20, 24) for _ in range(2)]
    good = [
        typed
        for typed in (*GOOD[:9], *drawn)
        if not password.check(typed, "", (), DEFAULT.replace(min_chars=8), LISTED)
    ]
    assert len(good) >= 20
    chances = [chance_of_false_refusal(typed) for typed in good]
    assert max(chances) < 3 * MAX_FALSE_REFUSAL
    assert 0 < sum(chances) / len(chances) < MAX_FALSE_REFUSAL
