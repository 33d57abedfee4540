"""A verification as a conversation: fetch what it `wants`, `feed` it, store what it `accepted`, repeat. Sans-I/O."""

from agent.core.trust_repository import check_length
from agent.formats import delivery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.core.trust_repository import Conversation, Repository, Request
    from agent.formats.release import Release
    from agent.formats.tuf import Metadata


class Verification:
    """What `trust.Check` and `trust_owner.OwnerCheck` have in common: they differ in their rules.

    Attributes:
        outcome: after the end, the release to install, or None.
        delivery: how it may be fetched.
        issued_at: a signed time in Unix seconds once it is verified, else 0. It may raise the time floor.
        floor_reset_to: None, or where the time floor falls back to, never below the build time. Store it before what
            `accepted` returns: the root that causes it is walked only once.
        directed: what the director's targets say, once they are verified; None before that.
    """

    def __init__(self) -> None:
        self.outcome: "Release | None" = None
        self.delivery = delivery.PLAIN
        self.issued_at = 0
        self.directed: "dict[str, Any] | None" = None
        self.floor_reset_to: "int | None" = None
        self._accepted: "list[tuple[str, bytes]]" = []
        self._request: "Request | None" = None
        self._steps: "Conversation[None] | None" = None

    def _begin(self, steps: "Conversation[None]") -> None:
        self._steps = steps
        self._advance(None)

    def wants(self) -> "Request | None":
        """The file to fetch next; None when the check has ended, well or not."""
        return self._request

    def feed(self, body: bytes) -> None:
        """Give the requested file (at most one byte more than `max_bytes`: enough to be refused).

        Raises:
            TrustError: it is refused (one class per attack).
            FormatError: it is malformed.
            DamagedRoot: the stored image root does not parse or verify.
            ValueError: nothing was wanted.
        """
        request = self._taken()
        check_length(request, body)
        self._advance(body)

    def absent(self) -> None:
        """Say that the repository has no such file.

        Raises:
            Unavailable: it must have it (only the next root version may be missing).
            TrustError: as `feed`.
            FormatError: as `feed`.
            ValueError: nothing was wanted.
        """
        self._taken()
        self._advance(None)

    def accepted(self) -> "list[tuple[str, bytes]]":
        """What was verified since the last call, in the order in which to store it: ("image/root", body) and so on.

        An empty body means that the stored file must go (fast-forward recovery); storing it empty does the same.
        """
        found = self._accepted
        self._accepted = []
        return found

    def _taken(self) -> "Request":
        request = self._request
        if request is None:
            raise ValueError("the check wants nothing")
        self._request = None
        return request

    def _advance(self, body: "bytes | None") -> None:
        try:
            self._request = None if self._steps is None else self._steps.send(body)
        except StopIteration:
            self._request = None


def refresh(repository: "Repository", now: int) -> "Conversation[tuple[Metadata, Metadata]]":
    """Bring a repository's four top roles up to date, in the specification's order. Returns snapshot and targets.

    Raises:
        TrustError: a file is refused.
        FormatError: a file is malformed.
        Unavailable: the repository lacks a file.
    """
    yield from repository.refresh_root(now)
    timestamp, body = yield from repository.refresh_timestamp(now)
    repository.keep_timestamp(timestamp, body)
    snapshot = yield from repository.refresh_snapshot(timestamp, now)
    targets = yield from repository.refresh_targets(snapshot, now)
    return snapshot, targets
