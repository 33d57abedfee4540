"""Sealed messages as a camera makes them, for the tests of the server."""

from agent.adapters.linux.sealer import HpkeSealer
from agent.formats import cose, tuf


class CameraSealer:
    """One start of a camera whose owner's record names this key."""

    def __init__(self, sealing_key: str):
        self._sealer = HpkeSealer()
        point = tuf.point_from_pem(sealing_key)
        kid = cose.key_id(point)
        self.session = cose.Session(kid, *self._sealer.start(point, cose.info(kid)))

    def seal(self, topic: str, boot: str, seq: int, wire: bytes) -> cose.Sealed:
        iv, ciphertext = self._sealer.seal(wire, cose.associated(topic, boot, seq))
        return cose.Sealed(self.session, boot, seq, iv, ciphertext)
