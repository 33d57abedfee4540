"""Offline bundles (agent.formats.bundle) that people bring to a camera: on a stick, or through its page.

A bundle is verified exactly as a server would be. With an operator, it must hold the director's order for this very
camera, and both repositories must agree. Without one, whoever brings it orders: an administrator, or root at the
console. No clock is asked (docs/adr/0015).
"""

from agent.app.ordering import BUNDLE, NotNow
from agent.core import slots
from agent.core.trust import WrongDevice
from agent.formats import bundle
from agent.formats.errors import Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.desk import Desk
    from agent.app.ordering import Ordering, Told
    from agent.app.trusted_time import TrustedTime
    from agent.core.trust_conversation import Verification
    from agent.formats.bundle import Bundle
    from agent.formats.errors import CamwardError

MAX_BESIDE_BYTES = 16 * 1024 * 1024  # in a bundle, beside slot image and artifact: block tree, metadata
UPLOAD_LASTS_S = 3600.0  # an upload that nobody ends makes room again
_TIMER = "upload"


class NoOrder(Rejected):
    """This camera has an operator, and the bundle holds no order of theirs."""

    code = "no_order"


class NoUse(Rejected):
    """An upload that can be no bundle for this camera."""

    code = "bundle_length"


class Bringing:
    """At most one bundle at a time."""

    def __init__(self, desk: "Desk", time: "TrustedTime", ordering: "Ordering") -> None:
        self._desk = desk
        self._time = time
        self._ordering = ordering
        self._opening = False

    def upload(self, length_bytes: int, told: "Told") -> None:
        """Make room for an upload; `told` gets the path to write to, or the error."""
        most = 2 * slots.parse_layout(self._desk.config.layout).slot_a.length + MAX_BESIDE_BYTES
        if not bundle.HEAD_BYTES <= length_bytes <= most:
            told("", NoUse("a bundle for this camera has at most " + str(most) + " bytes"))
        elif self._busy():
            told("", NotNow("a bundle is being installed"))
        else:
            self._desk.at(_TIMER, self._desk.now + UPLOAD_LASTS_S, self._give_up)
            self._desk.call("uploads", "begin", (length_bytes,), lambda path, error: told(path or "", error))

    def install(self, path: str, told: "Told") -> None:
        """Verify and install a bundle, an empty path meaning the upload; `told` as in `Ordering.order`."""
        if self._busy():
            told("", NotNow("a bundle is being installed"))
            return
        self._opening = True
        self._desk.cancel(_TIMER)

        def finished(found: "str | None", error: "CamwardError | None") -> None:
            if found is None:
                self._failed(error, told)
                return
            at = found
            arguments = (at, self._desk.device_id)
            self._desk.call(BUNDLE, "open", arguments, lambda one, bad: self._opened(at, one, bad, told))

        if path:
            finished(path, None)
        else:
            self._desk.call("uploads", "finish", (), finished)

    def _busy(self) -> bool:
        return self._opening or self._ordering.under_way == BUNDLE

    def _opened(self, path: str, found: "Bundle | None", error: "CamwardError | None", told: "Told") -> None:
        if found is None:
            self._failed(error, told)
            return
        try:
            make = self._check_for(found)
        except Rejected as caught:
            self._failed(caught, told)
            return

        def begun(version: str, problem: "CamwardError | None") -> None:
            if self._ordering.under_way != BUNDLE:
                self._ordering.let_go()
            told(version, problem)

        self._opening = False
        self._ordering.order(BUNDLE, path, found.files, make, begun)

    def _failed(self, error: "CamwardError | None", told: "Told") -> None:
        self._opening = False
        self._ordering.let_go()
        told("", error or Unavailable("there is no bundle"))

    def _check_for(self, found: "Bundle") -> "Callable[[], Verification]":
        """Who has to agree.

        Raises:
            NoOrder: there is an operator, and nothing of theirs in the bundle.
            WrongDevice: there is, for other cameras.
            NotNow: there may be an operator soon.
        """
        time = self._time.proven()
        if self._ordering.director_root is None:
            if not self._ordering.alone():
                raise NotNow("an enrolment is under way, or the ownership record cannot be read")
            return lambda: self._ordering.owner_check(time, found.release)
        if not found.devices:
            raise NoOrder("this camera has an operator, and the bundle holds no order of theirs")
        own = bundle.DIRECTOR + self._desk.device_id + "/"
        if not any(path.startswith(own) for path in found.files):
            raise WrongDevice("the bundle holds orders for other cameras only")
        return lambda: self._ordering.full_check(time)

    def _give_up(self) -> None:
        if not self._busy():
            self._desk.call("uploads", "discard", (), lambda _value, _error: None)
