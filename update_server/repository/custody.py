"""The keys of both repositories, on the server's side of a ceremony: what is to be signed, and publishing it signed.

Publishing a root is the one step at which keys change. Everything that needs the new keys follows it and is repeated
until it is done: importing the same signed file again completes what was cut short.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from securesystemslib.signer import Key
from sqlalchemy.orm import Session
from tuf.api.metadata import Metadata, Root, TargetFile, Targets

from update_server.errors import BadInput, Conflict
from update_server.repository import ceremony_checks, metadata, signers
from update_server.repository.ceremony import DIRECTOR, IMAGE, Ceremony, Document
from update_server.repository.devicecheck import NOBODY
from update_server.repository.director import ONLINE_ROLES as DIRECTOR_ONLINE
from update_server.repository.director import Director
from update_server.repository.image import DAY_S, ROOT_VALID_S, ImageRepository
from update_server.repository.image import ONLINE_ROLES as IMAGE_ONLINE
from update_server.repository.online import Online
from update_server.repository.releases import Releases

ONLINE = {IMAGE: IMAGE_ONLINE, DIRECTOR: DIRECTOR_ONLINE}
ROLES = ("root", "targets", "snapshot", "timestamp")
TARGETS_MARGIN_S = 30 * DAY_S  # a list this close to its end is signed again together with a root
MIN_ID_CHARS = 8  # of a key id on the command line
NEW = "new"


@dataclass(frozen=True)
class Changes:
    """What the next root shall be like: keys by role, thresholds by role, and how long it is valid."""

    add: Sequence[tuple[str, Key]] = ()
    remove: Sequence[tuple[str, str]] = ()
    online: Sequence[tuple[str, str]] = ()
    thresholds: dict[str, int] = field(default_factory=dict)
    valid_s: int = ROOT_VALID_S

    @staticmethod
    def all_online(repository: str) -> list[tuple[str, str]]:
        """New keys for every online role: the answer to a stolen server."""
        return [(role, NEW) for role in ONLINE[repository]]


class Custody:
    """Prepares and publishes roots and lists of releases."""

    def __init__(self, image: ImageRepository, director: Director, releases: Releases) -> None:
        self._image = image
        self._director = director
        self._releases = releases

    def ready(self) -> None:
        """Make sure that both repositories are complete, and that the server can sign with its online keys.

        Raises:
            Misconfigured: the key ceremony is not finished, or a key is missing.
            SigningFailed: a token or service is out of reach.
        """
        for repository, roles in ((self._image, IMAGE_ONLINE), (self._director, DIRECTOR_ONLINE)):
            root = repository.roots.newest()
            for role in roles:
                for signer in repository.online.for_role(root, role):
                    signer.sign(b"camward: may this key sign?")

    def prepare_root(self, repository: str, changes: Changes, now: int) -> Ceremony:
        """The next root, unsigned, and the list of releases too where that has to be signed again.

        New online keys are made (or proven to work) and listed at once; that changes nothing until the root is there.

        Raises:
            BadInput: the changes make no sense; says which.
            Misconfigured: an online key cannot be used.
        """
        roots = (self._image if repository == IMAGE else self._director).roots
        last = roots.newest()
        keys = {name: [last.keys[keyid] for keyid in last.roles[name].keyids] for name in ROLES}
        for role, wanted in changes.remove:
            keys[role].remove(_find(keys[role], role, wanted))
        for role, key in changes.add:
            if any(key.keyid == known.keyid for known in keys[role]):
                raise BadInput(f"The key {key.keyid[:16]} serves {role} already.")
            keys[role].append(key)
        for role, uri in changes.online:
            if role not in ONLINE[repository]:
                raise BadInput(f"The {role} role of the {repository} repository is offline.", "Use --add and --remove.")
            keys[role] = [self._online_key(self._image.online, repository, role, uri)]
        thresholds = {name: changes.thresholds.get(name, last.roles[name].threshold) for name in ROLES}
        issued_at = max(now, ceremony_checks.issued_at(last))
        draft = metadata.root(
            {name: (keys[name], thresholds[name]) for name in ROLES},
            issued_at,
            now + changes.valid_s,
            last.version + 1,
        )
        ceremony = self._ceremony(repository, draft, self._targets_under(draft, now) if repository == IMAGE else None)
        ceremony_checks.check(ceremony, now)
        self._check_apart(repository, draft)
        for role in ONLINE[repository]:
            self._image.online.for_role(draft, role)
        return ceremony

    def prepare_targets(self, files: dict[str, TargetFile] | None, now: int) -> Ceremony:
        """The next list of releases, unsigned: with `files`, or as it is (which renews it).

        Raises:
            Misconfigured: there is no root yet.
            BadInput: what it would be must not be signed.
        """
        if files is None:
            files = self._image.targets() if self._image.published() else {}
        return self.prepared(self._image.draft_targets(files, now), now)

    def prepared(self, draft: Targets, now: int) -> Ceremony:
        """The ceremony for a list of releases.

        Raises:
            Misconfigured: there is no root yet.
            BadInput: it must not be signed.
        """
        self._image.roots.newest()
        ceremony = self._ceremony(IMAGE, None, draft)
        ceremony_checks.check(ceremony, now)
        return ceremony

    def publish(self, session: Session, signed: Ceremony, now: int) -> bool:
        """Publish what was signed; False if it was published already.

        Raises:
            Conflict: something else was published meanwhile.
            BadInput: signatures are missing, or it must not be published.
            PublishRefused: the device's verifier refuses it. Nothing was published.
        """
        if signed.repository == DIRECTOR:
            with self._director.lock():
                return self._publish_director(signed, now)
        with self._image.lock():
            return self._publish_image(session, signed, now)

    def _publish_director(self, signed: Ceremony, now: int) -> bool:
        body = _fresh_root(signed, self._director.roots.chain())
        if body is None:
            return False
        _require_complete(signed, now)
        root = metadata.parse(body, Root)
        self._check_apart(DIRECTOR, root)
        sample = self._director.compose_under(root, NOBODY, {}, (1, 1, 1), now)
        self._director.publish_root(body, sample, now)
        return True

    def _publish_image(self, session: Session, signed: Ceremony, now: int) -> bool:
        before = self._image.published()
        body = _fresh_root(signed, self._image.roots.chain())
        fresh = _fresh_targets(signed, before.targets if before else None)
        if body is None and fresh is None:
            return False
        _require_complete(signed, now)
        root = metadata.parse(body, Root) if body else self._image.roots.newest()
        self._check_apart(IMAGE, root)
        if fresh is not None:
            parsed = metadata.parse(fresh, Targets)
            state = self._image.compose(root, parsed.version, fresh, now)
            self._releases.check_list(session, state, dict(parsed.targets), now, body)
        elif before is not None:
            state = self._image.compose(root, before.targets_version, before.targets, now)
        else:
            raise BadInput("There is no list of releases yet.", "Sign and import one together with the root.")
        self._image.publish(state, now, body)
        return True

    def _check_apart(self, repository: str, root: Root) -> None:
        other = (self._director if repository == IMAGE else self._image).roots
        if other.version():
            ceremony_checks.check_apart(root, other.newest())

    def _targets_under(self, draft: Root, now: int) -> Targets | None:
        """The list of releases, if it has to be signed again: `draft` would not trust the present one, or it is old.

        A root and an expired list would otherwise wait for each other, because neither is published beside the other.
        """
        before = self._image.published()
        if before is not None and metadata.trusted(draft, "targets", before.targets):
            ends = metadata.parse(before.targets, Targets).expires.timestamp()
            if ends > now + TARGETS_MARGIN_S:
                return None
        return self._image.draft_targets(self._image.targets() if before else {}, now)

    def _ceremony(self, repository: str, root: Root | None, targets: Targets | None) -> Ceremony:
        before = self._image.published() if repository == IMAGE else None
        return Ceremony(
            repository,
            tuple((self._image if repository == IMAGE else self._director).roots.chain()),
            before.targets if before else None,
            Metadata(root) if root else None,
            Metadata(targets) if targets else None,
        )

    @staticmethod
    def _online_key(online: Online, repository: str, role: str, uri: str) -> Key:
        if uri == NEW:
            return online.new(f"{repository}-{role}")
        signer = online.check(uri)
        named = signers.public_key_with_name(signer.public_key, f"{repository}-{role}")
        online.add(uri, named)
        return named


def first(repository: str, root: Root, targets: Targets | None) -> Ceremony:
    """The ceremony that begins a repository."""
    return Ceremony(repository, (), None, Metadata(root), Metadata(targets) if targets else None)


def _find(keys: Sequence[Key], role: str, wanted: str) -> Key:
    found = [key for key in keys if signers.name_of(key) == wanted]
    if not found and len(wanted) >= MIN_ID_CHARS:
        found = [key for key in keys if key.keyid.startswith(wanted.lower())]
    if len(found) != 1:
        raise BadInput(
            f"{len(found) or 'No'} keys of the {role} role are called {wanted!r}.",
            "Give the key's id, as 'camward-server keys list' shows it.",
        )
    return found[0]


def _fresh_root(signed: Ceremony, chain: Sequence[bytes]) -> bytes | None:
    """The root to publish; None if there is none, or it is published already.

    Raises:
        Conflict: the chain of roots went another way meanwhile.
    """
    for number, body in enumerate(signed.roots):
        if number >= len(chain) or chain[number] != body:
            raise Conflict(f"This file was made for another server, or before root {number + 1} was lost.")
    if signed.new_root is None:
        return None
    version = signed.new_root.signed.version
    if version <= len(chain):
        if metadata.envelope(chain[version - 1], Root).signed_bytes == signed.new_root.signed_bytes:
            return None
        raise Conflict(f"Another {signed.repository} root {version} has been published.", "Prepare it anew.")
    if version != len(chain) + 1:
        raise Conflict(f"Root {version} does not follow root {len(chain)}.", "Prepare it anew.")
    return metadata.encode(signed.new_root)


def _fresh_targets(signed: Ceremony, published: bytes | None) -> bytes | None:
    """The list of releases to publish; None if there is none, or it is published already.

    Raises:
        Conflict: another list was published meanwhile.
    """
    if signed.new_targets is None:
        return None
    before = metadata.envelope(published, Targets) if published else None
    if before is not None and before.signed_bytes == signed.new_targets.signed_bytes:
        return None
    if signed.new_targets.signed.version != (before.signed.version + 1 if before else 1):
        raise Conflict("Another list of releases has been published meanwhile.", "Prepare it anew.")
    return metadata.encode(signed.new_targets)


def _require_complete(signed: Ceremony, now: int) -> None:
    ceremony_checks.check(signed, now)
    waiting = [_missing(document) for document in signed.documents() if not document.complete()]
    if waiting:
        raise BadInput(
            "; ".join(waiting) + ".", "Nothing was published. Have it signed, and import all copies at once."
        )


def _missing(document: Document) -> str:
    for share in document.shares:
        have, need = len(document.have(share)), share.root.roles[share.role].threshold
        if have < need:
            return f"{document.title} has {have} of {need} signatures by {share.who}"
    return document.title
