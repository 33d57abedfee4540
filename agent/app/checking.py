"""One look into the repositories: drives agent.core.trust.Check through the Fetcher, and stores what was accepted."""

from agent.core.trust import Check, DamagedRoot, Device
from agent.formats import tuf
from agent.formats.errors import FormatError, Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.desk import Desk
    from agent.app.trusted_time import TrustedTime
    from agent.formats.errors import CamwardError
    from agent.formats.release import Release
    from agent.ports.storage import Store

    Outcome = Callable[[Release | None, CamwardError | None], None]

ROLES = ("root", "timestamp", "snapshot", "targets")
MAX_ROOT_BYTES = 64 * 1024


class Checking:
    """At most one check at a time; a new one abandons the old."""

    def __init__(self, desk: "Desk", time: "TrustedTime", image_root: bytes) -> None:
        """`image_root`: the manufacturer's root.json from the verified root file system."""
        self._desk = desk
        self._time = time
        self._image_root = image_root
        self._round = 0

    def start(self, director_root: bytes, then: "Outcome") -> None:
        """Begin. `then` gets the release to install, or None, or the error that ended the check."""
        self._round += 1
        desk = self._desk
        device = Device(
            id=desk.device_id,
            model=desk.config.model,
            hardware=desk.label.hardware,
            version=desk.config.version,
            rollback_index=max(desk.ports.rollback.read(), 0),
        )
        stored = {"image": self._stored("image", self._image_root), "director": self._stored("director", director_root)}
        try:
            check = Check(device, stored, self._time.now_s(), desk.ports.verify_signature)
        except DamagedRoot as error:
            self._forget_root("director")
            then(None, error)
            return
        self._next(check, self._round, then)

    def _next(self, check: Check, number: int, then: "Outcome") -> None:
        """Ask for the next file, or finish."""
        request = check.wants()
        if request is None:
            self._time.vouched(check.issued_at)
            then(check.outcome, None)
            return
        repository = "image/" if request.repository == "image" else "director/" + self._desk.device_id + "/"

        def arrived(body: "bytes | None", error: "CamwardError | None") -> None:
            if number == self._round:
                self._take(check, number, then, body, error)

        self._desk.call("fetcher", "get", ("/tuf/" + repository + request.path, request.max_bytes), arrived)

    def _take(
        self, check: Check, number: int, then: "Outcome", body: "bytes | None", error: "CamwardError | None"
    ) -> None:
        """Feed one file; what was accepted is stored before anything else happens, even when the check has failed."""
        if error is None:
            try:
                if body is None:
                    check.absent()
                else:
                    check.feed(body)
            except DamagedRoot as caught:
                self._forget_root("image")  # the director's was read at the start
                error = caught
            except (Rejected, Unavailable) as caught:
                error = caught
        try:
            self._keep(check)
        except Unavailable as caught:
            error = error or caught
        if error is not None:
            then(None, error)
        else:
            self._next(check, number, then)

    def _forget_root(self, repository: str) -> None:
        """The stored root is damaged: the next check begins with the first one, or updates would end here."""
        try:
            self._desk.ports.store.delete("trust/" + repository + "/root.json")
        except Unavailable:
            pass  # the next check finds it again

    def _keep(self, check: Check) -> None:
        for name, body in check.accepted():
            document = "trust/" + name + ".json"
            if body:
                self._desk.ports.store.write(document, body)
            else:
                self._desk.ports.store.delete(document)

    def _stored(self, repository: str, first_root: bytes) -> "dict[str, bytes | None]":
        store = self._desk.ports.store
        found = {role: store.read("trust/" + repository + "/" + role + ".json") for role in ROLES}
        # A new system may bring a newer root than the stored one; a damaged stored root gives way to the first one.
        if _version(found["root"]) < _version(first_root):
            found["root"] = first_root
        return found


def forget_director(store: "Store") -> None:
    """Another owner: what the former one's director signed counts no more.

    Raises:
        Unavailable: the storage fails.
    """
    for role in ROLES:
        name = "trust/director/" + role + ".json"
        if store.read(name) is not None:
            store.delete(name)


def _version(root: "bytes | None") -> int:
    if not root:
        return 0
    try:
        return tuf.parse_root(root, MAX_ROOT_BYTES).metadata.version
    except FormatError:
        return 0
