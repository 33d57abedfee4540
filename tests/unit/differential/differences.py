"""Where the agent's client and python-tuf's differ on purpose, each recognised by what was served, not by the outcome.

Every name is a heading of docs/tuf-decisions.md, which says why. A predicate reads the served and stored bytes itself;
it is true only where that one decision explains what was seen. What none explains is a defect of one of the two.
"""

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from tuf.api.metadata import Metadata, Targets

from agent.core import trust_delegations, trust_repository
from agent.formats import fields, tuf
from agent.formats import json as agent_json
from tests.unit.differential.clients import Look, trusted
from tests.unit.differential.model import ROLES

REASONS = {
    "arbitrary_software": {"UnsignedMetadataError", "DeserializationError"},  # signatures are looked at first here
    "revoked_key": {"UnsignedMetadataError"},
    "freeze": {"ExpiredMetadataError"},
    "rollback": {"BadVersionNumberError", "RepositoryError"},
    "fast_forward": {"BadVersionNumberError"},
    "mix_and_match": {"LengthOrHashMismatchError", "BadVersionNumberError"},
    "endless_data": {"DownloadLengthMismatchError", "LengthOrHashMismatchError"},
    "format": {"DeserializationError", "RepositoryError", "UnsignedMetadataError"},  # it signs over what it has read
    "unavailable": {"DownloadHTTPError"},
}
"""Our refusals and what python-tuf calls the same."""


class Case(NamedTuple):
    """One refresh or lookup by both.

    What our disk held before and after, what the mirror served, the path that was looked up ("" for a refresh).
    """

    before: Mapping[str, bytes]
    after: Mapping[str, bytes]
    served: Mapping[str, bytes]
    path: str
    ours: Look
    theirs: Look

    def disagreements(self) -> list[str]:
        """In what the two differ: nothing is the rule."""
        ours, theirs = self.ours, self.theirs
        found = []
        if bool(ours.refusal) != bool(theirs.refusal):
            found.append("verdict")
        elif ours.refusal and theirs.refusal not in REASONS.get(ours.refusal, set()):
            found.append("reason")
        if ours.requests != theirs.requests:
            found.append("requests")
        if ours.trusted != theirs.trusted:
            found.append("trusted")
        if ours.found != theirs.found:
            found.append("found")
        return found


def role_of(path: str) -> str:
    """The role that a requested path is about."""
    name = path.removesuffix(".json")
    version, dot, rest = name.partition(".")
    return unquote(rest if dot and version.isdigit() else name)


def loose(body: bytes) -> Any:
    """What a forgiving reader sees; None for no JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def member(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def last_served(case: Case, look: Look) -> tuple[str, Any]:
    """Role and content of the last file that a client asked for."""
    path = look.requests[-1] if look.requests else ""
    body = case.served.get(path)
    return role_of(path), None if body is None else loose(body)


def stored_version(case: Case, role: str) -> int:
    return int(trusted(case.before[role])[0]) if role in case.before else 0


def root_moves(case: Case) -> list[tuple[Any, Any]]:
    """The links of the root chain that were accepted: (older, newer) signed parts."""
    first, last = stored_version(case, "root"), case.ours.trusted["root"][0]
    chain = [loose(case.before["root"])["signed"]]
    chain += [loose(case.served[f"{version}.root.json"])["signed"] for version in range(first + 1, last + 1)]
    return list(itertools.pairwise(chain))


def keys_of(root: Any, role: str) -> set[str]:
    return {json.dumps(root["keys"][keyid]) for keyid in root["roles"][role]["keyids"] if keyid in root["keys"]}


# The decisions


def equal_version_other_content(case: Case) -> bool:
    """The version that is stored already, with another signed part."""
    role, content = last_served(case, case.ours)
    return (
        case.ours.refusal == "equivocation"
        and role in case.before
        and member(content, "signed", "version") == stored_version(case, role)
        and json.loads(case.before[role])["signed"] != content["signed"]
    )


def version_step(case: Case) -> bool:
    """More than 2**24 versions further than the stored one."""
    role, content = last_served(case, case.ours)
    return (
        case.ours.refusal == "fast_forward"
        and role != "root"
        and role in case.before
        and member(content, "signed", "version") > stored_version(case, role) + 2**24
    )


def rotation_forgets(case: Case) -> bool:
    """A root that took a key from timestamp or snapshot: stored versions bind no more, though other keys may stay."""
    moves = [(old, new, role) for old, new in root_moves(case) for role in ("timestamp", "snapshot")]
    if not any(keys_of(old, role) - keys_of(new, role) for old, new, role in moves):
        return False
    left = {role: found for role, found in case.theirs.trusted.items() if role in case.ours.trusted}
    return left == case.ours.trusted or any(new < old for old, new in bound_versions(case))


def bound_versions(case: Case) -> list[tuple[int, int]]:
    """What the stored files say of versions, and what the served ones say; stored + 1 where equal binds as well."""
    timestamp = loose(case.served.get("timestamp.json", b""))
    snapshot_version = member(timestamp, "signed", "meta", "snapshot.json", "version") or 0
    found = [
        (stored_version(case, "timestamp") + 1, member(timestamp, "signed", "version") or 0),
        (stored_version(case, "snapshot") + 1, snapshot_version),
    ]
    name = "snapshot.json" if "snapshot.json" in case.ours.requests else f"{snapshot_version}.snapshot.json"
    metas = member(loose(case.served.get(name, b"")), "signed", "meta") or {}
    old_metas = json.loads(case.before["snapshot"])["signed"]["meta"] if "snapshot" in case.before else {}
    return found + [(meta["version"], member(metas, file, "version") or 0) for file, meta in old_metas.items()]


def one_key_two_ids(case: Case) -> bool:
    """One key under two ids in a role counts once."""
    role, _ = last_served(case, case.ours)
    root = json.loads(case.after["root"])["signed"]
    if case.ours.refusal != "arbitrary_software" or role not in root["roles"]:
        return False
    keyids = [keyid for keyid in root["roles"][role]["keyids"] if keyid in root["keys"]]
    return len(keys_of(root, role)) < len(keyids)


def unsupported_key_ignored(case: Case) -> bool:
    """A root with a key of a type that python-tuf does not know, which it refuses as a whole."""
    _, content = last_served(case, case.theirs)
    known = {"ecdsa", "ed25519", "rsa"}
    types = {member(key, "keytype") for key in (member(content, "signed", "keys") or {}).values()}
    return case.theirs.refusal == "DeserializationError" and bool(types - known)


def unknown_root_role(case: Case) -> bool:
    """A root with a role beyond the four (`mirrors`)."""
    _, content = last_served(case, case.theirs)
    roles = member(content, "signed", "roles") or {}
    return case.theirs.refusal == "DeserializationError" and bool(set(roles) - set(ROLES))


def other_hash_algorithms(case: Case) -> bool:
    """Hashes besides SHA-256 are not looked at; where SHA-256 is missing, the file is refused."""
    parent = "timestamp" if last_served(case, case.theirs)[0] == "snapshot" else "snapshot"
    announced = announced_hashes(case, parent)
    if case.theirs.refusal == "LengthOrHashMismatchError" and any(names - {"sha256"} for names in announced):
        return True
    _, content = last_served(case, case.ours)
    metas = (member(content, "signed", "meta") or {}).values()
    hashes = [set(meta["hashes"]) for meta in metas if isinstance(member(meta, "hashes"), dict)]
    return case.ours.refusal == "format" and any("sha256" not in names for names in hashes)


def announced_hashes(case: Case, role: str) -> list[set[str]]:
    """The algorithms by which the accepted file of a role announces others."""
    content = loose(case.after.get(role, b""))
    metas = (member(content, "signed", "meta") or {}).values()
    return [set(meta["hashes"]) for meta in metas if isinstance(member(meta, "hashes"), dict)]


def strict_json(case: Case) -> bool:
    """JSON that readers disagree about: members twice, floats, NaN, integers beyond 2**53, deep nesting."""
    path = case.ours.requests[-1] if case.ours.requests else ""
    return case.ours.refusal == "format" and path in case.served and _ambiguous(case.served[path])


def _ambiguous(body: bytes) -> bool:
    found = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in items}) < len(items):
            found.append("members twice")
        return dict(items)

    def integer(text: str) -> int:
        if abs(int(text)) > agent_json.MAX_INTEGER:
            found.append("a huge integer")
        return int(text)

    def inexact(text: str) -> float:
        found.append("a float")
        return 0.0

    try:
        value = json.loads(
            body, object_pairs_hook=pairs, parse_int=integer, parse_float=inexact, parse_constant=inexact
        )
    except ValueError:
        return False
    return bool(found) or _depth(value) > agent_json.MAX_DEPTH


def _depth(value: Any) -> int:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max((_depth(one) for one in below), default=0)


def limits(case: Case) -> bool:
    """More bytes, keys, signatures or versions than the agent takes."""
    _, content = last_served(case, case.ours)
    if case.ours.refusal == "endless_data":
        sizes = [member(meta, "length") for meta in (member(content, "signed", "meta") or {}).values()]
        return any(isinstance(size, int) and size > trust_repository.MAX_SNAPSHOT_BYTES for size in sizes)
    if case.ours.refusal != "format":
        return False
    metas = (member(content, "signed", "meta") or {}).values()
    versions = [member(content, "signed", "version"), *(member(meta, "version") for meta in metas)]
    return (
        any(isinstance(version, int) and version > tuf.MAX_VERSION for version in versions)
        or len(member(content, "signed", "keys") or {}) > tuf.MAX_KEYS
        or len(member(content, "signatures") or []) > tuf.MAX_SIGNATURES
        or len(metas) > fields.MAX_ITEMS
    )


def stored_snapshot_binds(case: Case) -> bool:
    """A timestamp that names an older snapshot than the stored one, where the stored timestamp did not say so."""
    role, content = last_served(case, case.ours)
    named = member(content, "signed", "meta", "snapshot.json", "version")
    return case.ours.refusal == "rollback" and role == "timestamp" and named < stored_version(case, "snapshot")


def stored_targets_bind(case: Case) -> bool:
    """Targets older than the stored ones, though the snapshot that said so is gone."""
    role, content = last_served(case, case.ours)
    version = member(content, "signed", "version")
    return case.ours.refusal == "rollback" and role == "targets" and version < stored_version(case, "targets")


def snapshot_without_targets(case: Case) -> bool:
    """A snapshot that does not name targets.json is refused before it is stored, not afterwards."""
    role, content = last_served(case, case.ours)
    meta = member(content, "signed", "meta")
    return (
        case.ours.refusal == "format"
        and role == "snapshot"
        and meta is not None
        and "targets.json" not in meta
        and case.theirs.refusal == "RepositoryError"
    )


def announced_anew(case: Case) -> bool:
    """The timestamp announces the stored snapshot's version with other bytes: the agent asks for them."""
    timestamp = member(loose(case.served.get("timestamp.json", b"")), "signed", "meta", "snapshot.json")
    extra = [path for path in case.ours.requests if path not in case.theirs.requests]
    return (
        "snapshot" in case.before
        and member(timestamp, "version") == stored_version(case, "snapshot")
        and len(extra) == 1
        and role_of(extra[0]) == "snapshot"
    )


def expiry_before_asking(case: Case) -> bool:
    """Both find the same file expired; python-tuf asks for one more file before it says so."""
    return (
        case.ours.refusal == "freeze"
        and case.theirs.refusal in ("ExpiredMetadataError", "DownloadHTTPError", "DownloadLengthMismatchError")
        and case.theirs.requests[:-1] == case.ours.requests
    )


def typed_signatures(case: Case) -> bool:
    """A signature whose key id or value is no string makes the file malformed."""
    _, content = last_served(case, case.ours)
    signatures = member(content, "signatures")
    return case.ours.refusal == "format" and any(
        not isinstance(member(one, "keyid"), str) or not isinstance(member(one, "sig"), str) for one in signatures or []
    )


def entries_read_when_needed(case: Case) -> bool:
    """A targets file with a malformed entry that nobody asked for."""
    role, content = last_served(case, case.theirs)
    entries = member(content, "signed", "targets")
    if case.theirs.refusal != "DeserializationError" or role in ROLES[2:] or not isinstance(entries, dict):
        return False
    lengths = [member(entry, "length") for entry in entries.values()]
    return any(not isinstance(length, int) or length < 0 for length in lengths)


def lower_case_hexadecimal(case: Case) -> bool:
    """A signature or hash in another form than lower-case hexadecimal is none."""
    _, content = last_served(case, case.ours)
    if case.ours.refusal == "arbitrary_software":
        values = [member(one, "sig") for one in member(content, "signatures") or []]
        return any(isinstance(value, str) and value != value.lower() for value in values)
    values = [member(meta, "hashes", "sha256") for meta in (member(content, "signed", "meta") or {}).values()]
    return case.ours.refusal == "format" and any(
        isinstance(value, str) and (len(value) != 64 or set(value) - set("0123456789abcdef")) for value in values
    )


def ways(case: Case) -> list[tuple[str, ...]]:
    """All ways of delegations from the top for the path that was looked up, by python-tuf's reading of the files."""
    files = {}
    for role, body in {**case.before, **case.after}.items():
        if role not in ("root", "snapshot", "timestamp"):
            files[role] = Metadata[Targets].from_bytes(body).signed.delegations
    found: list[tuple[str, ...]] = []
    waiting: list[tuple[str, ...]] = [("targets",)]
    while waiting and len(found) < 1000:
        way = waiting.pop()
        below = files.get(way[-1])
        for name, _ in below.get_roles_for_target(case.path) if below else ():
            if name not in way:
                waiting.append((*way, name))
                found.append((*way, name))
    return found


def role_visited_again(case: Case) -> bool:
    """A role that two ways lead to: the agent verifies it for both, python-tuf for the first."""
    reached = [way[-1] for way in ways(case)] if case.path else []
    return len(set(reached)) < len(reached)


def delegation_limits(case: Case) -> bool:
    """More visits or a longer way than the agent goes: there is no such target, then."""
    if not case.path or case.ours.refusal or case.ours.found is not None:
        return False
    found = ways(case)
    longest = max((len(way) - 1 for way in found), default=0)
    return longest > trust_delegations.MAX_DEPTH or len(found) > trust_delegations.MAX_VISITS


DIFFERENCES: dict[str, Callable[[Case], bool]] = {
    one.__name__.replace("_", "-"): one
    for one in (
        equal_version_other_content,
        version_step,
        rotation_forgets,
        one_key_two_ids,
        unsupported_key_ignored,
        unknown_root_role,
        other_hash_algorithms,
        strict_json,
        limits,
        stored_snapshot_binds,
        stored_targets_bind,
        snapshot_without_targets,
        announced_anew,
        expiry_before_asking,
        typed_signatures,
        entries_read_when_needed,
        lower_case_hexadecimal,
        delegation_limits,
        role_visited_again,
    )
}


def explained(case: Case) -> str:
    """The decision that explains a disagreement, or ""."""
    return next((name for name, applies in DIFFERENCES.items() if applies(case)), "")
