"""The manufacturer's public image repository: files in a folder that any web server can host.

Cameras without an operator look there by themselves. What is written is what is published, in an order in which a
camera that looks in the middle of it sees the old repository or the new one.
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tuf.api.metadata import TargetFile

from update_server.errors import NotFound
from update_server.files import PUBLIC, sync_folder, write_atomic
from update_server.repository.blobs import CHUNK_BYTES, Blobs
from update_server.repository.image import ImageRepository

Progress = Callable[[int, int], None]  # bytes done, bytes in all
METADATA, TARGETS = "tuf/image", "targets"


@dataclass(frozen=True)
class Exported:
    """What was written: how many targets the repository has, how many of them were copied now, and how many bytes."""

    targets: int
    copied: int
    copied_bytes: int
    timestamp_version: int


def export(image: ImageRepository, blobs: Blobs, folder: Path, progress: Progress) -> Exported:
    """Write or bring up to date the public repository in `folder`.

    Raises:
        NotFound: a target's file is not on this server. Nothing but targets was written.
        OSError: something cannot be written; what cameras see is whole all the same.
    """
    with image.lock():
        state, roots, listed = image.current(), image.roots.chain(), image.targets()
    (folder / METADATA).mkdir(parents=True, exist_ok=True)
    (folder / TARGETS).mkdir(exist_ok=True)
    missing = {name: file for name, file in listed.items() if not _is_there(folder, name, file)}
    total, done = sum(file.length for file in missing.values()), 0
    for name, file in sorted(missing.items()):
        sha256 = file.hashes["sha256"]
        blob = f"{sha256}.{name}"
        try:
            source = blobs.path(blob)
        except NotFound:
            raise NotFound(
                f"The file {name} is not on this server.", f"Restore the '{blobs.folder.name}' folder from your backup."
            ) from None
        for piece in _copy(source, folder / TARGETS / blob, sha256):
            done += piece
            progress(done, total)
    for name, body in _metadata(roots, state.files()):
        write_atomic(folder / METADATA / name, body)
    return Exported(len(listed), len(missing), total, state.timestamp_version)


def _metadata(roots: list[bytes], files: dict[str, bytes]) -> list[tuple[str, bytes]]:
    """Name and bytes in the order in which they must be written: roots before what needs them, the timestamp last."""
    return [(f"{version}.root.json", body) for version, body in enumerate(roots, 1)] + list(files.items())


def _is_there(folder: Path, name: str, file: TargetFile) -> bool:
    path = folder / TARGETS / f"{file.hashes['sha256']}.{name}"
    return path.is_file() and path.stat().st_size == file.length


def _copy(source: Path, target: Path, sha256: str) -> Iterator[int]:
    """Copy durably, and say after each piece how long it was.

    Raises:
        NotFound: the file is not what its name says.
    """
    scratch = target.with_name(f".{secrets.token_hex(8)}")
    found = hashlib.sha256()
    try:
        with source.open("rb") as reading, scratch.open("xb") as writing:
            while piece := reading.read(CHUNK_BYTES):
                writing.write(piece)
                found.update(piece)
                yield len(piece)
            writing.flush()
            os.fsync(writing.fileno())
        if found.hexdigest() != sha256:
            raise NotFound(f"{source} is damaged.", f"Restore the '{source.parent.name}' folder from your backup.")
        scratch.chmod(PUBLIC)
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)
    sync_folder(target.parent)
