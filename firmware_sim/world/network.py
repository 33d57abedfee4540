"""The operator's side as the camera meets it: a server of files. Faults are plain values."""

from agent.core.clock import ClockDoubt
from agent.formats.block_tree import leaves_of
from agent.formats.errors import CutOff, FormatError, Unavailable
from agent.formats.value import Value
from firmware_sim.world import certificates

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.formats.delivery import Source
    from agent.formats.running import Running
    from agent.ports.storage import BlockDevice
    from firmware_sim.world.machine import WorldClock

STALL_S = 60  # what a fetch that stalls costs, the adapter's own deadline
DROP = "drop"  # the connection ends after `at_bytes` bytes of this body (a ranged read gets what came before)
RESET = "reset"  # the connection ends and nothing of this answer is usable
FLIP = "flip"  # the bit at byte `at_bytes` is wrong
ENDLESS = "endless"  # the body never ends
STALL = "stall"  # nothing comes until the deadline
ABSENT = "absent"  # 404
SHIFTED = "shifted"  # the range that is served begins `at_bytes` bytes too early
KINDS = (DROP, RESET, FLIP, ENDLESS, STALL, ABSENT, SHIFTED)
ALWAYS = 1 << 30
RECEIPTS = "/device/v1/time/"
DAY_S = 86400


class Fault(Value):
    """One thing that goes wrong on the way: for paths that contain `path`, the next `times` times.

    `at_bytes` counts from the begin of the file, not of the range.
    """

    FIELDS = ("kind", "path", "at_bytes", "times")
    kind: str
    path: str
    at_bytes: int
    times: int


class Exchange(Value):
    """One answered request: the range that was asked for (length 0: all) and how many bytes went over the wire."""

    FIELDS = ("path", "offset_bytes", "length_bytes", "served_bytes")
    path: str
    offset_bytes: int
    length_bytes: int
    served_bytes: int


class Server:
    """What the operator's server holds and has seen; survives every power cut of the camera.

    Attributes:
        files: bodies by path.
        down: nobody answers.
        exchanges: every request that was answered, in order.
        received: what was PUT, by path, in order.
        secrets: valid enrolment secrets by token id; the key each was used for is kept in `enrolled`.
        others: servers of other operators that the camera can reach, by URL.
        receipts: (nonce, true time) -> a time receipt, or None on a server that gives none.
        certificate_s: how long the certificates that it gives cameras live; longer than any story, as a rule.
        grace_s: for how long after its end it still renews one.
        denied: ids of cameras that it does not renew.
        rekeys, rekeyed: whether it certifies another key of a camera, and the public halves of those.
        issued, services_issued: when it has given certificates (their serial numbers), and those of cameras' services.
        certificate: from how long before the true time to how long after it the server's certificate is valid; a
            server whose own clock is right renews it in time. The broker has the same one.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, bytes] = {}
        self.down = False
        self.exchanges: list[Exchange] = []
        self.received: dict[str, list[bytes]] = {}
        self.secrets: dict[str, str] = {}
        self.enrolled: dict[str, bytes] = {}
        self.others: dict[str, Server] = {}
        self.receipts: Callable[[str, int], bytes] | None = None
        self.certificate = (365 * DAY_S, 300 * DAY_S)
        self.certificate_s = 20 * 365 * DAY_S
        self.grace_s = 365 * DAY_S
        self.denied: set[str] = set()
        self.rekeys = True
        self.rekeyed: list[bytes] = []
        self.issued: list[int] = []
        self.services_issued: list[int] = []
        self._faults: list[tuple[Fault, list[int]]] = []

    def fail(self, fault: Fault) -> None:
        """Let this go wrong from now on, as often as it says.

        Raises:
            ValueError: there is no such kind.
        """
        if fault.kind not in KINDS:
            raise ValueError(fault.kind)
        self._faults.append((fault, [fault.times]))

    def heal(self) -> None:
        """No fault is left, and the server is up."""
        self._faults = []
        self.down = False

    def fetched(self, path: str) -> "list[tuple[int, int]]":
        """The ranges (offset, bytes served) that were answered for paths that contain `path`, in order."""
        return [(one.offset_bytes, one.served_bytes) for one in self.exchanges if path in one.path]

    def answer(self, path: str, max_bytes: int, offset: int, length: int, clock: "WorldClock") -> "bytes | None":
        """Serve one request.

        Raises:
            Unavailable: as the faults say.
        """
        if self.down:
            raise Unavailable("connection refused")
        fault = self._due(path, offset, length)
        kind = fault.kind if fault else ""
        if fault and kind == STALL:
            clock.advance(STALL_S)
            raise Unavailable("timed out")
        body = self.files.get(path)
        if self.receipts is not None and path.startswith(RECEIPTS):
            body = self.receipts(path[len(RECEIPTS) :], int(clock.now_s))
        if body is None or kind == ABSENT:
            self.exchanges.append(Exchange(path, offset, length, 0))
            return None
        if fault and kind == SHIFTED:
            offset = max(0, offset - fault.at_bytes)
        wanted = body[offset : offset + length] if length else body
        if fault and kind == ENDLESS:
            wanted += b" " * (max_bytes + 1 - len(wanted))
        if fault and kind == FLIP:
            at = fault.at_bytes - offset
            wanted = wanted[:at] + bytes([wanted[at] ^ 1]) + wanted[at + 1 :]
        if fault and kind in (DROP, RESET):
            wanted = wanted[: max(0, fault.at_bytes - offset)]
        wanted = wanted[: max_bytes + 1]
        self.exchanges.append(Exchange(path, offset, length, len(wanted)))
        if kind == RESET or (kind == DROP and (not length or not wanted)):
            raise Unavailable("the connection was dropped")
        return wanted

    def valid(self, clock: "WorldClock", begun_by: int, valid_at: int) -> bool:
        """Whether the certificate has begun by the one time, and has not ended at the other."""
        true_s = int(clock.now_s)
        return true_s - self.certificate[0] <= begun_by and valid_at <= true_s + self.certificate[1]

    def certify(self, device_id: str, now_s: int) -> bytes:
        """A certificate for this camera, in PEM."""
        self.issued.append(now_s)
        begin_at = max(0, now_s - certificates.HOUR_S)
        return certificates.make(device_id, self.issued[-1], begin_at, now_s + self.certificate_s)

    def _due(self, path: str, offset: int, length: int) -> "Fault | None":
        for fault, left in self._faults:
            if not left[0] or fault.path not in path:
                continue
            if fault.kind in (DROP, RESET, FLIP) and length and not offset <= fault.at_bytes < offset + length:
                continue
            left[0] -= 1
            return fault
        return None


class WorldFetcher:
    """Implements the port Fetcher on a `Server`; one per boot.

    `built_at`: judge the server's certificate by this alone (`Ports.clockless`), not by the camera's clock.
    """

    def __init__(self, server: Server, clock: "WorldClock", built_at: "int | None" = None) -> None:
        self._server = self._first = server
        self._clock = clock
        self._built_at = built_at
        self._open = False

    def open(self, server_url: str, ca_pem: str) -> None:
        """Use this server.

        Raises:
            FormatError: no HTTPS URL, or no certificate.
        """
        if not server_url.startswith("https://") or "BEGIN CERTIFICATE" not in ca_pem:
            raise FormatError("no server URL or no CA")
        self._server = self._first.others.get(server_url, self._first)
        self._open = server_url == self._server.url

    def get(self, path: str, max_bytes: int, offset_bytes: int = 0, length_bytes: int = 0) -> "bytes | None":
        """The body, or the range of it, or None where there is none.

        Raises:
            Unavailable: not opened, down, dropped or stalled; ClockDoubt where the server's certificate does not fit.
        """
        self._check()
        return self._server.answer(path, max_bytes, offset_bytes, length_bytes, self._clock)

    def put(self, path: str, body: bytes) -> None:
        """Send a document.

        Raises:
            Unavailable: not opened, or down.
        """
        self._check()
        if self._server.down:
            raise Unavailable("connection refused")
        self._server.received.setdefault(path, []).append(body)

    def _check(self) -> None:
        if not self._open:
            raise Unavailable("no server was opened")
        begun_by = valid_at = max(self._clock.wall_s(), self._clock.floor_s)
        if self._built_at is not None:
            begun_by, valid_at = ALWAYS << 30, self._built_at
        if not self._server.down and not self._server.valid(self._clock, begun_by, valid_at):
            raise ClockDoubt("the certificate is not valid yet, or no more")


class WorldDownloader:
    """Implements the port Downloader on the operator's `Server` and on `others` of its mirrors and neighbours.

    Attributes:
        mirrors: servers by URL, or by device id for a neighbour.
    """

    def __init__(self, fetcher: WorldFetcher, mirrors: "dict[str, Server]", clock: "WorldClock") -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._next: tuple[Source, str, int] | None = None  # where an answer would go on
        self.mirrors = mirrors

    def open(self, server_url: str, ca_pem: str) -> None:
        """Use this server.

        Raises:
            FormatError: as `WorldFetcher.open`.
        """
        self._fetcher.open(server_url, ca_pem)

    def read(
        self, source: "Source", path: str, offset_bytes: int, end_bytes: int, max_bytes: int, align_bytes: int
    ) -> "bytes | None":
        """The next bytes; every read is an exchange of its own here.

        Raises:
            Unavailable: as `WorldFetcher.get`, or there is no such source.
        """
        length, self._next = min(max_bytes, end_bytes - offset_bytes), None
        if source.url:
            server = self.mirrors.get(source.device or source.url)
            if server is None:
                raise Unavailable("no such mirror")
            body = server.answer(path, length, offset_bytes, length, self._clock)
        else:
            body = self._fetcher.get(path, length, offset_bytes, length)
        if body is None:
            return None
        kept = body[: min(len(body), length)]
        kept = kept[: len(kept) - len(kept) % align_bytes]
        if not kept:
            raise CutOff("the answer was cut off", min(len(body), length))
        if len(kept) == length:
            self._next = source, path, offset_bytes + length
        return kept

    def read_on(
        self, source: "Source", path: str, offset_bytes: int, end_bytes: int, max_bytes: int, align_bytes: int
    ) -> "bytes | None":
        """As `read`, where the last one ended with all that was asked for.

        Raises:
            Unavailable: it did not end there.
        """
        if self._next != (source, path, offset_bytes):
            raise Unavailable("the answer does not go on there")
        return self.read(source, path, offset_bytes, end_bytes, max_bytes, align_bytes)

    def close(self) -> None:
        """Nothing is kept."""


class WorldNeighbourServer(Server):
    """Implements the port NeighbourServer; itself the `Server` that other worlds put among their `mirrors`.

    It serves what it finds on the disk, and only blocks that are as the tree says.
    """

    def __init__(self, device: "BlockDevice") -> None:
        super().__init__("")
        self._device = device
        self.port = 0

    def offer(self, running: "Running", offset_bytes: int, leaves: bytes) -> None:
        """Serve this release."""
        self.files = {running.tree_path(): leaves}
        image = self._device.read(offset_bytes, running.length_bytes)
        if leaves_of(image) == leaves:
            self.files[running.image_path()] = image

    def open(self, port: int, ca_pem: str, device_id: str) -> None:
        """Listen.

        Raises:
            FormatError: no certificate.
        """
        if "BEGIN CERTIFICATE" not in ca_pem:
            raise FormatError("no CA")
        self.port = port

    def offers(self) -> bool:
        """Whether there is something to fetch."""
        return bool(self.files) and bool(self.port)

    def close(self) -> None:
        """Stop listening."""
        self.port = 0

    def answer(self, path: str, max_bytes: int, offset: int, length: int, clock: "WorldClock") -> "bytes | None":
        """Serve one request of a neighbour.

        Raises:
            Unavailable: it does not listen, or as the faults say.
        """
        if not self.port:
            raise Unavailable("connection refused")
        return super().answer(path, max_bytes, offset, length, clock)


class WorldPublic(WorldFetcher):
    """The manufacturer's public repository: files as from any server, and pieces of them."""

    def read(
        self, source: "Source", path: str, offset_bytes: int, end_bytes: int, max_bytes: int, align_bytes: int
    ) -> "bytes | None":
        """The next bytes.

        Raises:
            Unavailable: as `WorldFetcher.get`.
        """
        reading = WorldDownloader(self, {}, self._clock)
        return reading.read(source, path, offset_bytes, end_bytes, max_bytes, align_bytes)
