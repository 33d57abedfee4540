"""Releases that a camera without an operator finds by itself, and announces on its page.

Once a day it looks into the manufacturer's public image repository, where the configuration names one, verifies it in
full, and announces the newest release for this camera. An administrator orders the installation. Nobody else does, but
for critical releases where the manufacturer's configuration says so. With an operator, none of this applies.
"""

from agent.app.ordering import BUNDLE, RELEASES, NothingNew, NotNow
from agent.formats.errors import Rejected, Unavailable
from agent.formats.json import dump
from agent.formats.releases import CRITICAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.app.accounts import Accounts
    from agent.app.desk import Desk
    from agent.app.ordering import Ordering
    from agent.app.trusted_time import TrustedTime
    from agent.formats.errors import CamwardError
    from agent.formats.release import Release

OFFER = "offer.json"
FIRST_LOOK_PART = 100  # of the interval, at most, until the first look: a site's cameras come up together
_TIMER = "offer"


class Offering:
    """At most one announcement at a time; it lasts until the next look or the next boot."""

    def __init__(
        self, desk: "Desk", time: "TrustedTime", accounts: "Accounts", ordering: "Ordering", folder: str
    ) -> None:
        """`folder`: where the scratch store's documents are for the camera's page."""
        self._desk = desk
        self._time = time
        self._accounts = accounts
        self._ordering = ordering
        self._path = folder + "/" + OFFER
        self._offer: "Release | None" = None
        self._problem = ""

    def start(self) -> None:
        """Look for releases from now on, if this camera is one that does."""
        config = self._desk.config.releases
        if config is not None:
            self._later(config.interval_s * self._desk.random() / FIRST_LOOK_PART)

    def enrolled(self) -> None:
        """There is an operator now, who decides."""
        self._announce(None, "")

    def status(self) -> "dict[str, object]":
        """What people are told of it."""
        found: "dict[str, object]" = {"problem": self._problem}
        if self._offer is not None:
            found["version"] = self._offer.version
            found["severity"] = self._offer.severity
        return found

    def path(self) -> str:
        """Where the whole announcement is, for the camera's page; empty when there is none."""
        return self._path if self._offer is not None else ""

    def looks(self) -> bool:
        """Whether this camera looks for releases by itself: claimed, without an operator, and told where."""
        configured = self._desk.config.releases is not None
        return configured and self._accounts.state == "claimed" and self._ordering.alone()

    def look_now(self) -> None:
        """Look in the next step."""
        self._later(0.0)

    def install(self, version: str) -> "CamwardError | None":
        """An administrator orders what is announced (`version`, if given, is what they saw); what speaks against it.

        It is verified once more, from the repository as it is now.
        """
        offer = self._offer
        if offer is None or version not in ("", offer.version) or not self.looks():
            return NothingNew("no such release is announced")
        if self._ordering.under_way == BUNDLE:
            return NotNow("a bundle is being installed")
        found: "list[CamwardError]" = []

        def told(_version: str, error: "CamwardError | None") -> None:
            if error is not None:
                found.append(error)  # what is found out later, the status tells
                self._problem = str(error)

        target = offer.target
        self._ordering.order(RELEASES, "", (), lambda: self._ordering.owner_check(self._time.known(), target), told)
        return found[0] if found else None

    def _later(self, delay_s: float) -> None:
        self._desk.at(_TIMER, self._desk.now + delay_s, self._look)

    def _look(self) -> None:
        config = self._desk.config.releases
        if config is None:
            return
        self._later(config.interval_s * (0.9 + 0.2 * self._desk.random()))
        if not self.looks() or not self._ordering.resting():
            return
        try:
            self._ordering.open_releases()
            check = self._ordering.owner_check(self._time.known())
            self._ordering.look(RELEASES, check, self._looked)
        except (Rejected, Unavailable) as error:
            self._looked(None, error)

    def _looked(self, release: "Release | None", error: "CamwardError | None") -> None:
        if not self.looks():
            return
        if isinstance(error, Unavailable):
            self._problem = str(error)  # what was announced stays announced
        elif error is not None:
            self._announce(None, str(error))
        elif release is not None and self._ordering.failed_before(release.version):
            self._announce(None, release.version + " failed on this camera before")
        else:
            self._announce(release, "")
            if release is not None and self._by_itself(release) and self._ordering.resting():
                self.install(release.version)

    def _by_itself(self, release: "Release") -> bool:
        config = self._desk.config.releases
        return config is not None and config.automatic == CRITICAL and release.severity == CRITICAL

    def _announce(self, release: "Release | None", problem: str) -> None:
        scratch = self._desk.ports.scratch
        self._offer, self._problem = release, problem
        try:
            if release is None:
                scratch.delete(OFFER)
            else:
                scratch.write(OFFER, announcement(release))
        except Unavailable as error:
            self._offer, self._problem = None, str(error)


def announcement(release: "Release") -> bytes:
    """What the camera's page shows of a release."""
    about: "dict[str, Any]" = {
        "v": 1,
        "version": release.version,
        "severity": release.severity,
        "support_ends": release.support_ends,
        "length_bytes": release.length_bytes,
        "notes": {"en": release.notes_en, "ja": release.notes_ja},
    }
    return dump(about)
