"""The documents below `trust/`: what verification starts from, and what it has accepted."""

from agent.core.trust import Device
from agent.core.trust_repository import MAX_ROOT_BYTES
from agent.formats import tuf
from agent.formats.errors import FormatError, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.app.desk import Desk
    from agent.app.trusted_time import TrustedTime
    from agent.core.trust_conversation import Verification
    from agent.ports.storage import Store

ROLES = ("root", "timestamp", "snapshot", "targets")


def device_of(desk: "Desk") -> Device:
    """This camera, as verification wants it described.

    Raises:
        Unavailable: the storage fails.
    """
    return Device(
        id=desk.device_id,
        model=desk.config.model,
        hardware=desk.label.hardware,
        version=desk.config.version,
        # The stored index is raised when the next update begins; what runs has raised the bar already.
        rollback_index=max(desk.ports.rollback.read(), desk.config.security_epoch, desk.epoch_floor),
    )


def stored(store: "Store", repository: str, first_root: bytes) -> "dict[str, bytes | None]":
    """The documents of "image" or "director" by role.

    Raises:
        Unavailable: the storage fails.
    """
    found = {role: store.read("trust/" + repository + "/" + role + ".json") for role in ROLES}
    # A new system may bring a newer root than the stored one; a damaged stored root gives way to the first one.
    if _version(found["root"]) < _version(first_root):
        found["root"] = first_root
    return found


def reset_floor(time: "TrustedTime", check: "Verification", reset_to: "int | None") -> "int | None":
    """Let the time floor fall where the check has found that it must; `reset_to` is what the last call returned.

    To be called before `keep`, which stores the root that takes the old proof back: a power cut in between only has it
    walked again.

    Raises:
        Unavailable: the storage fails.
    """
    if check.floor_reset_to is not None and check.floor_reset_to != reset_to:
        time.reset(check.floor_reset_to)
        return check.floor_reset_to
    return reset_to


def keep(desk: "Desk", time: "TrustedTime", check: "Verification") -> None:
    """Store what was accepted since the last call.

    Raises:
        Unavailable: the storage fails.
    """
    for name, body in check.accepted():
        document = "trust/" + name + ".json"
        if body:
            desk.ports.store.write(document, body)
        else:
            desk.ports.store.delete(document)
    time.vouched(check.issued_at)
    if check.directed is not None and desk.directed_hook is not None:
        desk.directed_hook(check.directed)


def forget_root(store: "Store", repository: str) -> None:
    """The stored root is damaged: the next check begins with the first one, or updates would end here."""
    try:
        store.delete("trust/" + repository + "/root.json")
    except Unavailable:
        pass  # the next check finds it again


def _version(root: "bytes | None") -> int:
    if not root:
        return 0
    try:
        return tuf.parse_root(root, MAX_ROOT_BYTES).metadata.version
    except FormatError:
        return 0
