"""A proxy that the operator's signed command names (ADR 0043): tried, and dropped where no server is reached by it.

`config/proxy_before.json` holds what stood in `config/proxy.json`, from before the first write until the end of the
trial. The command is carried out again after a restart, and so is the trial; each step is safe to repeat.
"""

from agent.formats import base64, fields, proxy
from agent.formats.errors import FormatError, Unavailable
from agent.formats.json import dump, parse_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.desk import Desk
    from agent.app.reporting import Reporting

    Told = Callable[[str], None]

PROXY, BEFORE = "config/proxy.json", "config/proxy_before.json"
FAILED = "failed"
TRY_S = 900.0  # until a session stands: a slow line and three attempts with their waits
AGAIN_S = 10.0  # storage that fails
MAX_BEFORE_BYTES = 4 * 1024
_TIMER = "proxy"


class Proxying:
    """At most one trial, which the commands see to: they come one after the other."""

    def __init__(self, desk: "Desk", reporting: "Reporting") -> None:
        self._desk = desk
        self._reporting = reporting
        self._reconnect: "Callable[[], None]" = _nothing
        self._told: "Told | None" = None

    def try_out(self, by: str, wanted: "proxy.Proxy | None", reconnect: "Callable[[], None]", told: "Told") -> None:
        """Use it from now on, None for no proxy; `by` tells this trial from others; `reconnect` opens the link anew.

        `told` empty when a session stands; FAILED when there was none in TRY_S, and what was before is back.

        Raises:
            Unavailable: the storage fails; nothing has changed, or this is to be called again.
        """
        store = self._desk.ports.store
        if self._before(by) is None:
            found = store.read(PROXY)
            kept = None if found is None or len(found) > proxy.MAX_SITE_BYTES else base64.encode(found)
            store.write(BEFORE, dump({"v": 1, "by": by, "before": kept}))
        store.write(PROXY, proxy.encode_site(wanted))
        self._told, self._reconnect = told, reconnect
        self._desk.at(_TIMER, self._desk.now + TRY_S, lambda: self._give_up(by))
        self._open()

    def linked(self, up: bool) -> None:
        """The broker's session came up or went down: one that stands came by the change.

        `up` alone would not do: it may have been on its way since before the change.
        """
        if up and self._told is not None and self._desk.ports.link.stands():
            self._end("")

    def _open(self) -> None:
        self._desk.ports.link.close()  # first, whatever fails from here on: what stands afterwards came by this way
        self._reporting.linked(False, "connecting by another way", "")
        self._reconnect()

    def _give_up(self, by: str) -> None:
        store, before = self._desk.ports.store, None
        try:
            before = self._before(by)
            if before is None or before["before"] is None:
                store.delete(PROXY)
            else:
                store.write(PROXY, base64.decode(before["before"]))
        except Unavailable as error:
            self._desk.say("camward-agent: the proxy of before cannot be put back: " + str(error))
            self._desk.at(_TIMER, self._desk.now + AGAIN_S, lambda: self._give_up(by))
            return
        self._end(FAILED)
        self._open()

    def _end(self, code: str) -> None:
        told, self._told = self._told, None
        self._desk.cancel(_TIMER)
        try:
            self._desk.ports.store.delete(BEFORE)
        except Unavailable as error:
            self._desk.say("camward-agent: the end of a proxy's trial cannot be noted: " + str(error))
        if told is not None:
            told(code)

    def _before(self, by: str) -> "dict[str, str | None] | None":
        """What this trial has put aside; None where it has not yet, or another one has left it.

        Raises:
            Unavailable: the storage fails.
        """
        body = self._desk.ports.store.read(BEFORE)
        try:
            source = {} if body is None else parse_object(body, MAX_BEFORE_BYTES)
            if fields.text(source, "by", 64) != by:
                return None
            before = source.get("before")
            if before is not None:
                base64.decode(fields.text(source, "before", MAX_BEFORE_BYTES))
            return {"before": before}
        except FormatError:
            return None


def _nothing() -> None:
    """No trial has begun."""
