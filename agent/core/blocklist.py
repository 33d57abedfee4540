"""The words that no password may be or be made of: our own list by name, common passwords as filters. Pure."""

from hashlib import sha256

from agent.core import guessing, word_filter
from agent.core.password import COMMONEST
from agent.formats import fields
from agent.formats.errors import FormatError
from agent.formats.json import parse_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.word_filter import WordFilter

WORDS = "blocklist.json"
FILTERS = {"100k": ((2, "common-10k.fuse"), (1, "common-100k.fuse")), "10k": ((2, "common-10k.fuse"),)}
"""For each choice of `common` in the policy: the files, the commonest words first, and their commonness."""
MAX_WORDS_BYTES = 64 * 1024
MAX_GROUPS = 32


class WordList:
    """agent.core.password.Blocklist over a set of words, all of them as common as can be."""

    def __init__(self, words: "list[str]") -> None:
        self._words = set(words)

    def commonness(self, word: str, least: int) -> int:
        """See agent.core.password.Blocklist."""
        return COMMONEST if word in self._words else 0


class FilteredList:
    """agent.core.password.Blocklist over our own words and filters of common passwords."""

    def __init__(self, words: "list[str]", filters: "tuple[tuple[int, WordFilter], ...]") -> None:
        """`filters`: with the commonness of their words, the commonest first."""
        self._words = set(words)
        self._filters = filters

    def commonness(self, word: str, least: int) -> int:
        """See agent.core.password.Blocklist."""
        if word in self._words:
            return COMMONEST
        digest = b""
        for commonness, words in self._filters:
            if commonness >= least and len(word) >= words.min_chars:
                if not digest:
                    digest = sha256(word.encode()).digest()
                if words.holds(digest):
                    return commonness
        return 0


class ShippedList:
    """agent.core.password.Blocklist over the files of the system, which are read when first asked about a word.

    Most cameras set a password once in years: they need neither the time nor the memory before.
    """

    def __init__(self, read: "Callable[[str], bytes]", common: str) -> None:
        """`read(name)` gives a file's bytes or raises Unavailable. `common`: a key of FILTERS."""
        self._read = read
        self._common = common
        self._list: "FilteredList | None" = None

    def commonness(self, word: str, least: int) -> int:
        """See agent.core.password.Blocklist.

        Raises:
            FormatError: a file is damaged.
            Unavailable: a file cannot be read.
        """
        if self._list is None:
            self._list = _load(self._read, self._common)
        return self._list.commonness(word, least)


def parse_words(body: bytes) -> "list[str]":
    """The words of `blocklist.json`, of all groups; several stand in a line, with single spaces between.

    Raises:
        FormatError: it is not what it should be, or a word could never be found because it is not folded.
    """
    source = parse_object(body, MAX_WORDS_BYTES)
    fields.integer(source, "v", 2, 2)
    found: "list[str]" = []
    for item in fields.array(source, "groups", MAX_GROUPS):
        for line in fields.array(fields.as_object(item, "a group"), "words"):
            if fields.as_text(line, "a line of words") != guessing.fold(line):
                raise FormatError("blocklist: a word is not folded")
            found += line.split(" ")
    if "" in found:
        raise FormatError("blocklist: a word is empty")
    if not found:
        raise FormatError("blocklist: no words")
    return found


def _load(read: "Callable[[str], bytes]", common: str) -> FilteredList:
    filters = [(commonness, word_filter.parse(read(name))) for commonness, name in FILTERS[common]]
    return FilteredList(parse_words(read(WORDS)), tuple(filters))
