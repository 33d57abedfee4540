"""A real agent on a disk file, a real server, and between them a line that a test may spoil; it counts what comes.

The camera goes from release to release in one life, each test with the next one, so that claiming and enrolling are
paid for once. A release differs from the one before in as many blocks as the test wants.
"""

import random
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agent.formats.block_tree import BLOCK_BYTES, HASH_BYTES
from tests.contract.network import ledger
from tests.contract.ports.board import CODE, SLOT_BYTES, Board, wait_for
from tests.contract.server import harness

PASSWORD = "violet harbour seventeen lanterns"
SLOT_BLOCKS = SLOT_BYTES // BLOCK_BYTES
"""512: the slot is exactly full."""
UPDATE_S = 240.0
CONNECTION_BYTES = 8 * 1024
"""A TLS handshake with both certificates, towards the camera, is 2 to 3 KiB."""
REQUEST_BYTES = 512
"""The head of an answer, and what TLS adds to it."""
TLS_SHARE = 500
"""Of so many bytes of content TLS makes one more: 22 to a record of at most 16 KiB."""
METADATA_BYTES = 64 * 1024
"""Two repositories' metadata (the image repository's targets grow with each release), and some minutes of looks."""
CUT_BYTES = 16 * 1024 + BLOCK_BYTES
"""What a cut costs: a TLS record that had not come whole, and a block of which a part had."""


@dataclass
class Site:
    """One camera and its server.

    Attributes:
        carried: `carried()`: bytes so far from the server's device port towards the camera.
        recordings: `recordings()`: what was carried so far on each connection (ledger.py).
        keys: of those connections.
    """

    server: harness.Server
    board: Board
    folder: Path
    carried: object
    recordings: object
    keys: Path
    version: str = "1.0.0"
    number: int = 0
    contents: dict = field(default_factory=dict)

    def release(self, changed, spread=True):
        """Publish the next release: so many blocks, spread evenly or all in a row, are not as in the running one."""
        self.number += 1
        version = f"1.{self.number}.0"
        blocks = list(self.contents[self.version])
        for number in range(changed):
            at = number * SLOT_BLOCKS // changed if spread else number
            blocks[at] = block(version, at)
        self.contents[version] = blocks
        self.board.known[version] = b"".join(blocks)
        self.publish(version)
        return version

    def publish(self, version):
        """Add a release whose content is known; of the first one the server has not heard before."""
        content = b"".join(self.contents[version])
        slot, tree, manifest = harness.write_build(self.folder / version, version, content=content)
        self.server.run("release", "add", slot, "--tree", tree, "--manifest", manifest)

    def order(self, version):
        """The director assigns the release; the camera looks within five seconds."""
        services = self.server.services
        with services.database.write() as session:
            row = harness.releases.find(session, version, "kawa-1")
            device = harness.devices.find(session, self.board.status()["device"])
            services.assign(session, device, row, int(time.time()))
        self.board.admin("check")

    def completed(self, version, since_bytes):
        """Wait until the release runs and is committed.

        Returns:
            How many bytes came until it was ready to restart.
        """
        assert self.board.process.wait(UPDATE_S) == 77, self.board.process.stderr.read()
        fetched = self.carried() - since_bytes
        self.board.wait_for_restart()
        assert self.board.boots[-1][1] == version
        self.board.says("camward-agent: healthy")
        assert self.board.slot(self.board.booted) == b"".join(self.contents[version])
        wait_for(lambda: self.board.status()["update"]["phase"] == "idle", "the commit")
        self.version = version
        return fetched

    def got(self, version):
        """What the camera has got so far of the files of a release: answers, in pieces (ledger.py)."""
        found = ledger.answers(self.recordings(), self.keys)
        return [answer for answer in found if f"-{version}." in answer[0].path]

    def percent(self):
        """How much of the slot is in place; None while nothing is installed."""
        return self.board.status()["update"].get("progress_percent")


def block(version, number):
    """The content of one block of a version; it cannot be packed, so that a delta has about its blocks' length."""
    return random.Random(f"{version}/{number}").randbytes(BLOCK_BYTES)


def most_bytes(changed, connections=4, cuts=0):
    """What an update may bring towards the camera if no block comes twice."""
    runs = 1 if changed >= SLOT_BLOCKS else changed  # each is a request of its own
    content = changed * BLOCK_BYTES + SLOT_BLOCKS * HASH_BYTES
    overhead = METADATA_BYTES + (20 + runs) * REQUEST_BYTES + connections * CONNECTION_BYTES + cuts * CUT_BYTES
    return content + content // TLS_SHARE + overhead


@contextmanager
def camera_at(server, folder, front, carried, recordings, **transfer):
    """A claimed and enrolled camera on 1.0.0, with `front` between it and the server; `transfer`: its line's limits."""
    image_root = (server.folder / "tuf/image/1.root.json").read_bytes()
    blocks = [block("1.0.0", number) for number in range(SLOT_BLOCKS)]
    board = Board(folder / "board", image_root, transfer=transfer)
    board.leave_factory(b"".join(blocks))
    front.state = board.state
    try:
        board.power_on()
        board.start_camera()
        grant = board.ask("web", "claim", code=CODE, user="admin", password=PASSWORD)["grant"]
        services = server.services
        with services.database.write() as session:
            current = services.ownership.current
            token = services.enrolment.make_token(session, current, board.serial, 600, int(time.time())).text
        reply = board.ask("web", "enrol", grant=grant, token=token)
        assert reply["ok"], reply
        wait_for(lambda: board.status()["link"] == "up", "the session with the broker")
        yield Site(server, board, folder, carried, recordings, front.keys, contents={"1.0.0": blocks})
    finally:
        board.stop()
