"""A camera, its broker and the server's real ingest with a real database, where one thing in a hundred goes wrong.

One seed decides all: sessions that end before a message or its acknowledgement arrives, a broker that loses what it has
acknowledged, an ingest that dies before or after its commit, receipts that are lost, doubled, late or in another order,
hours without a link, storage that fails, and power cuts during any durable operation.
"""

from collections import Counter
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from sqlalchemy import select

from agent.app.outgoing import Outgoing
from agent.app.reporting import EVIDENCE_KEY
from agent.formats import envelope, taken
from firmware_sim.world.broker import Broker
from firmware_sim.world.chance import Chance
from firmware_sim.world.power import OUTCOMES, PowerCut
from firmware_sim.world.secrets import UnsafeKeyStore
from firmware_sim.world.world import World
from tests.scenario.stage import Stage
from update_server.db.models import Device, Message
from update_server.db.session import Database
from update_server.fleet.ingest import Incoming, Ingest, take_batch
from update_server.fleet.sealed import SealingKeys
from update_server.serving.link import BATCH

HOUR_S = 3600
PERCENT = 1
PERILS = {
    "message lost with its session", "acknowledgement lost with its session", "broker killed",
    "ingest killed before its commit", "ingest killed after its commit",
    "receipt lost", "receipt doubled", "receipt late, behind others", "power cut",
}  # fmt: skip
LONGEST_STEP_S = 60
LONGEST_OUTAGE_S = 600
OPERATIONS = 40  # the power is cut within so many durable operations
HEAL_S = 4 * HOUR_S  # what has no receipt is sent again within an hour, and the ingest's day has room


class RealEvidenceKeys(UnsafeKeyStore):
    """As the world's, but for the evidence key, which a real server has to verify."""

    def ensure(self, name: str) -> bytes:
        made = super().ensure(name)
        if name != EVIDENCE_KEY:
            return made
        return self._private().public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )  # fmt: skip

    def sign(self, name: str, message: bytes) -> bytes:
        if name != EVIDENCE_KEY:
            return super().sign(name, message)
        r, s = decode_dss_signature(self._private().sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def _private(self) -> ec.EllipticCurvePrivateKey:
        stored = self._read(EVIDENCE_KEY)
        assert stored is not None
        return ec.derive_private_key(int.from_bytes(sha256(stored).digest()[:31], "big") + 1, ec.SECP256R1())


class PerilousBroker(Broker):
    """What went wrong is counted in `happened`, and nothing does while `calm`.

    `disorders`: what two sessions of the ingest would make of it without a care, the order is another one.
    """

    def __init__(self, seed: str) -> None:
        super().__init__()
        self.chance = Chance(seed)
        self.calm = self.disorders = False
        self.happened: Counter[str] = Counter()
        self.for_ingest: list[Incoming] = []
        self.outage_s = 0

    def strikes(self, what: str) -> bool:
        """Whether this goes wrong now."""
        if self.calm or self.chance.below(100) >= PERCENT:
            return False
        self.happened[what] += 1
        return True

    def end_session(self) -> None:
        self.down = True
        self.outage_s = self.chance.below(LONGEST_OUTAGE_S)

    def publish(self, topic: str, payload: bytes) -> str:
        if self.down:  # the camera has not noticed yet
            return ""
        if self.strikes("message lost with its session"):
            self.end_session()
            return ""
        self.for_ingest.append(Incoming(topic, payload))
        if self.strikes("acknowledgement lost with its session"):
            self.end_session()
            return ""
        if self.strikes("broker killed"):
            self.for_ingest.clear()
            self.end_session()
        return "acknowledged"


class Perils:
    """One camera of a stage in such a life. `kept`: (lane, boot, seq) of what must arrive, in the order of making."""

    def __init__(
        self, stage: Stage, database: Database, folder: Any, seed: str, monkeypatch: Any, *, storage_fails: bool = False
    ) -> None:
        self.storage_fails = storage_fails
        self.database = database
        self.ingest = Ingest(lambda *_: None, lambda *_: None, SealingKeys(folder))
        self.sign = stage.operator.taken
        self.broker = PerilousBroker(seed)
        self.chance = Chance("camera " + seed)
        self.world: World = stage.world(seed=int(sha256(seed.encode()).hexdigest()[:6], 16))
        self.world.broker, self.world.make_keys = self.broker, RealEvidenceKeys
        self.receipts: list[tuple[str, bytes]] = []
        self.kept: list[tuple[str, str, int]] = []
        self.arrivals = self.alarms = self.restarts = 0
        put = Outgoing.put

        def noting(outgoing: Outgoing, kind: str, number: int, at: int, wire: bytes, seq: int = 0) -> None:
            put(outgoing, kind, number, at, wire, seq)
            made = envelope.parse(wire)
            if kind != "telemetry":
                self.kept.append(("alarm" if kind == "alarm" else "paper", made.boot, made.seq))

        monkeypatch.setattr(Outgoing, "put", noting)
        self.world.power_on()
        with database.write() as session:
            session.add(
                Device(
                    id=self.world.device_id(), serial="S1", model="kawa-1", hardware="a", version="1.0.0",
                    ownership_sha256="", enrolled_at=int(self.world.clock.now_s),
                    evidence_key=self._evidence_key(),
                )
            )  # fmt: skip

    def live(self, seconds: int, longest_step_s: int = LONGEST_STEP_S) -> None:
        """Let the camera live so long, with everything that happens to it."""
        end = self.world.clock.now_s + seconds
        while self.world.clock.now_s < end:
            self.step(1 + self.chance.below(longest_step_s))

    def step(self, seconds: int) -> None:
        """Some seconds, and what the server does after them."""
        world, broker = self.world, self.broker
        if broker.strikes("power cut"):
            outcome = OUTCOMES[self.chance.below(len(OUTCOMES))]
            world.power.cut_at(world.power.count + self.chance.below(OPERATIONS), outcome)
        fails = self.storage_fails and broker.strikes("storage fails")
        world.documents.broken_folder = "outbox/" if fails else ""
        try:
            if self.chance.below(4) == 0 and world.agent is not None:
                self.alarms += 1
                world.agent._reporting.queue("alarm", {"code": "test", "detail": str(self.alarms)})
            world.run_for(seconds)
        except PowerCut:
            world.power_cut()
            world.documents.broken_folder = ""
            self.restarts += 1
            self._power_on()
        self._serve()
        broker.outage_s -= seconds
        if broker.outage_s <= 0:
            broker.down = False

    def heal(self) -> None:
        """Nothing goes wrong any more, until everything has arrived.

        Raises:
            AssertionError: it does not.
        """
        self.broker.calm = True
        self.world.power.cut_at(None)
        for _ in range(HEAL_S // LONGEST_STEP_S):
            self.world.documents.broken_folder = ""
            self.world.run_for(LONGEST_STEP_S)
            self._serve()
            self.broker.down = False
            if self.world.agent is not None and not self._waits():
                return
        raise AssertionError(f"{self._waits()} messages still wait")

    def stored(self, lane: str) -> list[tuple[str, str, int]]:
        """(lane, boot, seq) of what the database has, in the order in which it came in."""
        kinds = ["alarm"] if lane == "alarm" else ["evidence", "report"]
        rows = select(Message.boot, Message.seq).where(Message.type.in_(kinds)).order_by(Message.id)
        with self.database.read() as session:
            return [(lane, boot, seq) for boot, seq in session.execute(rows)]

    def all_there(self) -> None:
        """Every message that the camera has taken in is in the database, once, and in order.

        What a storage did not give back for a while goes behind what is younger: the order is not looked at then.

        Raises:
            AssertionError: one is missing, double, or before one that is older.
        """
        for lane in ("alarm", "paper"):
            kept = [one for one in self.kept if one[0] == lane]
            found = self.stored(lane)
            assert kept, "nothing was to arrive"
            assert [one for one in kept if one not in found] == [], "kept, and never arrived"
            assert len(found) == len(set(found)), "twice"
            known = set(kept)
            assert self.storage_fails or [one for one in found if one in known] == kept, "in another order"

    def _waits(self) -> int:
        assert self.world.agent is not None
        return self.world.agent._reporting.count()

    def _power_on(self) -> None:
        while True:
            try:
                self.world.power_on()
            except PowerCut:
                self.world.power_cut()
            else:
                return

    def _serve(self) -> None:
        """The ingest takes a batch, and its receipts are on their way."""
        broker, now = self.broker, int(self.world.clock.now_s)
        while broker.for_ingest and not broker.down:
            batch = broker.for_ingest[:BATCH]
            if broker.disorders:
                batch = batch[::-1]
            if broker.strikes("ingest killed before its commit"):
                break
            answers = take_batch(self.database, self.ingest, batch, now)
            self.arrivals += len(batch)
            if broker.strikes("ingest killed after its commit"):
                break
            del broker.for_ingest[: len(batch)]
            ones = tuple(answer.one for answer in answers)
            device = self.world.device_id()
            for first in range(0, len(ones), taken.MAX_MESSAGES):
                signed = self.sign(device, ones[first : first + taken.MAX_MESSAGES])
                self.receipts.append((taken.TOPIC.format(device), signed))
        late = []
        for receipt in self.receipts:
            if broker.strikes("receipt lost"):
                continue
            if broker.strikes("receipt late, behind others"):
                late.append(receipt)
                continue
            self.world.link.deliver(*receipt)
            if broker.strikes("receipt doubled"):
                self.world.link.deliver(*receipt)
        self.receipts = late

    def _evidence_key(self) -> str:
        key = serialization.load_der_public_key(self.world.ports.keys.ensure(EVIDENCE_KEY))
        pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return pem.decode()
