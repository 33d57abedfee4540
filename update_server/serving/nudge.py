"""Tells cameras to look as soon as their director metadata names something else, and sends them their commands.

A camera that was enrolled with a command key is told by a signed command `check`. Others get a message that orders
nothing: whoever gets it (or a forged one) only asks the repositories what it would have asked them anyway (ADR 0007).
What is lost costs the wait until the next check.
"""

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from update_server.db.models import DirectorMetadata
from update_server.db.session import Database
from update_server.fleet import commands

OVERLAP_S = 2  # `signed_at` has whole seconds and is set before the commit: look back a little, and remember
BATCH = 200  # commands signed in one write transaction, in which the server's own writes wait

TOPIC = "camward/1/{}/down/command"
PAYLOAD = b'{"type":"check","v":1}'

Publish = Callable[[str, bytes], bool]
Hasten = Callable[[Session, str, int], bool]


class Nudger:
    """Finds assignments signed since the last pass; whichever process made them."""

    def __init__(self, database: Database, publish: Publish, hasten: Hasten, now: int) -> None:
        """`hasten` queues a signed `check`, and says whether the camera takes one."""
        self._database = database
        self._publish = publish
        self._hasten = hasten
        self._since = now
        self._told: set[tuple[str, int]] = set()

    def run(self, now: int) -> int:
        """Nudge every camera with new director targets; how many."""
        column = DirectorMetadata
        query = select(column.device_id, column.version).where(
            column.role == "targets", column.signed_at >= self._since - OVERLAP_S
        )
        with self._database.read() as session:
            found = {(device_id, version) for device_id, version in session.execute(query)}
        fresh = sorted({device_id for device_id, _ in found - self._told})
        for device_id in self._unsigned(fresh, now):
            if not self._publish(TOPIC.format(device_id), PAYLOAD):
                return 0  # the broker is away: the next pass begins where this one did
        self._told, self._since = found, now
        return len(fresh)

    def _unsigned(self, ids: list[str], now: int) -> list[str]:
        """Queue a signed command for each camera that takes one; the others."""
        others: list[str] = []
        for first in range(0, len(ids), BATCH):
            with self._database.write() as session:
                others += [one for one in ids[first : first + BATCH] if not self._hasten(session, one, now)]
        return others

    def deliver(self, now: int) -> int:
        """Send the commands that are due, and give up those that nobody has answered in time; how many were sent."""
        with self._database.read() as session:
            due = [(row.id, row.device_id, row.body) for row in commands.due(session, now)]
            late = commands.must_expire(session, now)
        done = []
        for number, device_id, body in due:
            if not self._publish(TOPIC.format(device_id), body):
                break
            done.append(number)
        if done or late:
            with self._database.write() as session:
                commands.sent(session, done, now)
                commands.expire(session, now)
        return len(done)
