"""What of an update survives a reboot: `update/state.json`."""

from agent.core import update
from agent.core.trust import Release
from agent.formats import delivery, fields
from agent.formats.errors import FormatError
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.formats.delivery import Delivery

MAX_STATE_BYTES = 64 * 1024
_LEFT_OUT = ("requires", "fixed")


class State(Value):
    """What survives a reboot; see the fields of `update/state.json`."""

    FIELDS = (
        "phase", "slot", "release", "delivery", "origin", "damaged", "failed", "failures", "refused", "cause", "told",
        "unhealthy", "server_seen", "committed", "gave_way", "epoch_floor", "sealed",
    )  # fmt: skip
    phase: str
    slot: str  # the slot being written or tried; empty in idle
    release: "dict[str, Any] | None"
    delivery: "dict[str, Any] | None"  # how it may be fetched, as agent.formats.delivery writes it
    origin: str  # version that the update started from
    damaged: int  # read backs that found damage
    failed: "tuple[str, ...]"  # versions not to be tried again
    failures: int  # checks or installations in a row that led to nothing
    refused: str  # last refusal that was reported, so that it is reported once
    cause: str  # why the trial failed, as far as the trial itself could tell
    told: "tuple[str, ...]"  # "EVENT VERSION" of what is reported once per release, however often it is tried
    unhealthy: int  # failed health checks of this trial
    server_seen: bool  # whether the server was reached just before the restart into the trial
    committed: str  # version that was committed last; empty before the first
    gave_way: "tuple[str, ...]"  # committed versions that gave way once
    epoch_floor: int  # with a recovery system: security epoch of the main one that was committed; 0 otherwise
    sealed: str  # SHA-256 (hexadecimal) of the slot image that was last to be fetched encrypted; empty before the first


_LATER: "dict[str, Any]" = {
    "unhealthy": 0, "server_seen": False, "committed": "", "gave_way": (), "epoch_floor": 0, "sealed": "",
}  # fmt: skip
"""Members that came later, and what their absence means; they are written when they say something else."""

FRESH = State(update.IDLE, "", None, None, "", 0, (), 0, "", "", (), **_LATER)


def encode(state: State) -> bytes:
    """The stored form, for `decode`."""
    body = state.as_dict()
    if state.delivery is None:
        del body["delivery"]
    for name, absent in _LATER.items():
        if body[name] == absent:
            del body[name]
    body["v"] = 1
    return dump(body)


def decode(body: bytes) -> State:
    """Read the stored form.

    Raises:
        FormatError: it is damaged.
    """
    source = parse_object(body, MAX_STATE_BYTES)
    fields.integer(source, "v", 1, 1)
    for name, absent in _LATER.items():
        source.setdefault(name, list(absent) if isinstance(absent, tuple) else absent)
    release, way = source.get("release"), source.get("delivery")
    return State(
        phase=fields.choice(source, "phase", update.PHASES),
        slot=fields.choice(source, "slot", ("", "a", "b")),
        release=None if release is None else saved(release_of(fields.as_object(release, "release"))),
        delivery=None if way is None else delivery.as_json(delivery.parse(way)),
        origin=fields.text(source, "origin"),
        damaged=fields.integer(source, "damaged"),
        failed=tuple(fields.as_text(item, "failed") for item in fields.array(source, "failed")),
        failures=fields.integer(source, "failures"),
        refused=fields.text(source, "refused", 4096),
        cause=fields.text(source, "cause", 4096),
        told=tuple(fields.as_text(item, "told") for item in (fields.array(source, "told") if "told" in source else ())),
        unhealthy=fields.integer(source, "unhealthy"),
        server_seen=fields.boolean(source, "server_seen"),
        committed=fields.text(source, "committed"),
        gave_way=tuple(fields.as_text(item, "gave_way") for item in fields.array(source, "gave_way")),
        epoch_floor=fields.integer(source, "epoch_floor"),
        sealed=fields.text(source, "sealed"),
    )


def sealed(state: State, sha256: str, way: "Delivery") -> str:
    """`State.sealed` once this slot image is to be fetched in this way: what was encrypted once stays confidential."""
    return sha256 if way.artifact is not None and way.artifact.enc else state.sealed


def saved(release: Release) -> "dict[str, Any]":
    """The release as `release_of` reads it, from memory or from the stored form alike.

    Without the components that it leaves alone: what they require was looked at before anything was saved, and the
    new version reads here, in its first boot, what the former one has written.
    """
    known = release.as_dict()
    for name in _LEFT_OUT:
        del known[name]
    known["hardware"] = list(release.hardware)
    return known


def release_of(source: "dict[str, Any]") -> Release:
    """The release as saved by `encode`; it was verified before it was saved, and the store is ours.

    Raises:
        FormatError: members are missing or surplus.
    """
    known = dict(source)
    known["hardware"] = tuple(fields.array(source, "hardware"))
    for name in _LEFT_OUT:
        known[name] = ()
    try:
        return Release(**known)
    except TypeError as error:
        raise FormatError("the saved release: " + str(error)) from None
