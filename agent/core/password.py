"""Whether a password may be set: length, blocklist, context and patterns (NIST SP 800-63B-4, 3.1.1.2); no composition
rules.

Pure and the same on both interpreters: letters are folded to lower case in ASCII only. Every reason has a stable code
and a text in English and Japanese. The password itself never leaves this module.
"""

from agent.formats import fields
from agent.formats.errors import FormatError
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol
else:
    Protocol = object

FLOOR_MIN_CHARS = 15  # NIST SP 800-63B-4 for a sole factor; configuration may ask for more, never for less
FLOOR_MAX_CHARS = 64  # the same: at least 64 must be accepted
CEILING_MAX_CHARS = 128  # more only costs hashing time
MIN_DISTINCT = 5
MIN_CONTEXT_CHARS = 4  # shorter names occur in ordinary words by accident
MIN_USER_CHARS = 3
LONGEST_UNIT = FLOOR_MIN_CHARS - 1  # a shorter password typed several times is still a shorter password
MIN_OWN_CHARS = 8  # what must remain, in characters that are hard to guess, when listed words are taken away
MAX_LISTED_WORDS = 3  # four words make a passphrase even when each of them is common
MIN_WORD_CHARS = 4  # shorter listed words occur everywhere
MAX_WORD_CHARS = 16

_ROWS = ("1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./")
_PLACE = {key: (x, y) for y, line in enumerate(_ROWS) for x, key in enumerate(line)}


class Blocklist(Protocol):
    """Words that no password may be."""

    def contains(self, word: str) -> bool:
        """Whether the word (lower case) is on the list.

        False positives are allowed (a Bloom filter), misses are not.
        """
        ...


class Violation(Value):
    """One reason against a password: a stable code, and what to tell the person."""

    FIELDS = ("code", "en", "ja")
    code: str
    en: str
    ja: str


class Policy(Value):
    """What the manufacturer's configuration may choose."""

    FIELDS = ("profile", "min_chars", "max_chars")
    profile: str
    min_chars: int
    max_chars: int


DEFAULT = Policy(profile="nist", min_chars=FLOOR_MIN_CHARS, max_chars=CEILING_MAX_CHARS)

_TEXTS = {
    "too_short": (
        "Use at least {n} characters. A short sentence is a good password.",
        "{n}文字以上にしてください。短い文を使うと覚えやすく安全です。",
    ),
    "too_long": ("Use at most {n} characters.", "{n}文字以内にしてください。"),
    "characters": (
        "Control characters such as tab or line break cannot be used.",
        "タブや改行などの制御文字は使えません。",
    ),
    "common": (
        "This password, or what it is made of, is on lists that attackers try first.",
        "攻撃者が最初に試す一覧にあるパスワード、またはその組み合わせです。",
    ),
    "context": (
        "Do not use the user name, or the maker, model, serial number, address or name of this camera.",
        "ユーザー名や、このカメラのメーカー名・型番・製造番号・アドレス・名前は使わないでください。",
    ),
    "repeats": ("Too few different characters, or one part repeated.", "同じ文字や同じ並びの繰り返しが多すぎます。"),
    "pattern": (
        "Neighbouring keys, or letters and digits in order, are guessed quickly.",
        "キーボードの並びや連続した文字・数字は簡単に推測されます。",
    ),
}
CODES = tuple(sorted(_TEXTS))


def parse_policy(source: "dict[str, Any]") -> Policy:
    """Read the `password` object of the configuration; what is absent takes the default.

    Raises:
        FormatError: an unknown profile, or a value weaker than the floors.
    """
    fields.only(source, Policy.FIELDS)
    policy = DEFAULT
    if "profile" in source and fields.text(source, "profile") != DEFAULT.profile:
        raise FormatError("unknown password profile")
    if "min_chars" in source:
        policy = policy.replace(min_chars=fields.integer(source, "min_chars", FLOOR_MIN_CHARS, FLOOR_MAX_CHARS))
    if "max_chars" in source:
        policy = policy.replace(max_chars=fields.integer(source, "max_chars", FLOOR_MAX_CHARS, CEILING_MAX_CHARS))
    return policy


def check(
    password: str, user: str, context_words: "tuple[str, ...]", policy: Policy, blocklist: Blocklist
) -> "tuple[Violation, ...]":
    """The reasons against this password; none means that it may be set.

    Args:
        password: as typed; its characters count as Unicode code points.
        user: the account's name.
        context_words: what an attacker knows of this camera: vendor, model, serial, MAC address, host name.
        policy: the lengths.
        blocklist: asked with lower-case words.
    """
    folded = fold(password)
    found = []
    if len(password) < policy.min_chars:
        found.append(_violation("too_short", policy.min_chars))
    if len(password) > policy.max_chars:
        found.append(_violation("too_long", policy.max_chars))
        return tuple(found)  # the rest would cost time in proportion
    if any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in password):
        found.append(_violation("characters"))
    if _is_common(folded, blocklist):
        found.append(_violation("common"))
    if _in_context(folded, user, context_words):
        found.append(_violation("context"))
    if len(set(folded)) < MIN_DISTINCT or _unit(folded) != folded:
        found.append(_violation("repeats"))
    if _is_pattern(folded):
        found.append(_violation("pattern"))
    return tuple(found)


def fold(text: str) -> str:
    """Lower case for ASCII letters only: the interpreters disagree about the others."""
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


def _violation(code: str, number: int = 0) -> Violation:
    en, ja = _TEXTS[code]
    return Violation(code, en.replace("{n}", str(number)), ja.replace("{n}", str(number)))


def _is_common(folded: str, blocklist: Blocklist) -> bool:
    """Listed, or up to three listed words with too little of one's own between and around them.

    Round by round one word more is taken out; `before` holds, for each prefix of the password, the fewest hard
    characters left.
    """
    if blocklist.contains(folded):
        return True
    size = len(folded)
    hard = [at == 0 or not _is_easy(folded[at - 1], folded[at]) for at in range(size)]
    words: "list[list[int]]" = [[] for _ in range(size + 1)]
    for end in range(MIN_WORD_CHARS, size + 1):
        for start in range(max(0, end - MAX_WORD_CHARS), end - MIN_WORD_CHARS + 1):
            if blocklist.contains(folded[start:end]):
                words[end].append(start)
    before = _fewest(hard, [[] for _ in words], [0] * (size + 1))
    for _ in range(MAX_LISTED_WORDS):
        before = _fewest(hard, words, before)
    return any(words) and before[size] < MIN_OWN_CHARS


def _fewest(hard: "list[bool]", words: "list[list[int]]", before: "list[int]") -> "list[int]":
    """One word more than `before`: the fewest hard characters left of each prefix. `words[end]`: where words begin."""
    found = [0]
    for end in range(1, len(words)):
        left = found[end - 1] + (1 if hard[end - 1] else 0)
        for start in words[end]:
            left = min(left, before[start])
        found.append(left)
    return found


def _is_letter(character: str) -> bool:
    return "a" <= character <= "z" or ord(character) >= 0xA0


def _in_context(folded: str, user: str, words: "tuple[str, ...]") -> bool:
    plain = _plain(folded)
    name = _plain(fold(user))
    if len(name) >= MIN_USER_CHARS and name in plain:
        return True
    for word in words:
        known = _plain(fold(word))
        if len(known) >= MIN_CONTEXT_CHARS and known in plain:
            return True
    return False


def _plain(text: str) -> str:
    """Letters and digits only, so that separators hide nothing (52:54:00 is 525400)."""
    return "".join(c for c in text if _is_letter(c) or "0" <= c <= "9")


def _unit(text: str) -> str:
    """The shortest unit of at most LONGEST_UNIT characters whose repetition (the last may be cut) is the text.

    Where there is none, the text itself.
    """
    for length in range(1, min(LONGEST_UNIT, len(text) // 2) + 1):
        if all(text[at] == text[at - length] for at in range(length, len(text))):
            return text[:length]
    return text


def _is_pattern(folded: str) -> bool:
    """Two thirds of the steps go to the same, the next, or a neighbouring key: abcdef, 98765, qwerty, 1qaz2wsx."""
    steps = len(folded) - 1
    easy = sum(1 for at in range(steps) if _is_easy(folded[at], folded[at + 1]))
    return steps >= 1 and easy * 3 >= steps * 2


def _is_easy(first: str, second: str) -> bool:
    if -1 <= ord(first) - ord(second) <= 1:
        return True
    if first not in _PLACE or second not in _PLACE:
        return False
    (x1, y1), (x2, y2) = _PLACE[first], _PLACE[second]
    return abs(y1 - y2) <= 1 and abs(x1 - x2) <= (1 if y1 == y2 else 0)
