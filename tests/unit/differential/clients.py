"""The two clients, each with its own disk, over the same mirror at the same frozen time: ours and python-tuf's."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError
from tuf.ngclient import Updater, UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface

from agent.core import trust_repository
from agent.core.trust_delegations import find_target
from agent.core.trust_repository import Repository, check_length
from agent.formats.errors import Rejected, Unavailable
from tests.unit.differential.keys import Reader, canonical

BASE = "http://mirror/"
CONFIG = UpdaterConfig(
    max_root_rotations=trust_repository.MAX_ROOT_ROTATIONS,
    root_max_length=trust_repository.MAX_ROOT_BYTES,
    timestamp_max_length=trust_repository.MAX_TIMESTAMP_BYTES,
    snapshot_max_length=trust_repository.MAX_SNAPSHOT_BYTES,
    targets_max_length=trust_repository.MAX_TARGETS_BYTES,
)
"""python-tuf with our limits where it lets one set them."""


class Look(NamedTuple):
    """What one client did in one refresh or one lookup.

    `refusal` is empty where it was accepted; `requests` every path asked for; `trusted` what the disk trusts then, as
    (version, canonical signed part) by role; `found` the target's (length, sha256, custom), or None.
    """

    refusal: str
    detail: str
    requests: tuple[str, ...]
    trusted: dict[str, tuple[Any, bytes]]
    found: Any = None


@lru_cache(maxsize=10_000)
def trusted(body: bytes) -> tuple[Any, bytes]:
    """Version and signed part of a stored file."""
    signed = json.loads(body)["signed"]
    return signed["version"], canonical(signed)


class Ours:
    """The agent's own client."""

    def __init__(self, reader: Reader, root: bytes) -> None:
        self.reader = reader
        self.disk: dict[str, bytes] = {"root": root}
        self._served: Mapping[str, bytes] = {}
        self._now = 0
        self._requests: list[str] = []

    def lose(self, role: str) -> None:
        self.disk.pop(role, None)

    def refresh(self, served: Mapping[str, bytes], now: int) -> Look:
        """A new session on what the disk holds."""
        self._served, self._now = served, now
        return self._look(self._refresh)

    def find(self, path: str) -> Look:
        """A lookup in the session of the last refresh, which was accepted."""
        return self._look(lambda: self._find(path))

    def _look(self, do: Callable[[], Any]) -> Look:
        self._requests = []
        refusal = detail = ""
        found = None
        try:
            found = do()
        except (Rejected, Unavailable) as error:
            refusal, detail = error.code if isinstance(error, Rejected) else "unavailable", str(error)
        disk = {role: trusted(body) for role, body in self.disk.items()}
        return Look(refusal, detail, tuple(self._requests), disk, found)

    def _refresh(self) -> None:
        reader, now = self.reader, self._now
        repository = Repository("image", dict(self.disk), reader.verify_signature, self._keep, reader.read_key)
        self._drive(repository.refresh_root(now))
        timestamp, body = self._drive(repository.refresh_timestamp(now))
        repository.keep_timestamp(timestamp, body)
        snapshot = self._drive(repository.refresh_snapshot(timestamp, now))
        targets = self._drive(repository.refresh_targets(snapshot, now))
        self._session = repository, targets, snapshot

    def _find(self, path: str) -> Any:
        repository, targets, snapshot = self._session
        target = self._drive(find_target(repository, path, targets, snapshot, self._now))
        return None if target is None else (target.length_bytes, target.sha256, target.custom)

    def _keep(self, role: str, body: bytes) -> None:
        if body:
            self.disk[role] = body
        else:
            self.lose(role)

    def _drive(self, conversation: Any) -> Any:
        answer = None
        try:
            while True:
                request = conversation.send(answer)
                self._requests.append(request.path)
                answer = self._served.get(request.path)
                if answer is not None:
                    answer = answer[: request.max_bytes + 1]  # what every fetcher of ours hands on at most
                    check_length(request, answer)
        except StopIteration as end:
            return end.value


class Mirror(FetcherInterface):
    """Answers python-tuf from memory and writes down what it asked for."""

    def __init__(self, served: Mapping[str, bytes]) -> None:
        self.served = served
        self.requests: list[str] = []

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = url.removeprefix(BASE)
        self.requests.append(path)
        if path not in self.served:
            raise DownloadHTTPError("not found", 404)
        return iter([self.served[path]])


class Theirs:
    """python-tuf's client, on a folder of its own."""

    def __init__(self, folder: Path, root: bytes) -> None:
        self.folder = folder
        Updater(str(folder), BASE, fetcher=Mirror({}), config=CONFIG, bootstrap=root)

    def lose(self, role: str) -> None:
        (self.folder / f"{quote(role, '')}.json").unlink(missing_ok=True)

    def refresh(self, served: Mapping[str, bytes], now: int) -> Look:
        """A new session on what the disk holds."""
        self._mirror = Mirror(served)
        self._updater = Updater(str(self.folder), BASE, fetcher=self._mirror, config=CONFIG, bootstrap=None)
        self._updater._trusted_set.reference_time = datetime.fromtimestamp(now, UTC)  # the only clock it has
        return self._look(self._updater.refresh)

    def find(self, path: str) -> Look:
        """A lookup in the session of the last refresh, which was accepted."""
        return self._look(lambda: self._find(path))

    def _look(self, do: Callable[[], Any]) -> Look:
        self._mirror.requests = []
        refusal = detail = ""
        found = None
        try:
            found = do()
        except (RepositoryError, DownloadError) as error:
            refusal, detail = type(error).__name__, str(error)
        if self._mirror.requests:
            self._trusted = self._read()  # nothing else changes its disk
        return Look(refusal, detail, tuple(self._mirror.requests), self._trusted, found)

    def _find(self, path: str) -> Any:
        info = self._updater.get_targetinfo(path)
        return None if info is None else (info.length, info.hashes.get("sha256"), info.custom or {})

    def _read(self) -> dict[str, tuple[Any, bytes]]:
        files = {unquote(path.name.removesuffix(".json")): path for path in self.folder.glob("*.json")}
        return {role: trusted(path.read_bytes()) for role, path in files.items()}
