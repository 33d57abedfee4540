"""Whether a password may be set: length, blocklist, context and patterns (NIST SP 800-63B-4, 3.1.1.2), and what else
the policy asks (agent.core.password_policy).

Pure and the same on both interpreters. Every reason has a stable code and a text in English and Japanese. The password
itself never leaves this module.
"""

from agent.core import guessing
from agent.core.password_policy import MIN_CONTEXT_CHARS
from agent.formats.errors import FormatError, Unavailable
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from agent.core.password_policy import Policy
else:
    Protocol = object

MAX_BYTES = 511  # of UTF-8: what crypt(3) takes, by which the system's own programs compare
MIN_USER_CHARS = 3
MIN_OWN_CHARS = 8  # what must remain, in characters that are hard to guess, when listed words are taken away
COMMONEST = 3  # four of even the commonest words make a passphrase
MIN_WORD_CHARS = 4  # shorter listed words occur everywhere
MAX_WORD_CHARS = 16  # a longer one is looked for as the whole password only


class Blocklist(Protocol):
    """Words that attackers try, each with how common it is."""

    def commonness(self, word: str, least: int) -> int:
        """How many words as common as this one make no password, however they are joined: 1..COMMONEST; 0 if unknown.

        The word is folded (agent.core.guessing). `least`: 1 and up; a word less common than that may count as unknown.
        Now and then an unknown word is taken for a common one (agent.core.word_filter), never the other way round.

        Raises:
            FormatError: the list is damaged.
            Unavailable: it cannot be read.
        """
        ...


class Violation(Value):
    """One reason against a password: a stable code, and what to tell the person."""

    FIELDS = ("code", "en", "ja")
    code: str
    en: str
    ja: str


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
    "classes": (
        "Use at least {n} of these: small letters, capital letters, digits, other characters.",
        "英小文字・英大文字・数字・その他の文字のうち、{n}種類以上を使ってください。",
    ),
    "common": (
        "This password, or what it is made of, is on lists that attackers try first.",
        "攻撃者が最初に試す一覧にあるパスワード、またはその組み合わせです。",
    ),
    "unchecked": (
        "The camera cannot read its list of known passwords, so none can be set. It needs a repair or an update.",
        "カメラが既知のパスワードの一覧を読めないため、パスワードを設定できません。修理または更新が必要です。",
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


def check(
    password: str, user: str, context_words: "tuple[str, ...]", policy: "Policy", blocklist: Blocklist
) -> "tuple[Violation, ...]":
    """All reasons against this password; none means that it may be set.

    A blocklist that cannot be used is a reason too: nothing is taken unseen.

    Args:
        password: as typed; its characters count as Unicode code points.
        user: the account's name.
        context_words: what an attacker knows of this camera: vendor, model, serial, MAC address, host name.
        policy: of this account's role.
        blocklist: see there.
    """
    if len(password) > policy.max_chars:
        return (_violation("too_long", policy.max_chars),)  # the rest would cost time in proportion
    if sum([_utf8_bytes(character) for character in password]) > MAX_BYTES:
        return (_violation("too_long", MAX_BYTES // 4),)
    folded = guessing.fold(password)
    spellings = guessing.spellings(folded)
    hard = guessing.hardness(folded)
    found = []
    if len(password) < policy.min_chars:
        found.append(_violation("too_short", policy.min_chars))
    if any(_is_control(ord(character)) for character in password):
        found.append(_violation("characters"))
    if len(_classes(password)) < policy.classes:
        found.append(_violation("classes", policy.classes))
    try:
        if _is_common(spellings, guessing.news(folded, hard), blocklist):
            found.append(_violation("common"))
    except (FormatError, Unavailable):
        found.append(_violation("unchecked"))
    if _in_context(spellings, user, context_words + policy.words):
        found.append(_violation("context"))
    if "repeats" in policy.rules and guessing.is_repetition(folded):
        found.append(_violation("repeats"))
    if "pattern" in policy.rules and guessing.is_pattern(hard):
        found.append(_violation("pattern"))
    return tuple(found)


def _violation(code: str, number: int = 0) -> Violation:
    en, ja = _TEXTS[code]
    return Violation(code, en.replace("{n}", str(number)), ja.replace("{n}", str(number)))


def _utf8_bytes(character: str) -> int:
    return 1 + (character >= "\x80") + (character >= "\u0800") + (character >= "\U00010000")


def _is_control(code: int) -> bool:
    """C0, DEL and C1; a lone surrogate is no character at all."""
    return code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code <= 0xDFFF


def _classes(password: str) -> "set[str]":
    return {_class(character) for character in password}


def _class(character: str) -> str:
    if "a" <= character <= "z":
        return "small"
    if "A" <= character <= "Z":
        return "capital"
    return "digit" if "0" <= character <= "9" else "other"


def _is_common(spellings: "tuple[str, ...]", hard: "list[bool]", blocklist: Blocklist) -> bool:
    """Listed, or made of so few listed words that too little of one's own is between and around them."""
    if any(blocklist.commonness(spelling, 1) for spelling in spellings):
        return True
    words = _words(spellings, hard, blocklist)
    return any(_own_chars(hard, words, commonness) < MIN_OWN_CHARS for commonness in range(1, COMMONEST + 1))


def _words(spellings: "tuple[str, ...]", hard: "list[bool]", blocklist: Blocklist) -> "list[list[tuple[int, int]]]":
    """For each place in the text, where the listed words that end there begin, and how common they are.

    Asked is only what can matter: a part that leaves enough of one's own, even with the longest words that may go
    with it, needs no question. That is most parts of a long text.
    """
    size = len(hard)
    words: "list[list[tuple[int, int]]]" = [[] for _ in range(size + 1)]
    before = _counts(hard)
    to_take = before[size] - MIN_OWN_CHARS + 1  # so many hard characters must go
    if to_take > COMMONEST * MAX_WORD_CHARS:
        return words
    letters = _counts(["a" <= character <= "z" for character in spellings[0]])
    known: "dict[str, int]" = {}  # what the answer does not depend on `least` for
    for end in range(MIN_WORD_CHARS, size + 1):
        for start in range(max(0, end - MAX_WORD_CHARS), end - MIN_WORD_CHARS + 1):
            takes = before[end] - before[start]
            least = 1 if takes >= to_take else 2 + (to_take - takes - 1) // MAX_WORD_CHARS
            if least > COMMONEST or takes == 0 < to_take:
                continue
            # A number says nothing else: only among letters do digits stand for letters.
            for spelling in spellings if letters[end] > letters[start] else spellings[:1]:
                part = spelling[start:end]
                common = known.get(part, -1)
                if common < 0:
                    common = blocklist.commonness(part, least)
                    if common or least == 1:
                        known[part] = common
                if common:
                    words[end].append((start, common))
                    if to_take <= 0:
                        return words
    return words


def _counts(flags: "list[bool]") -> "list[int]":
    """For each place, how many flags before it are set."""
    found = [0]
    for flag in flags:
        found.append(found[-1] + (1 if flag else 0))
    return found


def _own_chars(hard: "list[bool]", words: "list[list[tuple[int, int]]]", commonness: int) -> int:
    """The fewest hard characters left when that many words at least as common are taken out.

    Round by round one word more is taken out; `before` holds, for each prefix of the text, the fewest left. Without
    such words nothing is known to be taken out, and the own part is as long as it has to be.
    """
    starts = [[start for start, known in here if known >= commonness] for here in words]
    if not any(starts):
        return MIN_OWN_CHARS
    before = _fewest(hard, [[] for _ in starts], [0] * len(starts))
    for _ in range(commonness):
        before = _fewest(hard, starts, before)
    return before[-1]


def _fewest(hard: "list[bool]", starts: "list[list[int]]", before: "list[int]") -> "list[int]":
    """One word more than `before`: the fewest hard characters left of each prefix. `starts[end]`: where words begin."""
    found = [0]
    for end in range(1, len(starts)):
        left = found[end - 1] + (1 if hard[end - 1] else 0)
        for start in starts[end]:
            left = min(left, before[start])
        found.append(left)
    return found


def _in_context(spellings: "tuple[str, ...]", user: str, words: "tuple[str, ...]") -> bool:
    texts = [guessing.plain(spelling) for spelling in spellings]
    name = guessing.plain(guessing.fold(user))
    if len(name) >= MIN_USER_CHARS and _within(name, texts):
        return True
    for word in words:
        known = guessing.plain(guessing.fold(word))
        if len(known) >= MIN_CONTEXT_CHARS and _within(known, texts):
            return True
    return False


def _within(known: str, texts: "list[str]") -> bool:
    return any(known in text for text in texts)
