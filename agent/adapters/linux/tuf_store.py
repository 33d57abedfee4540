"""The folders of `camward-agent tuf`: trusted metadata, and downloaded targets.

Role names and target paths are any text, so file names are their percent-encoding: nothing of a name is ever a folder
or the name of another file.
"""

from hashlib import sha256
from pathlib import Path

from agent.adapters.linux.files import flush_folder, replace_file
from agent.formats import percent
from agent.formats.errors import FormatError, Unavailable

MAX_NAME_CHARS = 200  # Linux takes 255 bytes; longer names end with their hash
MAX_FILES = 4096  # more than the client visits in years
MAX_METADATA_BYTES = 1024 * 1024  # more than any file that the client has stored
_END = ".json"
_UNFINISHED = "%new"  # no percent-encoding ends so


class MetadataFolder:
    """`agent.app.tuf_client.MetadataStore`: each role's file byte for byte as it came, as `ROLE.json`."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is made when something is stored."""
        self._folder = folder

    def stored(self) -> dict[str, bytes | None]:
        """See `MetadataStore.stored`. Files that are too large to be ours are left out.

        Raises:
            Unavailable: the storage fails, or the folder holds too many files.
        """
        found: dict[str, bytes | None] = {}
        try:
            files = sorted(self._folder.glob("*" + _END)) if self._folder.is_dir() else []
            if len(files) > MAX_FILES:
                raise Unavailable(f"{self._folder}: more than {MAX_FILES} files")
            for file in files:
                role = _role(file)
                if role is not None and file.is_file() and file.stat().st_size <= MAX_METADATA_BYTES:
                    found[role] = file.read_bytes()
        except OSError as error:
            raise _unavailable(self._folder, error) from error
        return found

    def write(self, role: str, body: bytes) -> None:
        """See `MetadataStore.write`.

        Raises:
            Unavailable: the storage fails.
        """
        _write(self._folder, role, _END, body)

    def delete(self, role: str) -> None:
        """See `MetadataStore.delete`.

        Raises:
            Unavailable: the storage fails.
        """
        file = _file(self._folder, role, _END)
        try:
            file.unlink(missing_ok=True)
            flush_folder(self._folder)
        except OSError as error:
            raise _unavailable(file, error) from error


class TargetFolder:
    """`agent.app.tuf_client.TargetStore`: each target in one file named after its whole path."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is made when something is stored."""
        self._folder = folder

    def read(self, path: str, length_bytes: int) -> bytes | None:
        """See `TargetStore.read`.

        Raises:
            Unavailable: the storage fails.
        """
        file = _file(self._folder, path, "")
        try:
            return file.read_bytes() if file.is_file() and file.stat().st_size == length_bytes else None
        except OSError as error:
            raise _unavailable(file, error) from error

    def write(self, path: str, body: bytes) -> None:
        """See `TargetStore.write`.

        Raises:
            Unavailable: the storage fails.
        """
        _write(self._folder, path, "", body)


def _role(file: Path) -> str | None:
    """The role that the file is of; None for a file that is not ours, or whose name was too long to keep."""
    try:
        return percent.decode(file.name.removesuffix(_END))
    except FormatError:
        return None


def _file(folder: Path, name: str, end: str) -> Path:
    text = percent.encode(name)
    if text + end in {"", ".", ".."}:
        text = text.replace(".", "%2E") or "%"
    elif len(text) > MAX_NAME_CHARS:
        # "%%" is in no percent-encoding: such a name is never that of another text.
        text = text[: MAX_NAME_CHARS // 2] + "%%" + sha256(name.encode()).hexdigest()
    return folder / (text + end)


def _write(folder: Path, name: str, end: str, body: bytes) -> None:
    file = _file(folder, name, end)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(file, file.with_name(file.name + _UNFINISHED), body, 0o644)
    except OSError as error:
        raise _unavailable(file, error) from error


def _unavailable(path: Path, error: OSError) -> Unavailable:
    return Unavailable(f"{path}: {error.strerror or error}")
