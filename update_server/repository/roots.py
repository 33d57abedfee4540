"""The chain of roots of one repository: files `1.root.json`, `2.root.json` and so on in a folder, never changed."""

from pathlib import Path

from tuf.api.metadata import Root

from update_server.errors import Misconfigured, NotFound
from update_server.files import Write, write_atomic
from update_server.repository import metadata


class Roots:
    """The roots in `folder`; `name` is "image" or "director". Sees at once what another process publishes."""

    def __init__(self, folder: Path, name: str, write: Write = write_atomic) -> None:
        self._folder = folder
        self._write = write
        self.name = name
        self._newest: Root | None = None

    def body(self, version: int) -> bytes:
        """Root metadata of `version`.

        Raises:
            NotFound: there is no such version (which is how a client learns that it has the newest).
        """
        try:
            return self._path(version).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"There is no {self.name} root {version}.") from None

    def version(self) -> int:
        """The newest version; 0 while there is none."""
        version = self._newest.version if self._newest else 0
        while self._path(version + 1).is_file():
            version += 1
        return version

    def newest(self) -> Root:
        """The newest root.

        Raises:
            Misconfigured: there is none yet, or it is damaged.
        """
        version = self.version()
        if version == 0:
            raise Misconfigured(
                f"The {self.name} repository has no root yet.",
                "Finish the key ceremony (docs/keys.md), or restore the 'tuf' folder from your backup.",
            )
        if self._newest is None or self._newest.version != version:
            self._newest = metadata.parse(self.body(version), Root)
        return self._newest

    def chain(self) -> list[bytes]:
        """All roots, the first one first."""
        return [self.body(version) for version in range(1, self.version() + 1)]

    def publish(self, version: int, body: bytes) -> None:
        """Write a root durably. The caller has verified it with the device's own verifier.

        Raises:
            OSError: it cannot be written.
        """
        self._write(self._path(version), body)

    def _path(self, version: int) -> Path:
        return self._folder / f"{version}.root.json"
