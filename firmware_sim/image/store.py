"""Where builds live on this machine, and how files come to be there: whole or not at all.

Everything is under `build/`, which git ignores. Results are named by what they are made from (a content key), written
to a temporary place beside their final one and renamed, and verified by hash before they are used again.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_sim.image.errors import ImageError
from firmware_sim.image.run import storage_error

REPOSITORY = Path(__file__).resolve().parents[2]

READ_BYTES = 1 << 20  # per read: keeps memory flat, large enough that the call overhead vanishes

MANIFEST = "stage.json"

KEEP_STAGES = 8  # results of one name kept, the latest used: enough for a bisection, and bounds what `build/` grows to


@dataclass(frozen=True)
class Store:
    """The folders of one build tree.

    Attributes:
        root: usually `build/` of the checkout; `CAMWARD_BUILD_DIR` moves it.
    """

    root: Path

    @property
    def cache(self) -> Path:
        """Content-addressed downloads and stages."""
        return self.root / "cache"

    @property
    def keys(self) -> Path:
        """Boot keys of this checkout; never committed."""
        return self.root / "keys"

    @property
    def images(self) -> Path:
        """Finished images."""
        return self.root / "images"

    @property
    def lock(self) -> Path:
        """Locks made for this machine only, when the mirror no longer has the committed versions."""
        return self.root / "lock"


def default_store() -> Store:
    """The checkout's `build/`, or the folder that `CAMWARD_BUILD_DIR` names."""
    chosen = os.environ.get("CAMWARD_BUILD_DIR")
    return Store(Path(chosen).resolve() if chosen else REPOSITORY / "build")


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def key_of(*parts: object) -> str:
    """A content key: SHA-256 over the JSON of the parts (paths are no JSON, so keys do not depend on the machine)."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def tree_digest(*paths: Path, base: Path = REPOSITORY) -> dict[str, str]:
    """Relative name to SHA-256 of every file under the paths; byte code and caches are left out."""
    found: dict[str, str] = {}
    for top in paths:
        files = [top] if top.is_file() else sorted(top.rglob("*"))
        for path in files:
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
                found[path.relative_to(base).as_posix()] = sha256_file(path)
    return found


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock, so that two builds do not make the same thing at once; waits for the other.

    Raises:
        ImageError: the lock file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("w")
    except OSError as error:
        raise storage_error(error, f"locking {path.name}") from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def scratch(store: Store) -> Iterator[Path]:
    """A temporary folder on the same file system as the results, removed at the end.

    Raises:
        ImageError: the folder cannot be made, or the disk filled up while it was in use.
    """
    place: Path | None = None
    try:
        store.cache.mkdir(parents=True, exist_ok=True)
        _remove_orphans(store.cache)
        place = Path(tempfile.mkdtemp(prefix=f"tmp-{os.getpid()}-", dir=store.cache))
        yield place
    except OSError as error:
        raise storage_error(error, "building") from error
    finally:
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)


def _remove_orphans(cache: Path) -> None:
    """Remove temporary folders whose process was killed."""
    for path in cache.glob("tmp-*"):
        owner = path.name.split("-")[1]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(path, ignore_errors=True)


def write_atomic(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a whole file or nothing.

    Raises:
        ImageError: it could not be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).chmod(mode)
            Path(name).rename(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise storage_error(error, f"writing {path.name}") from error


def stage(store: Store, place: Path, make: Callable[[Path], None], note: Callable[[str], None]) -> Path:
    """A folder of files made once: reused when every file in it still has its recorded hash, otherwise made again.

    Args:
        store: where temporary folders may live.
        place: final folder; its name carries the content key.
        make: fills a new, empty folder with files.
        note: told when a damaged result is thrown away.

    Returns:
        `place`.

    Raises:
        ImageError: `make` raised it, or the disk is full.
    """
    if _use(place):
        return place
    with locked(store.cache / f"{_stem(place)}.lock"):
        if _use(place):
            return place
        if place.exists():
            note(f"{place.name} is damaged; making it again")
        with scratch(store) as work:
            new = work / "new"
            new.mkdir()
            make(new)
            files = {p.relative_to(new).as_posix(): sha256_file(p) for p in sorted(new.rglob("*")) if p.is_file()}
            (new / MANIFEST).write_text(json.dumps({"files": files}, indent=1, sort_keys=True))
            shutil.rmtree(place, ignore_errors=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            new.rename(place)
        _forget_oldest(place)
    return place


def _stem(place: Path) -> str:
    """Name of a stage without its content key."""
    return place.name.rpartition("-")[0] or place.name


def _use(place: Path) -> bool:
    """Whether the stage is there and whole; notes that it was used."""
    if not intact(place):
        return False
    with contextlib.suppress(OSError):
        os.utime(place / MANIFEST)
    return True


def _forget_oldest(place: Path) -> None:
    """Remove the stages of the same name that were not used for longest."""
    same = [
        path
        for path in place.parent.glob(f"{_stem(place)}-*")
        if _stem(path) == _stem(place) and (path / MANIFEST).is_file()
    ]
    for path in sorted(same, key=lambda path: (path / MANIFEST).stat().st_mtime, reverse=True)[KEEP_STAGES:]:
        shutil.rmtree(path, ignore_errors=True)


def intact(place: Path) -> bool:
    """Whether a stage folder is complete and every file has its recorded hash."""
    try:
        recorded = json.loads((place / MANIFEST).read_text())["files"]
        return all(sha256_file(place / name) == digest for name, digest in recorded.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def read_json(path: Path, what: str) -> Mapping[str, Any]:
    """Read one of our own JSON files.

    Raises:
        ImageError: missing or malformed.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise storage_error(error, f"reading {what}") from error
    except ValueError as error:
        raise ImageError(f"{what} is malformed: {path}: {error}") from error
    if not isinstance(value, dict):
        raise ImageError(f"{what} is malformed: {path}: not an object")
    return value
