"""Comparisons of one metadata file with what was seen before and with what was announced."""

from hashlib import sha256

from agent.core.trust_errors import Equivocation, FastForward, MixAndMatch, Rollback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.formats.tuf import Metadata, MetaFile

MAX_VERSION_STEP = 2**24  # one new version every ten seconds for five years


def not_older(where: str, new: "Metadata", role: str, old: "Metadata | None") -> None:
    """A new file against the stored one (5.4.3.1; for snapshot and targets beyond what 5.5.5 demands).

    Raises:
        Rollback: it is older.
        FastForward: it jumps too far ahead.
        Equivocation: it is the same version and says something else.
    """
    if old is None:
        return
    what = where + " " + role + " " + str(new.version)
    if new.version < old.version:
        raise Rollback(what + " after " + str(old.version))
    if new.version > old.version + MAX_VERSION_STEP:
        raise FastForward(what + " after " + str(old.version))
    if new.version == old.version and new.message != old.message:
        raise Equivocation(what + " differs from the one seen before")


def meta_not_older(where: str, name: str, new: "MetaFile", old: "MetaFile") -> None:
    """What a file says about another, against what the stored one said (5.4.3.2, 5.5.5).

    Raises:
        Rollback: it names an older version.
    """
    if new.version < old.version:
        raise Rollback(where + " " + name[:64] + " " + str(new.version) + " after " + str(old.version))


def same_version(where: str, new: "Metadata", role: str, named: "MetaFile") -> None:
    """A file's version against the announced one (5.5.4, 5.6.4).

    Raises:
        MixAndMatch: they differ.
    """
    if new.version != named.version:
        detail = " " + str(new.version) + " where " + str(named.version) + " was announced"
        raise MixAndMatch(where + " " + role + detail)


def matches(where: str, body: bytes, named: "MetaFile", role: str) -> None:
    """Length and hash as announced, where they were (5.5.2, 5.6.2).

    Raises:
        MixAndMatch: they differ.
    """
    if named.length_bytes is not None and len(body) != named.length_bytes:
        raise MixAndMatch(where + " " + role + " has another length than announced")
    if named.sha256 is not None and sha256(body).digest() != named.sha256:
        raise MixAndMatch(where + " " + role + " has another hash than announced")
