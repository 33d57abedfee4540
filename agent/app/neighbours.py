"""Serves the release that runs to other cameras of the site, where the configuration wants it (ADR 0016).

`update/running.json` says since the commit which release that is. An encrypted release is never served: its image lies
in the clear on this camera only.
"""

from hashlib import sha256

from agent.app.medium import slot_tree
from agent.app.update_state import release_of, sealed
from agent.core import sharing
from agent.formats import delivery, running
from agent.formats.errors import FormatError, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.app.desk import Desk
    from agent.app.update_state import State
    from agent.core.slots import Layout
    from agent.formats.ownership import Ownership
    from agent.formats.running import Running

RUNNING = "update/running.json"
RETRY_S = 600.0  # a port that somebody else has, say
_TIMER = "neighbours"


class Neighbours:
    """The serving side; the fetching one is agent.app.sources."""

    def __init__(self, desk: "Desk", layout: "Layout", on_trial: "Callable[[], bool]") -> None:
        self._desk = desk
        self._layout = layout
        self._on_trial = on_trial
        self._owner: "Ownership | None" = None
        self._served: "Running | None" = None

    def committed(self, state: "State") -> None:
        """What runs is committed now: remember it, and serve it if there is an owner. Safe to repeat."""
        found, store = _running(state), self._desk.ports.store
        try:
            if found is None:
                store.delete(RUNNING)
            else:
                store.write(RUNNING, running.encode(found))
        except Unavailable:
            return  # nobody fetches from this camera, then
        self._offer(found)

    def enrolled(self, record: "Ownership") -> None:
        """There is an owner, whose CA tells the cameras of the fleet from strangers."""
        self._owner = record
        self._offer(self._remembered())

    def facts(self) -> "dict[str, Any]":
        """Members of telemetry: what is served, and where. The address is nobody's business otherwise."""
        served = self._served
        if served is None or not self._desk.ports.neighbours.offers():
            return {"address": None}
        return {"serves": served.sha256, "serves_port": self._desk.config.neighbours.port}

    def _offer(self, found: "Running | None") -> None:
        desk = self._desk
        wanted, owner = desk.config.neighbours, self._owner
        if not wanted.serve or owner is None:
            return
        if not sharing.declared(desk.config.declarations, wanted.port):
            desk.say("camward-agent: neighbours get nothing: port " + str(wanted.port) + " is not declared")
            return
        why = sharing.withheld(found, desk.ports.boot.booted_slot(), self._on_trial())
        if found is None or why:
            return
        try:
            leaves = self._leaves(found)
            desk.ports.neighbours.offer(found, self._layout.slot(found.slot).offset, leaves)
            desk.ports.neighbours.open(wanted.port, owner.ca, desk.device_id)
        except FormatError as error:
            desk.say("camward-agent: neighbours get nothing: " + str(error))
        except Unavailable as error:
            desk.say("camward-agent: neighbours get nothing yet: " + str(error))
            desk.at(_TIMER, desk.now + RETRY_S, lambda: self._offer(found))
        else:
            self._served = found

    def _leaves(self, found: "Running") -> bytes:
        kept = self._desk.ports.store.read(slot_tree(found.slot)) or b""
        leaves = kept[: found.tree_length_bytes()]  # a tree that was made anew here goes on to the end of the slot
        sharing.require_tree(found, leaves, sha256(leaves).digest())
        return leaves

    def _remembered(self) -> "Running | None":
        try:
            body = self._desk.ports.store.read(RUNNING)
            return None if body is None else running.parse(body)
        except (FormatError, Unavailable):
            return None


def _running(state: "State") -> "Running | None":
    """What may be served of what has just been committed; None where that is not known, or is confidential."""
    way = delivery.PLAIN if state.delivery is None else delivery.parse(state.delivery)
    if state.release is None or state.release["sha256"] == sealed(state, state.release["sha256"], way):
        return None
    release = release_of(state.release)
    return running.Running(
        slot=state.slot,
        target=release.target,
        sha256=release.sha256,
        length_bytes=release.length_bytes,
        tree_name=release.tree_name,
        tree_sha256=release.tree_sha256,
    )
