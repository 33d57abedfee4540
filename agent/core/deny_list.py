"""The passwords that the audit tries on stored hashes: what botnets and people try first, most likely first. Pure.

A hash cannot be asked about a whole filter of common passwords (agent.core.blocklist), only about one password at a
time; so this is a list of some hundreds, each spelled as it is tried.
"""

from binascii import hexlify
from hashlib import sha256

from agent.core.blocklist import MAX_WORDS_BYTES, WORDS, parse_words
from agent.formats import fields
from agent.formats.errors import FormatError
from agent.formats.json import parse_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

DENIED = "deny-list.json"
MAX_PASSWORD_CHARS = 64
_TAILS = ("", "1", "123", "1234", "12345")


class DenyList:
    """Candidates for an account: what is made of its name, the camera's own words, then the list."""

    def __init__(self, words: "list[str]", own: "tuple[str, ...]" = ()) -> None:
        """`own`: what is printed on the camera, such as its serial number."""
        self._words: "list[str]" = []
        seen = {""}
        for word in list(own) + words:
            if word not in seen:
                seen.add(word)
                self._words.append(word)
        digest = sha256("\n".join(self._words).encode()).digest()
        self.fingerprint = str(hexlify(digest[:8]), "utf-8")
        """Another one where the list is: what was tried against the old one is tried again."""

    def count(self) -> int:
        """How many candidates each account has."""
        return len(_of("x")) + len(self._words)

    def some(self, name: str, first: int, count: int) -> "tuple[str, ...]":
        """Up to `count` candidates for the account, from number `first` on; the first is the empty password."""
        made = _of(name)
        found = list(made[first : first + count])
        start = max(0, first - len(made))
        found += self._words[start : start + count - len(found)]
        return tuple(found)


def parse_denied(body: bytes) -> "list[str]":
    """The passwords of `deny-list.json`.

    Raises:
        FormatError: it is not what it should be.
    """
    source = parse_object(body, MAX_WORDS_BYTES)
    fields.integer(source, "v", 1, 1)
    found = [fields.as_text(item, "a password", MAX_PASSWORD_CHARS) for item in fields.array(source, "passwords")]
    if not found or "" in found:
        raise FormatError("the deny-list has no passwords, or an empty one")
    return found


def read_list(read: "Callable[[str], bytes]", own: "tuple[str, ...]" = ()) -> DenyList:
    """The list of the files of the system. `read(name)` gives a file's bytes.

    Raises:
        FormatError: a file is damaged.
        Unavailable: `read` says so.
    """
    return DenyList(parse_denied(read(DENIED)) + parse_words(read(WORDS)), own)


def _of(name: str) -> "tuple[str, ...]":
    first = name[:1].upper() + name[1:]
    return ("",) + tuple([name + tail for tail in _TAILS]) + tuple([first + tail for tail in _TAILS])
