"""A proxy that the operator's signed command names (ADR 0043): tried, and dropped where no server is reached by it.

`config/proxy_before.json` holds what stood in `config/proxy.json`, from before the first write until the end of the
trial. A start puts that back; then the command is carried out again, and so is the trial, after MAX_RESTARTS no more.
Each step is safe to repeat.
"""

from agent.formats import base64, fields, proxy
from agent.formats.errors import FormatError, Unavailable
from agent.formats.json import MAX_INTEGER, dump, parse_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.desk import Desk
    from agent.app.reporting import Reporting

    Told = Callable[[str], None]
    Aside = tuple[str, "bytes | None", int]

PROXY, BEFORE = "config/proxy.json", "config/proxy_before.json"
FAILED = "failed"
TRY_S = 900.0  # until a session stands: a slow line and three attempts with their waits
AGAIN_S = 10.0  # storage that fails
MAX_BEFORE_BYTES = 4 * 1024
MAX_RESTARTS = 3  # in a trial: each begins TRY_S anew
_TIMER = "proxy"


class Proxying:
    """At most one trial, which the commands see to: they come one after the other."""

    def __init__(self, desk: "Desk", reporting: "Reporting") -> None:
        self._desk = desk
        self._reporting = reporting
        self._reconnect: "Callable[[], None]" = _nothing
        self._told: "Told | None" = None

    def start(self) -> None:
        """Before the first connection: nothing unproven is used until its command goes on with it, if it does."""
        try:
            aside = self._aside()
            if aside is not None:
                by, before, restarts = aside
                self._put_back(before)
                self._put_aside(by, before, restarts + 1)
        except Unavailable as error:
            self._desk.say("camward-agent: the proxy of before cannot be put back: " + str(error))
            self._desk.at(_TIMER, self._desk.now + AGAIN_S, self.start)

    def resumed(self, under_way: "list[str]") -> None:
        """The commands that go on after the restart; where a trial is of none of them, it has ended.

        Raises:
            Unavailable: the storage fails; this is to be called again.
        """
        aside = self._aside()
        if aside is not None and aside[0] not in under_way:
            self._put_back(aside[1])
            self._desk.ports.store.delete(BEFORE)

    def dropped(self, by: str) -> None:
        """Its command ends without going on with its trial: what the start has put back stays."""
        try:
            aside = self._aside()
            if aside is not None and aside[0] == by:
                self._put_back(aside[1])
                self._desk.ports.store.delete(BEFORE)
        except Unavailable as error:  # the next start does it: no command under way goes on with it
            self._desk.say("camward-agent: the end of a proxy's trial cannot be noted: " + str(error))

    def try_out(self, by: str, wanted: "proxy.Proxy | None", reconnect: "Callable[[], None]", told: "Told") -> None:
        """Use it from now on, None for no proxy; `by` tells this trial from others; `reconnect` opens the link anew.

        `told` empty when a session stands; FAILED when there was none in TRY_S, and what was before is back.

        Raises:
            Unavailable: the storage fails; nothing has changed, or this is to be called again.
        """
        store = self._desk.ports.store
        aside = self._aside()
        if aside is None:
            found = store.read(PROXY)
            self._put_aside(by, None if found is None or len(found) > proxy.MAX_SITE_BYTES else found, 0)
        elif aside[0] != by:
            self._put_aside(by, aside[1], 0)  # one that has come to no end: what stands was never proven
        elif aside[2] > MAX_RESTARTS:
            self._told, self._reconnect = told, reconnect
            self._give_up()
            return
        store.write(PROXY, proxy.encode_site(wanted))
        self._told, self._reconnect = told, reconnect
        self._desk.at(_TIMER, self._desk.now + TRY_S, self._give_up)
        self._open()

    def linked(self, up: bool) -> None:
        """The broker's session came up or went down: one that stands came by the change.

        `up` alone would not do: it may have been on its way since before the change.
        """
        if up and self._told is not None and self._desk.ports.link.stands():
            told, self._told = self._told, None
            self._end(told, "")

    def _open(self) -> None:
        self._desk.ports.link.close()  # first, whatever fails from here on: what stands afterwards came by this way
        self._reporting.linked(False, "connecting by another way", "")
        try:
            self._reconnect()
        except FormatError as error:  # the record has rotted; the trial ends all the same
            self._desk.say("camward-agent: no way to the server is known: " + str(error))

    def _give_up(self) -> None:
        try:
            aside = self._aside()
            self._put_back(None if aside is None else aside[1])
            self._open()
        except Unavailable as error:
            self._desk.say("camward-agent: the proxy of before cannot be put back: " + str(error))
            self._desk.at(_TIMER, self._desk.now + AGAIN_S, self._give_up)
            return
        told, self._told = self._told, None
        self._end(told, FAILED)

    def _end(self, told: "Told | None", code: str) -> None:
        """Told when it has been noted: otherwise the next start would put back what was before."""
        self._desk.cancel(_TIMER)
        try:
            self._desk.ports.store.delete(BEFORE)
        except Unavailable as error:
            self._desk.say("camward-agent: the end of a proxy's trial cannot be noted: " + str(error))
            self._desk.at(_TIMER, self._desk.now + AGAIN_S, lambda: self._end(told, code))
            return
        if told is not None:
            told(code)

    def _put_back(self, before: "bytes | None") -> None:
        store = self._desk.ports.store
        if before is None:
            store.delete(PROXY)
        else:
            store.write(PROXY, before)

    def _put_aside(self, by: str, before: "bytes | None", restarts: int) -> None:
        kept = None if before is None else base64.encode(before)
        self._desk.ports.store.write(BEFORE, dump({"v": 1, "by": by, "before": kept, "restarts": restarts}))

    def _aside(self) -> "Aside | None":
        """The trial that has come to no end: by which command, what was before, and how many restarts it has seen.

        Of one that has rotted nothing is known but that what stands is unproven.

        Raises:
            Unavailable: the storage fails.
        """
        body = self._desk.ports.store.read(BEFORE)
        if body is None:
            return None
        try:
            source = parse_object(body, MAX_BEFORE_BYTES)
            by = fields.text(source, "by", 64)
            # Versions before this one counted no restarts.
            restarts = fields.integer(source, "restarts", 0, MAX_INTEGER - 1) if "restarts" in source else 0
            if source.get("before") is None:
                return by, None, restarts
            return by, base64.decode(fields.text(source, "before", MAX_BEFORE_BYTES)), restarts
        except FormatError:
            return "", None, 0


def _nothing() -> None:
    """No trial has begun."""
