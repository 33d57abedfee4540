"""Delegations: which other roles a targets file trusts, for which paths (TUF specification 1.0.34, 4.5, and TAP 15).

A file delegates either to a list of named roles, in order of priority, each for path patterns or for prefixes of the
path's SHA-256; or succinctly to 2**n bins of equal keys, one of which is responsible for each path.
"""

from binascii import hexlify
from hashlib import sha256

from agent.formats import fields, percent, tuf
from agent.formats.errors import FormatError
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_PATTERN_CHARS = 256
MAX_PREFIX_CHARS = 64  # the whole digest
MAX_BIT_LENGTH = 32  # TAP 15
MAX_NAME_CHARS = 200  # percent-encoded, with version and suffix: file systems end at 255


class Delegation(Value):
    """One delegated role, as one file sees it."""

    FIELDS = ("name", "role", "terminating")
    name: str
    role: tuf.RoleKeys
    terminating: bool


def responsible(
    targets: tuf.Metadata, path: str, read_key: "tuf.ReadKey"
) -> "tuple[dict[str, tuf.Key], list[Delegation]]":
    """The roles to ask for a path, in order, and the keys of all delegations of this file.

    Nothing after a terminating delegation is listed: this file wants nobody else asked. The whole object is read, so
    that a malformed one is refused whatever the path.

    Raises:
        FormatError: the delegations are malformed or exceed a limit.
    """
    if "delegations" not in targets.signed:
        return {}, []
    source = fields.obj(targets.signed, "delegations")
    keys = tuf.parse_keys(source, read_key)
    if ("roles" in source) == ("succinct_roles" in source):
        raise FormatError("delegations name either roles or succinct_roles")
    digest = sha256(path.encode()).digest()
    if "succinct_roles" in source:
        return keys, [_bin(fields.obj(source, "succinct_roles"), digest)]
    found: "list[Delegation]" = []
    names = set()
    for item in fields.array(source, "roles"):
        entry = fields.as_object(item, "a delegation")
        delegation = Delegation(
            _role_name(fields.text(entry, "name")), tuf.role_keys(entry), fields.boolean(entry, "terminating")
        )
        if delegation.name in names:
            raise FormatError("a delegated role repeats")
        names.add(delegation.name)
        if _covers(entry, path, digest) and not (found and found[-1].terminating):
            found.append(delegation)
    return keys, found


def matches(path: str, pattern: str) -> bool:
    """Whether a path pattern covers a path: as a shell would, one path component for another (4.5, PATHPATTERN)."""
    parts, patterns = path.split("/"), pattern.split("/")
    if len(parts) != len(patterns):
        return False
    return all(_component_matches(part, patterns[index]) for index, part in enumerate(parts))


def _covers(entry: "dict[str, Any]", path: str, digest: bytes) -> bool:
    """Whether a delegation is for this path; exactly one of its two ways to say so is there."""
    if ("paths" in entry) == ("path_hash_prefixes" in entry):
        raise FormatError("a delegation has either paths or path_hash_prefixes")
    if "paths" in entry:
        patterns = [fields.as_text(item, "a path", MAX_PATTERN_CHARS) for item in fields.array(entry, "paths")]
        return any(matches(path, pattern) for pattern in patterns)
    digits = hexlify(digest).decode()
    listed = fields.array(entry, "path_hash_prefixes")
    prefixes = [fields.as_text(item, "a prefix", MAX_PREFIX_CHARS) for item in listed]
    return any(digits.startswith(prefix) for prefix in prefixes)


def _bin(entry: "dict[str, Any]", digest: bytes) -> Delegation:
    """The bin of a path: the first `bit_length` bits of its hash, in as many digits as the last bin needs (TAP 15)."""
    bits = fields.integer(entry, "bit_length", 1, MAX_BIT_LENGTH)
    number = int.from_bytes(digest[:4], "big") >> (MAX_BIT_LENGTH - bits)
    digits = (bits + 3) // 4
    suffix = ("0" * digits + hex(number)[2:])[-digits:]
    return Delegation(_role_name(fields.text(entry, "name_prefix") + "-" + suffix), tuf.role_keys(entry), True)


def _role_name(name: str) -> str:
    """A delegated role's name. It becomes a file name and part of a URL, so nothing may pass for another role's."""
    if not name or name in tuf.ROLES:
        raise FormatError("a delegated role is called like a top role, or not at all")
    if len(percent.encode(name)) > MAX_NAME_CHARS:
        raise FormatError("the name of a delegated role is too long")
    return name


def _component_matches(text: str, pattern: str) -> bool:
    """Glob matching of one component, in time proportional to the product of both lengths at worst.

    `*` is any run of characters, `?` any one, `[...]` and `[!...]` one of a set; everything else stands for itself.
    Backtracking goes to the last `*` alone: what an earlier one has swallowed, a later one can swallow as well.
    """
    items = _items(pattern)
    at = index = 0
    star, retry = -1, 0
    while at < len(text):
        item = items[index] if index < len(items) else ""
        if item == "*":
            star, retry = index, at
            index += 1
        elif item and _one_matches(text[at], item):
            at += 1
            index += 1
        elif star >= 0:
            retry += 1
            at, index = retry, star + 1
        else:
            return False
    return all(item == "*" for item in items[index:])


def _items(pattern: str) -> "list[str]":
    """The pattern in pieces: `*`, `?`, a set with its brackets, or one literal character behind a `=`."""
    items = []
    at = 0
    while at < len(pattern):
        end = at + 1
        if pattern[at] == "[":
            # A bracket right after the opening one (or its `!`) belongs to the set; one that never closes is literal.
            first = at + 2 if pattern[at + 1 : at + 2] == "!" else at + 1
            end = pattern.find("]", first + 1) + 1 or at + 1
        piece = pattern[at:end]
        items.append(piece if piece in ("*", "?") or len(piece) > 1 else "=" + piece)
        at = end
    return items


def _one_matches(character: str, item: str) -> bool:
    if item[0] != "[":
        return item == "?" or item[1] == character
    inside = item[1:-1]
    negated = inside[0] == "!" and len(inside) > 1
    return _in_set(character, inside[1:] if negated else inside) != negated


def _in_set(character: str, members: str) -> bool:
    at = 0
    while at < len(members):
        if members[at + 1 : at + 2] == "-" and at + 2 < len(members):
            if members[at] <= character <= members[at + 2]:
                return True
            at += 3
        else:
            if members[at] == character:
                return True
            at += 1
    return False
