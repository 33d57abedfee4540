"""The ceremony file: what is to be signed offline, all that is needed to judge it, and the signatures so far.

It travels between the server and the machines that hold the offline keys. It is not trusted by where it comes from:
whoever signs runs `ceremony_checks` over it, and so does the server before it publishes. The server's published roots
and list of releases are in it as the exact bytes, as text, so that a signer can tell what would change.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from securesystemslib.signer import Key, Signer
from tuf.api.metadata import Metadata, Root, Targets
from tuf.api.serialization import DeserializationError, SerializationError

from update_server.errors import BadInput, Misconfigured
from update_server.files import write_atomic
from update_server.repository import metadata

KIND, VERSION = "camward-ceremony", 1
IMAGE, DIRECTOR = "image", "director"
REPOSITORIES = (IMAGE, DIRECTOR)
MAX_FILE_BYTES = 8 * 1024 * 1024  # a hundred roots of 3 KiB, and two lists of releases of at most 512 KiB
MAX_ROOTS = 1000
_MALFORMED = (
    ValueError, KeyError, TypeError, AttributeError, RecursionError, DeserializationError, SerializationError,
    Misconfigured,
)  # fmt: skip


@dataclass(frozen=True)
class Share:
    """One threshold that a document must reach: `who` names the group for people, `root` and `role` its keys."""

    who: str
    root: Root
    role: str


@dataclass(frozen=True)
class Document:
    """One thing to sign: its name for people, the metadata with the signatures so far, the thresholds to reach."""

    title: str
    metadata: Metadata[Any]
    shares: tuple[Share, ...]

    def have(self, share: Share) -> set[str]:
        """The ids of the share's keys that have signed validly."""
        return metadata.signatures(share.root, share.role, self.metadata)

    def complete(self) -> bool:
        """Whether every threshold is reached."""
        return all(len(self.have(share)) >= share.root.roles[share.role].threshold for share in self.shares)

    def entitled(self) -> dict[str, Key]:
        """Every key whose signature counts here, by id."""
        return {keyid: share.root.keys[keyid] for share in self.shares for keyid in share.root.roles[share.role].keyids}


@dataclass(frozen=True)
class Ceremony:
    """One publication to be signed.

    `roots` are the published ones, version 1 first; `targets` the published list of releases, if any; at least one of
    `new_root` and `new_targets` is there.
    """

    repository: str
    roots: tuple[bytes, ...]
    targets: bytes | None
    new_root: Metadata[Root] | None
    new_targets: Metadata[Targets] | None

    def last_root(self) -> Root | None:
        """The newest published root."""
        return metadata.parse(self.roots[-1], Root) if self.roots else None

    def ruling_root(self) -> Root:
        """The root under which the new list of releases will stand.

        Raises:
            BadInput: there is none.
        """
        root = self.new_root.signed if self.new_root else self.last_root()
        if root is None:
            raise BadInput("The ceremony file has no root.")
        return root

    def documents(self) -> list[Document]:
        """What is to be signed, the root first."""
        found = []
        if self.new_root is not None:
            new, last = self.new_root.signed, self.last_root()
            shares = [Share(f"the root keys of root {last.version}", last, "root")] if last else []
            shares.append(Share(f"the root keys of root {new.version}", new, "root"))
            found.append(Document(f"{self.repository} root {new.version}", self.new_root, tuple(shares)))
        if self.new_targets is not None:
            share = Share("the targets keys", self.ruling_root(), "targets")
            title = f"list of releases {self.new_targets.signed.version}"
            found.append(Document(title, self.new_targets, (share,)))
        return found

    def entitled(self) -> dict[str, Key]:
        """Every key whose signature counts somewhere in the file, by id."""
        return {keyid: key for document in self.documents() for keyid, key in document.entitled().items()}

    def encode(self) -> bytes:
        """The file."""
        value = {
            "_type": KIND,
            "v": VERSION,
            "repository": self.repository,
            "new_root": self.new_root.to_dict() if self.new_root else None,
            "new_targets": self.new_targets.to_dict() if self.new_targets else None,
            "published_roots": [root.decode("utf-8") for root in self.roots],
            "published_targets": self.targets.decode("utf-8") if self.targets else None,
        }
        return json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"


def parse(body: bytes, where: str) -> Ceremony:
    """Read a ceremony file; `where` names it in an error. Nothing in it is believed yet.

    Raises:
        BadInput: it is none, or too long.
    """
    wrong = BadInput(f"{where} is no ceremony file.", "Make one: 'camward-server keys prepare'.")
    if len(body) > MAX_FILE_BYTES:
        raise wrong
    try:
        value = json.loads(body)
        if not isinstance(value, dict) or value.get("_type") != KIND or value.get("repository") not in REPOSITORIES:
            raise wrong
        if value.get("v") != VERSION:
            raise BadInput(f"{where} was made by another version of camward-server.", "Use the same one everywhere.")
        published, roots = value.get("published_targets"), value["published_roots"]
        found = Ceremony(
            value["repository"],
            tuple(str(text).encode() for text in roots[:MAX_ROOTS]),
            str(published).encode() if published is not None else None,
            _read(value.get("new_root"), Root),
            _read(value.get("new_targets"), Targets),
        )
        for document in found.documents():
            _ = document.metadata.signed_bytes  # floats have no canonical form
            for root in (share.root for share in document.shares):
                _ = [root.keys[keyid] for role in root.roles.values() for keyid in role.keyids]  # else a KeyError
    except _MALFORMED:
        raise wrong from None
    if len(roots) > MAX_ROOTS or (found.new_root is None and found.new_targets is None):
        raise wrong
    return found


def _read(value: Any, kind: type[metadata.S]) -> Metadata[metadata.S] | None:
    if value is None:
        return None
    read: Metadata[metadata.S] = Metadata.from_bytes(json.dumps(value).encode())
    if not isinstance(read.signed, kind):
        raise ValueError("another role")
    return read


def load(path: Path) -> Ceremony:
    """Read the ceremony file at `path`.

    Raises:
        BadInput: it cannot be read, or is none.
    """
    try:
        with path.open("rb") as file:
            return parse(file.read(MAX_FILE_BYTES + 1), str(path))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.", "Name a ceremony file.") from None


def save(path: Path, ceremony: Ceremony) -> None:
    """Write the ceremony file, completely or not at all.

    Raises:
        BadInput: it cannot be written.
    """
    try:
        write_atomic(path, ceremony.encode())
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}.", "Name another file.") from None


def merge(ceremonies: Sequence[Ceremony], name: Callable[[int], str]) -> Ceremony:
    """Copies of one ceremony that were signed apart, as one with all their signatures; `name` names the n-th copy.

    Signatures by keys that do not count here are dropped.

    Raises:
        BadInput: they are not copies of one, or a signature is invalid.
    """
    first = ceremonies[0]
    merged = parse(first.encode(), name(0))
    for document in merged.documents():
        document.metadata.signatures.clear()
    for number, other in enumerate(ceremonies):
        pairs = list(zip(merged.documents(), other.documents(), strict=False))
        same = [mine.metadata.signed_bytes == theirs.metadata.signed_bytes for mine, theirs in pairs]
        if other.repository != merged.repository or len(other.documents()) != len(pairs) or not all(same):
            raise BadInput(f"{name(number)} and {name(0)} are not copies of one ceremony.", "Import them one by one.")
        for mine, theirs in pairs:
            _collect(mine, theirs, name(number))
    return merged


def _collect(into: Document, source: Document, where: str) -> None:
    keys = into.entitled()
    for keyid, signature in source.metadata.signatures.items():
        if keyid not in keys:
            continue
        try:
            keys[keyid].verify_signature(signature, into.metadata.signed_bytes)
        except metadata.NOT_VERIFIED:
            raise BadInput(f"{where}: the signature of key {keyid[:16]} is invalid.", "Sign it again.") from None
        into.metadata.signatures[keyid] = signature


def sign(ceremony: Ceremony, signer: Signer) -> list[str]:
    """Add the signer's signature to every document where its key counts; the titles of those. The caller has checked.

    Raises:
        BadInput: it counts nowhere.
        SigningFailed: the key is out of reach.
    """
    keyid, signed = signer.public_key.keyid, []
    for document in ceremony.documents():
        if keyid in document.entitled():
            metadata.add_signature(document.metadata, signer)
            signed.append(document.title)
    if not signed:
        raise BadInput(
            f"The key {keyid[:16]} signs nothing in this file.", "See who does: 'camward-server keys show FILE'."
        )
    return signed
