"""The two clients, each with its own disk, over the same mirror at the same frozen time: ours and python-tuf's."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError
from tuf.ngclient import Updater, UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface

from agent.core import trust_repository
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
REFUSED = "refused"


class Look(NamedTuple):
    """What one client did in one refresh with lookups.

    `refusal` is empty where the refresh was accepted; `trusted` what its disk then trusted, as (version, canonical
    signed part) by role; `requests` every path asked for; `found` for each target path its (length, sha256, custom),
    None or REFUSED.
    """

    refusal: str
    detail: str
    trusted: dict[str, tuple[Any, bytes]]
    requests: list[str]
    found: dict[str, Any]


def trusted(body: bytes) -> tuple[Any, bytes]:
    """Version and signed part of a stored file."""
    signed = json.loads(body)["signed"]
    return signed["version"], canonical(signed)


class Ours:
    """The agent's own client."""

    def __init__(self, reader: Reader, root: bytes) -> None:
        self.reader = reader
        self.disk: dict[str, bytes] = {"root": root}

    def lose(self, role: str) -> None:
        self.disk.pop(role, None)

    def look(self, served: Mapping[str, bytes], now: int, paths: list[str]) -> Look:
        requests: list[str] = []
        found: dict[str, Any] = {}
        refusal = detail = ""

        def keep(role: str, body: bytes) -> None:
            if body:
                self.disk[role] = body
            else:
                self.lose(role)

        def drive(conversation: Any) -> Any:
            answer = None
            try:
                request = conversation.send(None)
                while True:
                    requests.append(request.path)
                    answer = served.get(request.path)
                    if answer is not None:
                        answer = answer[: request.max_bytes + 1]  # what every fetcher of ours hands on at most
                        check_length(request, answer)
                    request = conversation.send(answer)
            except StopIteration as end:
                return end.value

        try:
            reader = self.reader
            repository = Repository("image", dict(self.disk), reader.verify_signature, keep, reader.read_key)
            drive(repository.refresh_root(now))
            timestamp, body = drive(repository.refresh_timestamp(now))
            repository.keep_timestamp(timestamp, body)
            snapshot = drive(repository.refresh_snapshot(timestamp, now))
            drive(repository.refresh_targets(snapshot, now))
        except (Rejected, Unavailable) as error:
            refusal, detail = error.code if isinstance(error, Rejected) else "unavailable", str(error)
        return Look(refusal, detail, {role: trusted(body) for role, body in self.disk.items()}, requests, found)


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

    def look(self, served: Mapping[str, bytes], now: int, paths: list[str]) -> Look:
        mirror = Mirror(served)
        found: dict[str, Any] = {}
        refusal = detail = ""
        updater = Updater(str(self.folder), BASE, fetcher=mirror, config=CONFIG, bootstrap=None)
        updater._trusted_set.reference_time = datetime.fromtimestamp(now, UTC)  # the only clock it has
        try:
            updater.refresh()
            for path in paths:
                found[path] = self._find(updater, path)
        except (RepositoryError, DownloadError) as error:
            refusal, detail = type(error).__name__, str(error)
        return Look(refusal, detail, self.trusted(), mirror.requests, found)

    def _find(self, updater: Updater, path: str) -> Any:
        try:
            info = updater.get_targetinfo(path)
        except (RepositoryError, DownloadError):
            return REFUSED
        return None if info is None else (info.length, info.hashes.get("sha256"), info.custom or {})

    def trusted(self) -> dict[str, tuple[Any, bytes]]:
        files = {unquote(path.name.removesuffix(".json")): path for path in self.folder.glob("*.json")}
        return {role: trusted(path.read_bytes()) for role, path in files.items()}
