"""Where the bytes of an update come from: neighbours and mirrors that the director names, then the operator's server.

Which source is asked is nobody's trust: whoever takes a piece verifies it, and says so (`blame`) when it is not what
the release signed. A source that fails is left alone for a while; one that lies is not asked again in this update, and
is reported.

Keeps to the line's limits: the rate, and the bytes of a month (`update/spent.json`). Where there are any, a request
asks for no more than one piece: of what a source was asked for, more may always be on its way than anybody has counted.
"""

from agent.core import allowance, backoff
from agent.core.allowance import ByteBudget, Pace
from agent.core.trust_errors import ArbitrarySoftware, MissingTarget
from agent.formats.delivery import Source
from agent.formats.errors import Busy, CutOff, FormatError, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from agent.app.desk import Desk
    from agent.app.trusted_time import TrustedTime
    from agent.app.work import Ticket, Work
    from agent.formats.errors import CamwardError

    Piece = tuple[bytes, Source]

DOWNLOADER = "downloader"
SPENT = "update/spent.json"
OWN = Source("", "")
"""The operator's server."""
# One piece is written while the next one comes. What a power cut takes came in vain: on a slow line a piece is small.
LEAST_PIECE_BYTES, MOST_PIECE_BYTES = 64 * 1024, 512 * 1024
QUICK_S, SLOW_S = 0.5, 2.0  # a piece that came sooner is followed by one of twice its size; by half of it, if later
MAX_LIES = 3  # passes with wrong bytes from the operator's server; bytes damaged on the way come right the next time
MAX_ABSENCES = 5  # times in a row: about a minute, in which a server that is being copied to may catch up
REST_FIRST_S = 10.0  # a source that failed is left alone for this long at first ...
REST_MAX_S = 600.0  # ... and at most for this long
SAVE_SPENT_BYTES = 1024 * 1024  # what a power cut may leave uncounted, beside a piece ...
SAVED_SHARE = 16  # ... and no more than such a part of the month, where that is less


class Standing:
    """What became of one source in this update."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.failures = 0
        self.rests_until = 0.0
        self.gone = False
        self.piece_bytes = LEAST_PIECE_BYTES  # suits the line to this one: a neighbour's says nothing of the server's
        self.lacks: "set[str]" = set()  # paths: a neighbour has the release, and no artifact that leads to it


class Asked:
    """A read under way, or one that has to wait first."""

    def __init__(self, path: str, at: int, stop: int, end: int, align: int) -> None:
        self.path = path
        self.at = at
        self.stop = stop
        self.end = end
        self.align = align
        self.method = "read"
        self.most = 0  # what was asked for ...
        self.since = 0.0  # ... and when
        self.standing: "Standing | None" = None
        self.ticket: "Ticket | None" = None


class Sources:
    """The sources of one update. `port` is the port that reads: `downloader`, or another one with its methods."""

    def __init__(
        self,
        desk: "Desk",
        time: "TrustedTime",
        listed: "tuple[Source, ...]" = (),
        port: str = DOWNLOADER,
        metered: bool = True,
    ) -> None:
        """`listed`: tried before the operator's server; `metered`: whether the line's limits count."""
        self._desk = desk
        self._time = time
        self._port = port
        self._metered = metered
        self._standings = [Standing(source) for source in listed + (OWN,)]
        self._limits = desk.config.transfer
        self._limited = metered and bool(self._limits.max_bytes_per_s or self._limits.max_bytes_per_month)
        self._most_bytes = MOST_PIECE_BYTES  # of a piece from the server; no more than its rate brings in a second
        if metered and self._limits.max_bytes_per_s:
            self._most_bytes = max(LEAST_PIECE_BYTES, self._limits.max_bytes_per_s)
        self._pace = Pace(self._limits.max_bytes_per_s if metered else allowance.UNLIMITED)
        self._pause_until = 0.0
        self._taken_at = 0.0
        self._spent = self._stored()
        self._unsaved_bytes = 0
        self._own_lied = ""
        self._own_lies = 0
        self._own_absences = 0
        self.fetched_bytes = 0
        self.liar_hook: "Callable[[Source, str], None]" = _nobody

    def near(self) -> "Sources":
        """The neighbours alone: what is known about them is known to both."""
        made = Sources(self._desk, self._time, (), self._port)
        made._standings = [one for one in self._standings if one.source.device]
        made.liar_hook = self.liar_hook
        return made

    def is_empty(self) -> bool:
        """Whether there is nobody (any more) to ask."""
        return all(one.gone for one in self._standings)

    # Limits

    def require(self, count_bytes: int) -> None:
        """Refuse at the begin what could not be ended within this month's bytes.

        Raises:
            ByteBudget: so many are not left.
        """
        left = self._left()
        if left is not None and count_bytes > left:
            raise ByteBudget(str(count_bytes) + " bytes are needed, " + str(left) + " are left in this month")

    def save(self) -> None:
        """Store what was spent; a failure costs only the count."""
        if self._unsaved_bytes:
            try:
                self._desk.ports.store.write(SPENT, allowance.encode(self._spent))
                self._unsaved_bytes = 0
            except Unavailable:
                pass  # with the next piece

    # Reading

    def begin(self, work: "Work", path: str, at: int, stop: int, end: int, align: int) -> Asked:
        """Ask for the next piece of `path`, from `at` to `stop` at most; take it with `take`.

        The pieces up to `end` will be asked for as well, one after the other: one request serves them all.
        """
        asked = Asked(path, at, stop, end, align)
        if self._desk.now >= self._pause_until:
            try:
                self._ask(work, asked, [])
            except ByteBudget:
                pass  # `take` says so: what has arrived before is used first
        return asked

    def run_ahead(self, work: "Work", before: Asked) -> "Asked | None":
        """Ask for the piece behind one that is under way, so that the line never waits for us; None where nothing is.

        It comes only if the one before comes whole, so nothing is fetched that would not have been; `take` it then.
        Not where bytes are counted: what is under way is in no count yet. Not either where somebody else is to be asked
        now: the source of the piece before has lied, or one that is preferred has rested.
        """
        at, standing = before.at + before.most, before.standing
        if self._port != DOWNLOADER or standing is None or at >= before.stop or self._limited:
            return None
        if standing is not self._next([], before.path):
            return None
        asked = Asked(before.path, at, before.stop, before.end, before.align)
        asked.method = "read_on"
        self._send(work, asked, standing)
        return asked

    def take(self, work: "Work", asked: Asked) -> "Generator[Any, Any, Piece]":
        """The piece (a multiple of `align` bytes), and where it came from. Tries one source after the other.

        Raises:
            ByteBudget: this month's bytes are used up.
            MissingTarget: no source has it, the operator's server not even after some tries.
            Unavailable: no source has it now.
        """
        tried: "list[Standing]" = []
        last: "CamwardError | None" = None
        while True:
            if asked.ticket is None:
                if self._desk.now < self._pause_until:
                    yield self._pause_until - self._desk.now
                self._ask(work, asked, tried)
            ticket, standing, ahead = asked.ticket, asked.standing, asked.method == "read_on"
            if ticket is None or standing is None:
                raise last or Busy("every source rests", self._shortest_rest_s())
            asked.ticket, asked.method = None, "read"
            if not ahead:
                tried.append(standing)
            try:
                body = yield ticket
            except Unavailable as error:
                if isinstance(error, CutOff):
                    self._count(error.received_bytes, standing.source)
                if ahead:
                    continue  # the connection broke between the two: asked for as ever
                self._failed(standing, error)
                last = error
                continue
            if body is None and ahead:
                continue
            if body:
                self.fetched_bytes += len(body)
                # Of one that came short, so much may have come behind it and been thrown away.
                cut = 0 if len(body) == asked.most else min(asked.align - 1, asked.most - len(body))
                self._count(len(body) + cut, standing.source)
                if standing.source == OWN:
                    self._own_absences = 0
                # What was asked for ahead had to wait for its turn.
                since = max(asked.since, self._taken_at) if ahead else asked.since
                self._suit(standing, len(body), self._desk.now - since)
                self._taken_at = self._desk.now
                if asked.most - len(body) < asked.align or standing.source == OWN:
                    standing.failures = 0
                else:
                    # Cut off, or too slow to be waited for: what came counts, and so does this.
                    self._failed(standing, Unavailable("the answer was cut off"))
                return body, standing.source
            last = self._absent(standing, asked.path)

    def blame(self, source: Source, what: str) -> None:
        """What came from there is not what the release signed."""
        for standing in self._standings:
            if standing.source == source and not standing.gone:
                if source == OWN:
                    self._own_lied = what
                else:
                    standing.gone = True
                    self.liar_hook(source, what)

    def end_pass(self) -> None:
        """Everything was asked for once. What the operator's server sends may be damaged, but not every time.

        Raises:
            ArbitrarySoftware: it was, in several passes.
        """
        if self._own_lied:
            self._own_lies += 1
            if self._own_lies >= MAX_LIES:
                raise ArbitrarySoftware(self._own_lied + " is not what the release signed")
            self._own_lied = ""

    # Inside

    def _ask(self, work: "Work", asked: Asked, tried: "list[Standing]") -> None:
        standing = self._next(tried, asked.path)
        if standing is None:
            return
        self._send(work, asked, standing)

    def _send(self, work: "Work", asked: Asked, standing: Standing) -> None:
        left = None if standing.source.device else self._left()
        if left is not None and left < asked.align:
            raise ByteBudget("the bytes of this month are used up")
        most, end = min(standing.piece_bytes, asked.stop - asked.at), asked.end
        if not standing.source.device:
            most = min(most, self._most_bytes)
        if left is not None:
            most = min(most, left)
        most = max(asked.align, most - most % asked.align)
        if self._limited and not standing.source.device:
            end = asked.at + most
        asked.standing, asked.most, asked.since = standing, most, self._desk.now
        arguments = (standing.source, asked.path, asked.at, end, most, asked.align)
        asked.ticket = work.ask(self._port, asked.method, arguments)

    def _suit(self, standing: Standing, count_bytes: int, took_s: float) -> None:
        """Have the next piece suit the line."""
        if took_s > SLOW_S:
            standing.piece_bytes = max(LEAST_PIECE_BYTES, standing.piece_bytes // 2)
        elif took_s < QUICK_S and count_bytes >= standing.piece_bytes:
            standing.piece_bytes = min(MOST_PIECE_BYTES, standing.piece_bytes * 2)

    def _next(self, tried: "list[Standing]", path: str) -> "Standing | None":
        for standing in self._standings:
            if standing.gone or standing in tried or path in standing.lacks:
                continue
            if standing.rests_until <= self._desk.now:
                return standing
        return None

    def _shortest_rest_s(self) -> float:
        rests = [one.rests_until for one in self._standings if not one.gone]
        return max(0.0, min(rests) - self._desk.now) if rests else 0.0

    def _absent(self, standing: Standing, path: str) -> Unavailable:
        """A neighbour may have the slot and no artifact; what the operator's server signs, it has to have.

        Raises:
            MissingTarget: the operator's server has said so too often: what is signed there will not come by waiting.
        """
        missing = "the server has not " + path
        if standing.source != OWN:
            standing.lacks.add(path)
            return Unavailable(missing)
        self._own_absences += 1
        if self._own_absences >= MAX_ABSENCES:
            raise MissingTarget(missing)
        return Unavailable(missing)

    def _failed(self, standing: Standing, error: "CamwardError") -> None:
        standing.failures += 1
        if isinstance(error, Busy):
            rest_s = error.retry_after_s
        elif standing.source == OWN:
            return  # who waits for it waits outside, with the whole update
        else:
            rest_s = backoff.delay_s(standing.failures, REST_FIRST_S, REST_MAX_S, 1.0)
        if standing.source != OWN:  # to whose rest the share is added outside
            rest_s = backoff.spread_s(rest_s, self._desk.random())
        standing.rests_until = self._desk.now + rest_s

    def _left(self) -> "int | None":
        if not self._metered:
            return None
        return self._spent.left_bytes(self._time.now_s(), self._limits.max_bytes_per_month)

    def _count(self, count_bytes: int, source: Source) -> None:
        """What has come counts, whether it is of use or not."""
        if source.device:
            return  # the limits are those of the line to the server, not of the site's own network
        self._pause_until = self._desk.now + self._pace.took(self._desk.now, count_bytes)
        if not self._metered or self._limits.max_bytes_per_month == allowance.UNLIMITED:
            return
        self._spent = self._spent.plus(self._time.now_s(), count_bytes)
        self._unsaved_bytes += count_bytes
        if self._unsaved_bytes >= min(SAVE_SPENT_BYTES, self._limits.max_bytes_per_month // SAVED_SHARE):
            self.save()

    def _stored(self) -> allowance.Spent:
        try:
            return allowance.parse(self._desk.ports.store.read(SPENT) or b"")
        except (FormatError, Unavailable):
            return allowance.NOTHING  # a damaged count is better than no updates


def _nobody(_source: Source, _what: str) -> None:
    """Whoever makes the sources puts somebody here who reports liars."""
