"""What a ceremony file must be before anybody signs it, and again before anything of it is published.

Run on the offline machines, which have no server folder: everything comes from the file, the machine's clock, and a
root that the signer has kept. Signatures of the new documents are not looked at here.
"""

import hashlib

from tuf.api.metadata import Metadata, Root

from agent.core.trust_repository import MAX_ROOT_BYTES, MAX_TARGETS_BYTES
from agent.formats import fields, release, tuf, utc
from agent.formats.errors import CamwardError, FormatError
from update_server.errors import BadInput, Misconfigured, PublishRefused
from update_server.repository import metadata, signers, verifier
from update_server.repository.ceremony import DIRECTOR, IMAGE, Ceremony
from update_server.repository.quorum import Quorum

DAY_S = 86_400
MAX_ROOT_VALID_S = 20 * 366 * DAY_S  # a typing error in --valid-days must not make a root for ever
MAX_TARGETS_VALID_S = 3 * 366 * DAY_S
MAX_AHEAD_S = DAY_S  # clocks of offline machines are badly set; a root dated later would push cameras' clocks forward
OFFLINE = {IMAGE: ("root", "targets"), DIRECTOR: ("root",)}


def check(ceremony: Ceremony, now: int) -> None:
    """Refuse what should not be signed.

    Raises:
        BadInput: says what is wrong with it.
    """
    try:
        _check_chain(ceremony)
        if ceremony.new_root is not None:
            _check_root(ceremony, ceremony.new_root, now)
        if ceremony.new_targets is not None:
            _check_targets(ceremony, now)
        _check_kept_targets(ceremony)
    except (Misconfigured, PublishRefused, CamwardError) as error:
        raise BadInput(f"This must not be signed: {error}") from None


def check_descends(ceremony: Ceremony, kept: bytes) -> None:
    """Make sure that the chain of roots goes through a root that the signer has kept.

    Raises:
        BadInput: it does not; whoever made the file is not who they seem to be.
    """
    try:
        mine = tuf.parse(kept, "root", MAX_ROOT_BYTES)
        theirs = [tuf.parse(body, "root", MAX_ROOT_BYTES) for body in ceremony.roots]
    except FormatError as error:
        raise BadInput(f"The root that you named cannot be compared: {error}.") from None
    if not any(root.version == mine.version and root.message == mine.message for root in theirs):
        raise BadInput(
            f"This file does not descend from your root {mine.version}.",
            "Do not sign it. Ask whoever gave it to you, by another way than the one it came.",
        )


def fingerprint(body: bytes) -> str:
    """The SHA-256 of a file, as `sha256sum` shows it."""
    return hashlib.sha256(body).hexdigest()


def check_roles(repository: str, root: Root) -> None:
    """Refuse a distribution of keys that defeats its purpose.

    Raises:
        BadInput: an offline role has too small a threshold or no key to lose, or a key serves offline and online, or
            serves both offline roles.
    """
    offline = OFFLINE[repository]
    for name in offline:
        role = root.roles[name]
        try:
            Quorum(role.threshold, len(role.keyids))
        except BadInput as error:
            raise BadInput(f"The {name} role: {error}") from None
    for name, role in root.roles.items():
        if role.threshold > len(role.keyids):
            raise BadInput(
                f"The {name} role has {len(role.keyids)} keys, and {role.threshold} of them would have to sign."
            )
        for other in offline:
            shared = set(role.keyids) & set(root.roles[other].keyids)
            if other != name and shared:
                raise BadInput(f"The key {min(shared)[:16]} would serve both {name} and {other}.", "Use another key.")


def check_apart(root: Root, other: Root) -> None:
    """Refuse a root that shares a key with the other repository's: what one of them signed could pass in the other.

    Raises:
        BadInput: names the key.
    """
    shared = {signers.normal(key, keyid).keyid for keyid, key in root.keys.items()} & set(other.keys)
    if shared:
        raise BadInput(f"The key {min(shared)[:16]} would serve both repositories.", "Use another key.")


def _check_chain(ceremony: Ceremony) -> None:
    if ceremony.roots:
        verifier.verify_roots(ceremony.repository, ceremony.roots, None)
    elif ceremony.new_root is None:
        raise BadInput("There is no root.")
    if ceremony.repository == DIRECTOR and (ceremony.new_targets or ceremony.targets):
        raise BadInput("A director has no list of releases.")


def _check_root(ceremony: Ceremony, new: Metadata[Root], now: int) -> None:
    parsed = tuf.parse_root(metadata.encode(new), MAX_ROOT_BYTES, tuf.read_p256_key)
    if parsed.metadata.version != len(ceremony.roots) + 1:
        raise BadInput(f"Root {parsed.metadata.version} does not follow root {len(ceremony.roots)}.")
    if new.signed.consistent_snapshot is not True:
        raise BadInput("It switches consistent snapshots off.")
    for keyid, key in parsed.keys.items():
        if not key.identity:
            raise BadInput(f"The key {keyid[:16]} is not ECDSA P-256, and cameras would not count it.")
        # Else another key could hide under the id of one that stays, and the summary would show no change.
        if signers.normal(new.signed.keys[keyid], keyid[:16]).keyid != keyid:
            raise BadInput(f"The key {keyid[:16]} is not the one that this id stands for.", "Do not sign it.")
    if len({key.identity for key in parsed.keys.values()}) != len(parsed.keys):
        raise BadInput("Two of its keys are one and the same.")
    check_roles(ceremony.repository, new.signed)
    _check_life(parsed.metadata.expires_at, now, MAX_ROOT_VALID_S)
    made_at = issued_at(new.signed)
    last = ceremony.last_root()
    if made_at > now + MAX_AHEAD_S:
        raise BadInput("It is dated in the future, or this machine's clock is slow.")
    if made_at >= parsed.metadata.expires_at or (last is not None and made_at < issued_at(last)):
        raise BadInput("It is dated after its own end, or before the root that it follows.")


def issued_at(root: Root) -> int:
    """When a root was made, as it says itself; 0 for a first root that does not say it (older versions made those).

    Raises:
        BadInput: it does not say it.
        FormatError: it says it wrongly.
    """
    if metadata.ISSUED_AT not in root.unrecognized_fields:
        return 0 if root.version == 1 else _missing_date(root)
    return utc.parse(fields.as_text(root.unrecognized_fields[metadata.ISSUED_AT], metadata.ISSUED_AT))


def _missing_date(root: Root) -> int:
    raise BadInput(f"Root {root.version} does not say when it was made.")


def _check_life(expires_at: int, now: int, longest_s: int) -> None:
    if not now < expires_at <= now + longest_s:
        until = metadata.iso(expires_at)
        raise BadInput(f"It would be valid until {until}: past, or too far away, or this machine's clock is wrong.")


def _check_targets(ceremony: Ceremony, now: int) -> None:
    new = ceremony.new_targets
    if new is None:
        return
    parsed = tuf.parse(metadata.encode(new), "targets", MAX_TARGETS_BYTES)
    before = 0
    if ceremony.targets is not None:
        before = tuf.parse(ceremony.targets, "targets", MAX_TARGETS_BYTES).version
        last = ceremony.last_root()
        if last is None or not metadata.trusted(last, "targets", ceremony.targets):
            raise BadInput("The present list of releases in it is not genuine.")
    if parsed.version != before + 1:
        raise BadInput(f"List {parsed.version} does not follow list {before}.")
    if "delegations" in parsed.signed:
        raise BadInput("The list of releases delegates to others.")
    _check_life(parsed.expires_at, now, MAX_TARGETS_VALID_S)
    for path in tuf.targets_files(parsed):
        target = tuf.target_file(parsed, path)
        if target is None or "camward" not in target.custom:
            continue
        made = release.parse(target)
        tree = tuf.target_file(parsed, made.tree_name)
        if tree is None or (tree.sha256, tree.length_bytes) != (made.tree_sha256, made.tree_length_bytes):
            raise BadInput(f"The block tree of {path} is missing.")


def _check_kept_targets(ceremony: Ceremony) -> None:
    """A new image root must leave a list of releases that cameras still take."""
    if ceremony.repository != IMAGE or ceremony.new_root is None or ceremony.new_targets is not None:
        return
    if ceremony.targets is None or not metadata.trusted(ceremony.new_root.signed, "targets", ceremony.targets):
        raise BadInput("The present list of releases would not be trusted under the new root, and no new one is here.")
