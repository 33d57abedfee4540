"""What expires when: roots and the list of releases, which need a ceremony, and what the server renews by itself."""

from dataclasses import dataclass
from datetime import datetime

from tuf.api.metadata import Signed, Snapshot, Targets, Timestamp

from update_server.repository import metadata
from update_server.repository.director import Director
from update_server.repository.image import ImageRepository, Lifetimes

BY_CEREMONY, BY_ITSELF, BY_HAND = "ceremony", "server", "by hand"


@dataclass(frozen=True)
class Expiry:
    """One thing that expires; `renewed` says how it is renewed, `due` that somebody has to do something now."""

    what: str
    expires_at: int
    renewed: str
    due: bool


def forecast(
    image: ImageRepository, director: Director, lifetimes: Lifetimes, ca_expires: datetime, now: int, within_s: int
) -> list[Expiry]:
    """Everything that expires, the soonest first. What needs a person is due `within_s` before its end.

    What the running server renews by itself (at half of its life) is due when three quarters of its life are over: then
    the server has not been running.

    Raises:
        Misconfigured: a file is missing or damaged.
    """
    found = [_by_hand("fleet CA certificate", int(ca_expires.timestamp()), BY_HAND, now, within_s)]
    for roots in (image.roots, director.roots):
        root = roots.newest()
        found.append(_by_hand(f"{roots.name} root {root.version}", _at(root), BY_CEREMONY, now, within_s))
    state = image.published()
    if state is not None:
        releases = metadata.parse(state.targets, Targets)
        found.append(_by_hand(f"list of releases {releases.version}", _at(releases), BY_CEREMONY, now, within_s))
        online: tuple[tuple[Snapshot | Timestamp, int], ...] = (
            (metadata.parse(state.snapshot, Snapshot), lifetimes.snapshot_s),
            (metadata.parse(state.timestamp, Timestamp), lifetimes.timestamp_s),
        )
        for signed, life_s in online:
            what, end = f"image {signed.type} {signed.version}", _at(signed)
            found.append(Expiry(what, end, BY_ITSELF, end - now < life_s / 4))
    return sorted(found, key=lambda expiry: expiry.expires_at)


def _by_hand(what: str, expires_at: int, renewed: str, now: int, within_s: int) -> Expiry:
    return Expiry(what, expires_at, renewed, expires_at - now <= within_s)


def _at(signed: Signed) -> int:
    return int(signed.expires.timestamp())
