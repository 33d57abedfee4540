"""One call for each function that needs more than one argument, or whose result reads on only when it is asked.

Each takes what the wrappers of `tests.fuzz.parsers` make of any bytes, and returns or raises FormatError.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from agent.app import account_stores, console, packed
from agent.core import foreign_accounts, slots, word_filter
from agent.formats import (
    account_lines,
    audit,
    boot_record,
    bundle,
    delegations,
    delivery,
    discovery,
    envelope,
    fields,
    segments,
    system_logins,
    token,
    tuf,
)
from agent.formats.errors import FormatError
from tests.fuzz import seeds


def each_target(metadata: tuf.Metadata, read: Callable[[tuf.Target], Any]) -> list[Any]:
    found = []
    for path in tuf.targets_files(metadata):
        target = tuf.target_file(metadata, path)
        if target is not None:
            found.append(read(target))
    return found


def responsible(metadata: tuf.Metadata) -> list[Any]:
    return [delegations.responsible(metadata, path, tuf.read_p256_key) for path in ("a/b", "", "ü/名.bin")]


def matches(data: bytes) -> bool:
    path, _, pattern = data.decode("utf-8", "replace").partition("\n")
    return delegations.matches(path, pattern)


def read_key(source: dict[str, Any]) -> tuf.Key:
    return tuf.read_p256_key(
        fields.text(source, "keyid"),
        fields.text(source, "keytype"),
        fields.text(source, "scheme"),
        fields.text(source, "public"),
    )


def every_segment(data: bytes) -> int:
    """The whole of an index, a few blocks of each segment and beside."""
    index = segments.parse(data)
    for number in range(index.segment_count):
        index.segment(number)
        next(index.blocks_of(number))
    return sum(index.segment_of(block) for block in (0, 1, 255, 256, 2**20))


def packed_index(data: bytes) -> Any:
    """An index under an artifact that announces exactly these bytes."""
    try:
        index = segments.parse(data)
    except FormatError:
        announced = delivery.Artifact("", "a", 1, "ab" * 32, len(data), sha256(data).hexdigest(), b"", b"")
    else:
        key = b"e" if index.encrypted else b""
        announced = delivery.Artifact(
            "", "a", index.length_bytes, "ab" * 32, len(data), sha256(data).hexdigest(), key, key
        )
    return packed.packed(announced, data)


def asked_filter(data: bytes) -> bool:
    """A filter, and one question to it; under its own hash as well, which keeps what was changed from the parser."""
    body = data[: -word_filter.HASH_BYTES]
    if body[:4] == word_filter.MAGIC:
        data = body + sha256(body).digest()
    return word_filter.parse(data).holds(sha256(data).digest())


def accounts(data: bytes) -> Any:
    """Each of the two documents in turn is the given one, beside one that is as it should be."""
    web, digest = seeds.ACCOUNTS
    if data[:1] == b"w":
        return account_stores.parse_accounts(data[1:], digest)
    return account_stores.parse_accounts(web, data[1:])


def with_shadow(data: bytes) -> Any:
    return account_stores.with_shadow(account_stores.parse_accounts(*seeds.ACCOUNTS), data)


def with_tokens(data: bytes) -> Any:
    return account_stores.with_tokens(account_stores.parse_accounts(*seeds.ACCOUNTS), data)


def rendered(data: bytes) -> Any:
    """The manufacturer's two files, passwd up to the first zero byte."""
    users, _ = account_stores.with_shadow(account_stores.parse_accounts(*seeds.ACCOUNTS), seeds.SHADOW_STORE)
    passwd, _, shadowed = data.partition(b"\0")
    return console.rendered(users, system_logins.parse(seeds.SYSTEM_LOGINS), passwd, shadowed)


KINDS = (account_lines.PASSWD, account_lines.SHADOW, *account_lines.DECLARABLE)


def every_kind(data: bytes) -> int:
    """The bytes as a file of each kind: read, each secret judged, and written again with everybody locked."""
    count = 0
    for kind in KINDS:
        lines, wrong = account_lines.read_lines(kind, data)
        count += wrong + sum(len(account_lines.secret_kind(kind, line.secret)) for line in lines)
        account_lines.without(kind, data, tuple(line.name for line in lines))
    return count


def judged(data: bytes) -> Any:
    """A whole camera of such files, judged."""
    found = tuple(
        foreign_accounts.looked(path, kind, foreign_accounts.OK, data)
        for path, kind in zip(("/etc/passwd", "/etc/shadow", "/data/a", "/data/b", "/data/c", "/k"), KINDS, strict=True)
    )
    foreign_accounts.key_paths(found[0].lines)
    known = foreign_accounts.Known(audit.DEFAULT, ("root",), {"anna": (2000, "*")}, (), lambda _name, word: not word)
    return foreign_accounts.judge(found, known)


def newer(data: bytes) -> Any:
    return boot_record.newer(data[: slots.SECTOR_BYTES], data[slots.SECTOR_BYTES :])


def index(data: bytes) -> Any:
    """Under a head that announces exactly this index: what the hash keeps away from the parser is tried as well."""
    return bundle.parse_index(data, bundle.Head(len(data), 2**32, sha256(data).digest()), "me")


def every_field(value: Any) -> int:
    """All of `fields` on each member of an object; how many took it."""
    source = fields.as_object(value, "the value")
    return sum(_taken(source, name, read) for name in source for read in _READS)


def _taken(source: dict[str, Any], name: str, read: Callable[[dict[str, Any], str], Any]) -> bool:
    try:
        read(source, name)
    except FormatError:
        return False
    return True


def told(data: bytes) -> list[Any]:
    return [discovery.told(match) for match in discovery.parse_matches(data)[1]]


_READS: tuple[Callable[[dict[str, Any], str], Any], ...] = (
    fields.obj,
    lambda source, name: fields.array(source, name, 3),
    lambda source, name: fields.row(source[name], name, 2),
    lambda source, name: fields.as_integer(source[name], name),
    lambda source, name: fields.integer(source, name, -5, 5),
    lambda source, name: fields.number(source, name, -5, 5.5),
    fields.boolean,
    lambda source, name: fields.as_text(source[name], name),
    lambda source, name: fields.text(source, name, 4),
    lambda source, name: fields.choice(source, name, ("a", "b")),
    lambda source, name: fields.as_hex(source[name], name, 2),
    lambda source, name: fields.hexadecimal(source, name, 32),
    lambda source, name: fields.as_name(source[name], name),
    lambda source, name: fields.name(source, name, 4),
    lambda source, name: fields.only(source, (name,)),
    envelope.device_id,
    token.https_url,
)
