"""A ceremony file in words: what would change, who has signed, who is asked to. For the person who holds a key.

Everything is worked out from the documents themselves; nothing in the file speaks for itself. Names come from the file:
characters that could steer a terminal are replaced.
"""

import hashlib
from datetime import datetime

from securesystemslib.signer import Key
from tuf.api.metadata import Root, TargetFile, Targets

from update_server.repository import metadata, signers
from update_server.repository.ceremony import Ceremony, Document
from update_server.repository.ceremony_checks import OFFLINE, fingerprint

ROLES = ("root", "targets", "snapshot", "timestamp")
NOBODY_YET = "nothing was published before: compare the keys below with their holders"


def lines(ceremony: Ceremony) -> list[str]:
    """The whole file in words. The caller has checked it."""
    last = ceremony.last_root()
    found = [f"Repository: {ceremony.repository}"]
    if last is None:
        found.append(f"Trusted so far: {NOBODY_YET}")
    else:
        found.append(f"Trusted so far: root {last.version}, SHA-256 {fingerprint(ceremony.roots[-1])}")
        if len(ceremony.roots) > 1:
            found.append(f"  which follows root 1, SHA-256 {fingerprint(ceremony.roots[0])}")
    if ceremony.new_root is not None:
        found += ["", *_root(ceremony.repository, last, ceremony.new_root.signed)]
    if ceremony.new_targets is not None:
        before = metadata.parse(ceremony.targets, Targets) if ceremony.targets else None
        found += ["", *_targets(before, ceremony.new_targets.signed)]
    for document in ceremony.documents():
        found += ["", *signatures(document)]
    return [_printable(line) for line in found]


def signatures(document: Document) -> list[str]:
    """Who has signed a document, and what is missing."""
    digest = hashlib.sha256(document.metadata.signed_bytes).hexdigest()
    found = [f"To sign: {document.title}, SHA-256 of what is signed {digest}"]
    for share in document.shares:
        role, have = share.root.roles[share.role], document.have(share)
        state = "complete" if len(have) >= role.threshold else f"{role.threshold - len(have)} missing"
        found.append(f"  {len(have)} of {role.threshold} signatures by {share.who}: {state}")
        found += [f"    [{'x' if keyid in have else ' '}] {key(share.root.keys[keyid])}" for keyid in role.keyids]
    return found


def key(public: Key) -> str:
    """A key for people: its name and the beginning of its id."""
    return f"{signers.name_of(public) or 'unnamed'} ({public.keyid[:16]})"


def _root(repository: str, last: Root | None, new: Root) -> list[str]:
    made = str(new.unrecognized_fields.get(metadata.ISSUED_AT, "an unknown time"))
    found = [f"Root {new.version}: made {made}, valid until {_time(new.expires)}"]
    if last is not None:
        found.append(f"  (root {last.version} is valid until {_time(last.expires)})")
    changes = 0
    for name in ROLES:
        role = new.roles[name]
        where = "offline" if name in OFFLINE[repository] else "online"
        found.append(f"  {name} ({where}): {role.threshold} of {len(role.keyids)} must sign")
        before = last.roles[name] if last else None
        old = list(before.keyids) if before else []
        if before is not None and before.threshold != role.threshold:
            found.append(f"    CHANGED: {before.threshold} had to sign")
            changes += 1
        for keyid in role.keyids:
            added = last is not None and keyid not in old
            found.append(f"    {'NEW   ' if added else '      '} {key(new.keys[keyid])}")
            changes += added
        for keyid in old:
            if last is not None and keyid not in role.keyids:
                found.append(f"    GONE   {key(last.keys[keyid])}")
                changes += 1
    if last is not None and not changes:
        found.append("  No key and no threshold changes: this renews the root.")
    return found


def _targets(before: Targets | None, new: Targets) -> list[str]:
    old: dict[str, TargetFile] = before.targets if before else {}
    found = [f"List of releases {new.version}: {len(new.targets)} files, valid until {_time(new.expires)}"]
    gone = [path for path in sorted(old) if path not in new.targets]
    changed = [path for path in sorted(new.targets) if old.get(path) != new.targets[path]]
    found += [f"  {'NEW    ' if path not in old else 'CHANGED'} {_file(new.targets[path])}" for path in changed]
    found += [f"  GONE    {_file(old[path])}" for path in gone]
    if before is not None and not gone and not changed:
        found.append("  No file changes: this renews the list.")
    return found


def _file(file: TargetFile) -> str:
    size = f"{file.path}, {file.length} bytes, SHA-256 {file.hashes.get('sha256', 'none')}"
    custom = file.unrecognized_fields.get("custom")
    made = custom.get("camward") if isinstance(custom, dict) else None
    if not isinstance(made, dict):
        return size
    words = (f"{name} {made.get(name)}" for name in ("model", "version", "severity", "security_epoch", "support_ends"))
    return f"{size}; {', '.join(words)}"


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def published(ceremony: Ceremony) -> str:
    """What an import publishes, in one line for the audit log."""
    return ", ".join(document.title for document in ceremony.documents())
