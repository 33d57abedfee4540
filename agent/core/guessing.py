"""What is easy to guess in a text: neighbouring keys, sequences, repetition, letters written as digits. Pure.

Both interpreters give the same: letters are folded in ASCII only, because they disagree about the others.
"""

MIN_DISTINCT = 5
REPEAT_CHARS = 4  # shorter parts come again in any sentence
LONGEST_UNIT = 14  # a part of this length typed several times is still that part

_US = (("1234567890-=", "!@#$%^&*()_+"), ("qwertyuiop[]", "qwertyuiop{}"), ("asdfghjkl;'", 'asdfghjkl:"'),
       ("zxcvbnm,./", "zxcvbnm<>?"))  # fmt: skip
_JIS = (("1234567890-^", "!\"#$%&'()\0=~|"), ("qwertyuiop@[", "qwertyuiop`{"), ("asdfghjkl;:]", "asdfghjkl+*}"),
        ("zxcvbnm,./\\", "zxcvbnm<>?_"))  # fmt: skip
_KANA = (("ぬふあうえおやゆよわほへー", ""), ("たていすかんなにらせ゛゜", ""), ("ちとしはきくまのりれけむ", ""),
         ("つさそひこみもねるめろ", ""))  # fmt: skip
"""Rows of keys: the US keyboard, the Japanese one (JIS X 6002), and what its keys give when it types kana."""

_ORDERS = (
    "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわをん",
    "いろはにほへとちりぬるをわかよたれそつねならむうゐのおくやまけふこえてあさきゆめみしゑひもせす",
)
"""The kana as they are recited; Unicode keeps small ones in between."""

_LEET = {"@": "a", "4": "a", "8": "b", "3": "e", "9": "g", "1": "i", "!": "i", "|": "i", "0": "o", "$": "s", "5": "s",
         "7": "t", "+": "t", "2": "z"}  # fmt: skip
_AS_L = "1!|"


def _places(rows: "tuple[tuple[str, str], ...]") -> "dict[str, tuple[int, int]]":
    return {key: (x, y) for y, pair in enumerate(rows) for line in pair for x, key in enumerate(line)}


_KEYBOARDS = (_places(_US), _places(_JIS))
_KANA_KEYBOARDS = (_places(_KANA),)
_POSITIONS = tuple([{kana: at for at, kana in enumerate(order)} for order in _ORDERS])


def fold(text: str) -> str:
    """Lower case for ASCII letters, ASCII for full-width forms, hiragana for katakana.

    What no UTF-8 gives (lone surrogates) becomes U+FFFD, so that whatever comes can be encoded.
    """
    if not text or max(text) < "\x80":
        return text.lower()
    return "".join([_folded(character) for character in text])


def _folded(character: str) -> str:
    code = ord(character)
    if 0xFF01 <= code <= 0xFF5E:
        code -= 0xFEE0
    elif 0x30A1 <= code <= 0x30F6:
        code -= 0x60
    elif 0xD800 <= code <= 0xDFFF:
        code = 0xFFFD
    return chr(code + 32) if 0x41 <= code <= 0x5A else chr(code)


def spellings(folded: str) -> "tuple[str, ...]":
    """The text, and what it says when digits and signs stand for letters (p@ssw0rd); all of the same length.

    A one may be an i or an l, hence up to two more.
    """
    if not any(character in _LEET for character in folded):
        return (folded,)
    found = [folded, "".join([_LEET.get(character, character) for character in folded])]
    if any(character in _AS_L for character in folded):
        found.append("".join(["l" if c in _AS_L else _LEET.get(c, c) for c in folded]))
    return tuple(found)


def hardness(folded: str) -> "list[bool]":
    """For each character, whether it does not follow from the one before it."""
    return [at == 0 or not is_easy(folded[at - 1], folded[at]) for at in range(len(folded))]


def news(folded: str, hard: "list[bool]") -> "list[bool]":
    """The hard characters without what the text has said before: the second `river` of a text takes no guess more."""
    found = list(hard)
    said = set()
    for at in range(len(folded) - REPEAT_CHARS + 1):
        part = folded[at : at + REPEAT_CHARS]
        if part in said:
            found[at : at + REPEAT_CHARS] = [False] * REPEAT_CHARS
        said.add(part)
    return found


def is_easy(first: str, second: str) -> bool:
    """Whether the second is the same, the next, or a neighbouring key."""
    if -1 <= ord(first) - ord(second) <= 1:
        return True
    latin = first < "\x80"
    for places in _KEYBOARDS if latin else _KANA_KEYBOARDS:
        if first in places and second in places:
            (x1, y1), (x2, y2) = places[first], places[second]
            if abs(y1 - y2) <= 1 and abs(x1 - x2) <= (1 if y1 == y2 else 0):
                return True
    for order in () if latin else _POSITIONS:
        if first in order and second in order and -1 <= order[first] - order[second] <= 1:
            return True
    return False


def is_pattern(hard: "list[bool]") -> bool:
    """Two thirds of the steps go to the same, the next, or a neighbouring key: abcdef, 98765, qwerty, 1qaz2wsx."""
    steps = len(hard) - 1
    easy = sum([1 for one in hard[1:] if not one])
    return steps >= 1 and easy * 3 >= steps * 2


def is_repetition(folded: str) -> bool:
    """Few different characters, or one part typed again and again (the last time may be cut)."""
    return len(set(folded)) < MIN_DISTINCT or _repeats(folded)


def _repeats(text: str) -> bool:
    return any(
        text[length:] == text[: len(text) - length] for length in range(1, min(LONGEST_UNIT, len(text) // 2) + 1)
    )


def plain(folded: str) -> str:
    """Letters and digits only, so that separators hide nothing (52:54:00 is 525400)."""
    return "".join([c for c in folded if "a" <= c <= "z" or "0" <= c <= "9" or ord(c) >= 0xA0])
