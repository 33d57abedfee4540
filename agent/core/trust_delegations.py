"""The search for a target through the delegations of a repository (TUF specification 1.0.37, 5.6.7).

Pre-order and depth-first, in the order in which each file delegates. A role is skipped if it lies on the way to itself
already. Reached on another way it is visited again, and verified by the keys of the one who delegates there: whoever
delegates to it first must not decide what it says to the others. A terminating delegation ends the search after its
own descendants.

A role that cannot be fetched or verified ends the search with an error: asking the next one instead would let whoever
withholds a file choose who speaks for the target. Running into a limit ends it as if there was no such target.
"""

from agent.core.trust_errors import MixAndMatch
from agent.formats import delegations, tuf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.core.trust_repository import Conversation, Repository

MAX_VISITS = 32  # of delegated roles in one search; each costs a verification, and a file of up to 512 KiB
MAX_DEPTH = 8  # delegations from the top role down; the longest we know of have 3


def find_target(
    repository: "Repository", path: str, targets: tuf.Metadata, snapshot: tuf.Metadata, now: int
) -> "Conversation[tuf.Target | None]":
    """The description of a target by the most trusted role that has one; None if there is none, or within the limits.

    Args:
        repository: where delegated roles come from; it keeps what it fetches, so that a second search need not.
        path: the target's path, exactly.
        targets: the verified top-level targets.
        snapshot: the verified snapshot that names them.
        now: Unix seconds, by which expiry is judged.

    Raises:
        TrustError: a delegated role is refused, or the snapshot does not name it.
        FormatError: a file on the way is malformed.
        Unavailable: the repository lacks a delegated role.
    """
    metas = tuf.targets_metas(snapshot)
    waiting: "list[tuple[delegations.Delegation, dict[str, tuf.Key], tuple[str, ...]]]" = []
    way: "tuple[str, ...]" = ()
    metadata, visits = targets, 0
    while True:
        keys, responsible = delegations.responsible(metadata, path, repository.read_key)
        found = tuf.target_file(metadata, path)
        if found is not None:
            return found
        if responsible and responsible[-1].terminating:
            waiting = []
        waiting.extend((delegation, keys, way) for delegation in reversed(responsible) if delegation.name not in way)
        if not waiting or visits >= MAX_VISITS:
            return None
        visits += 1
        delegation, keys, way = waiting.pop()
        way += (delegation.name,)
        if len(way) > MAX_DEPTH:
            return None
        file_name = delegation.name + ".json"
        if file_name not in metas:
            raise MixAndMatch(repository.name + " snapshot does not name the delegated role " + delegation.name[:64])
        metadata = yield from repository.refresh_delegated(
            delegation.name, delegation.role, keys, metas[file_name], now
        )
