"""Tells a camera to look, as soon as its director metadata names something else, instead of at its next check.

The message orders nothing: it is not signed, and a camera that gets it (or a forged one) only asks the repositories
what it would have asked them anyway. A nudge that is lost costs the wait until the next check.
"""

from collections.abc import Callable

from sqlalchemy import select

from update_server.db.models import DirectorMetadata
from update_server.db.session import Database

OVERLAP_S = 2  # `signed_at` has whole seconds and is set before the commit: look back a little, and remember

TOPIC = "camward/1/{}/down/command"
PAYLOAD = b'{"type":"check","v":1}'

Publish = Callable[[str, bytes], bool]


class Nudger:
    """Finds assignments signed since the last pass; whichever process made them."""

    def __init__(self, database: Database, publish: Publish, now: int) -> None:
        self._database = database
        self._publish = publish
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
        for device_id in fresh:
            if not self._publish(TOPIC.format(device_id), PAYLOAD):
                return 0  # the broker is away: the next pass begins where this one did
        self._told, self._since = found, now
        return len(fresh)
