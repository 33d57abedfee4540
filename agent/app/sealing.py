"""Seals messages to the operator's key, which the ownership record names (agent.formats.cose).

One content key serves for one start of the agent. It is encrypted to the operator once, when it is first needed, and
each message carries that, so that messages open alone, in any order, long after the camera has restarted.
"""

from agent.app.enrolling import RECORD
from agent.formats import cose, ownership, tuf
from agent.formats.envelope import SEALED_TYPES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.app.desk import Desk
    from agent.formats.envelope import Envelope
    from agent.formats.ownership import Ownership


class Sealing:
    """What Reporting asks before a message becomes bytes."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._point: "bytes | None" = None
        self._known = False
        self._session: "cose.Session | None" = None

    def enrolled(self, record: "Ownership") -> None:
        """This is the owner's record."""
        self._known = True
        before = self._point
        self._point = None if record.sealing_key is None else tuf.point_from_pem(record.sealing_key)
        if self._point != before:
            self._session = None

    def seals(self, kind: str) -> bool:
        """Whether messages of this kind leave sealed.

        An update reports what became of it before the enrolment is served, so the record may have to be read here.

        Raises:
            FormatError: there is a record, and it is damaged: nothing leaves in the clear that may have to be sealed.
            Unavailable: the storage fails.
        """
        if kind not in SEALED_TYPES:
            return False
        if not self._known:
            record = self._desk.ports.store.read(RECORD)
            if record is not None:
                self.enrolled(ownership.parse(record))
        return self._point is not None

    def seal(self, envelope: "Envelope", wire: bytes) -> bytes:
        """The sealed form of a message that is signed already; `wire` is its own form.

        Raises:
            Rejected: the operator's key is none.
            Unavailable: there is no key.
        """
        sealer = self._desk.ports.sealer
        if self._session is None:
            point = self._point or b""
            kid = cose.key_id(point)
            self._session = cose.Session(kid, *sealer.start(point, cose.info(kid)))
        topic = "camward/1/" + envelope.id + "/up/" + envelope.type
        iv, ciphertext = sealer.seal(wire, cose.associated(topic, envelope.boot, envelope.seq))
        return cose.encode(cose.Sealed(self._session, envelope.boot, envelope.seq, iv, ciphertext))
