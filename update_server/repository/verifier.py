"""The device's own verifier over one repository: a chain of roots, and what stands under its newest one.

Everything that is published passes here first, walked from the first root and from every later one, because cameras
stand at each of them: one may have slept since it was made.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent.core import trust
from agent.core.trust_repository import Repository, check_length
from agent.formats.errors import CamwardError
from agent.formats.tuf import Key
from update_server.errors import PublishRefused

if TYPE_CHECKING:
    from agent.core.trust_repository import Conversation

ROLES = ("timestamp", "snapshot", "targets")


def verify_signature(key: Key, signature: bytes, message: bytes) -> None:
    """ECDSA P-256 with SHA-256 over `message`.

    Raises:
        SignatureError: it does not verify.
    """
    try:
        public = serialization.load_pem_public_key(key.public.encode("ascii"))
        if not isinstance(public, ec.EllipticCurvePublicKey):
            raise trust.SignatureError("no ECDSA key")
        public.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError) as error:
        raise trust.SignatureError(str(error)) from None


def verify_roots(name: str, roots: Sequence[bytes], now: int | None) -> None:
    """Make sure that a camera at any of `roots` (version 1 first) comes to trust the last one.

    Without `now`, the last one may have expired: that is what a new one is signed for.

    Raises:
        PublishRefused: it does not, or the last one has expired.
    """
    # The way from the first root goes through all the others; walking from each would take a square of the time.
    _walk(name, {**dict.fromkeys(ROLES), "root": roots[0]}, dict(enumerate(roots, 1)), None, now)


def verify(name: str, roots: Sequence[bytes], files: Mapping[str, bytes], now: int, seen: Mapping[str, bytes]) -> None:
    """Make sure that a camera at any of `roots` comes to trust `files`.

    Args:
        name: "image" or "director".
        roots: the whole chain, version 1 first.
        files: what is (to be) published, by name.
        now: Unix seconds.
        seen: what cameras that stand at the root before the last, or at the last, have stored by role: for them it must
            be no rollback. Files that they no longer trust are no hindrance.

    Raises:
        PublishRefused: it does not; the reason is the device's.
    """
    chain = dict(enumerate(roots, 1))
    for version, root in chain.items():
        recent = seen if version >= len(roots) - 1 else {}
        for stored in ({}, recent) if recent else ({},):
            _walk(name, {**dict.fromkeys(ROLES), **stored, "root": root}, chain, files, now)


def verify_under(name: str, version: int, root: bytes, files: Mapping[str, bytes], now: int) -> None:
    """Make sure that a camera at the newest root, which is `root` of that version, comes to trust `files`.

    Raises:
        PublishRefused: it does not; the reason is the device's.
    """
    _walk(name, {**dict.fromkeys(ROLES), "root": root}, {version: root}, files, now)


def _walk(
    name: str,
    stored: dict[str, bytes | None],
    roots: Mapping[int, bytes],
    files: Mapping[str, bytes] | None,
    now: int | None,
) -> None:
    served = {f"{version}.root.json": body for version, body in roots.items()} | dict(files or {})

    def keep(role: str, body: bytes) -> None:
        stored[role] = body

    try:
        before = -1
        repository = Repository(name, stored, verify_signature, keep)
        while before != repository.root.metadata.version:  # a session walks a bounded number of roots; this is several
            before = repository.root.metadata.version
            repository = Repository(name, stored, verify_signature, keep)
            _converse(repository.walk_root(), served)
        if now is not None:
            repository.check_expiry(repository.root.metadata, now)
        if before != max(roots):
            raise PublishRefused(f"The {name} roots are not numbered one by one.", "Nothing was published.")
        if files is not None and now is not None:
            _converse(_refresh(repository, now), served)
    except CamwardError as error:
        raise PublishRefused(f"The device's verifier refuses this ({error}).", "Nothing was published.") from error


def _refresh(repository: Repository, now: int) -> "Conversation[None]":
    timestamp, body = yield from repository.refresh_timestamp(now)
    repository.keep_timestamp(timestamp, body)
    snapshot = yield from repository.refresh_snapshot(timestamp, now)
    yield from repository.refresh_targets(snapshot, now)


def _converse(steps: "Conversation[Any]", served: Mapping[str, bytes]) -> None:
    try:
        request = next(steps)
        while True:
            body = served.get(request.path)
            if body is not None:
                check_length(request, body)
            request = steps.send(body)
    except StopIteration:
        return
