"""The encrypted data partition: dm-crypt with authentication over dm-integrity, its key in the TPM (docs/adr/0044).

On the disk: the plain area (agent.formats.data_area), then what dm-integrity manages. Each sector of 4096 bytes is
encrypted with an initialisation vector of its own that is drawn at random each time it is written, and authenticated
together with its place; the tag and the vector lie in dm-integrity's share. Its journal writes sector and tag together,
so that a power cut leaves both old or both new.
"""

import os
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path

from agent.adapters.linux import device_mapper
from agent.adapters.linux.store import FileStore, is_name
from agent.adapters.linux.tpm import Tpm
from agent.core.slots import Region, parse_layout
from agent.formats import config, data_area
from agent.formats.errors import FormatError, Unavailable
from agent.formats.hmac import hmac_sha256
from agent.formats.tpm import CARRIED_INDEX, PARTITION_INDEX

SECTOR_BYTES = 512  # what device-mapper counts in
KEY_BYTES = 96  # AES-256-XTS takes 64, HMAC-SHA-256 32
TAG_BYTES = 48  # HMAC-SHA-256's 32, and 16 of the initialisation vector
KEY_INFO = b"camward data partition 1\n"  # the secret serves this purpose alone
JOURNALED, DIRECT = "J", "D"  # dm-integrity's modes
LEAST_SECTORS = 8  # one block of the file system: what dm-integrity formats itself with
PIECE_BLOCKS = 256  # 1 MiB at a time
INNER, OUTER = "data-integrity", "data-crypt"  # device-mapper's names
ERASE_JOURNAL = "handover/erase.json"
KEPT = ("factory/", "trust/image/", "trust/rollback_index", "clock/", "evidence/history.json", ERASE_JOURNAL)
"""What a formatting puts in, by the beginning of its name, of a record that the TPM vouches for."""
UNANSWERED = "data-key-unanswered"  # in the run folder: the TPM had no answer when the partition was to be opened
FROM_FACTORY = ("factory/",)
UNPROVEN = (*FROM_FACTORY, ERASE_JOURNAL)
"""What it puts in of any other record. Who writes the flash writes the content: nothing of it may claim a camera, nor
say whom it trusts or what time it is; the journal has an erase finished, which leaves less (agent.app.handover)."""


def key_of(secret: bytes) -> bytes:
    """The key of both ciphers: HKDF-Expand (RFC 5869, 2.3) of a secret that is uniformly random as it is."""
    made, block = b"", b""
    for number in range(1, KEY_BYTES // 32 + 1):
        block = hmac_sha256(secret, block + KEY_INFO + bytes([number]))
        made += block
    return made


def integrity_arguments(source: Path, mode: str) -> str:
    """Of dm-integrity over what lies behind the plain area (the kernel's device-mapper/dm-integrity.rst)."""
    return f"{source} {data_area.AREA_BYTES // SECTOR_BYTES} {TAG_BYTES} {mode} 1 block_size:{data_area.FS_BLOCK_BYTES}"


def crypt_arguments(inner: Path, key: bytes) -> str:
    """Of dm-crypt with authentication (the kernel's device-mapper/dm-crypt.rst)."""
    options = f"2 integrity:{TAG_BYTES}:aead sector_size:{data_area.FS_BLOCK_BYTES}"
    return f"capi:authenc(hmac(sha256),xts(aes))-random {key.hex()} 0 {inner} 0 {options}"


def carried_record(documents: dict[str, bytes]) -> bytes:
    """These documents as a record that finds room in the plain area; without the longest, while they do not."""
    chosen = dict(documents)
    while len(record := data_area.encode_documents(chosen)) > data_area.CARRIED_BYTES:
        del chosen[max(chosen, key=lambda name: len(chosen[name]))]
    return record


class PlainArea:
    """The records in front of the partition. Each is durable when its writing returns."""

    def __init__(self, disk: Path, data: Region) -> None:
        """Nothing is read yet.

        Args:
            disk: the whole disk.
            data: the data partition on it, plain area included.
        """
        self._disk = disk
        self._start = data.offset

    def state(self) -> str:
        """`data_area.NEW` or `data_area.READY`.

        Raises:
            Unavailable: neither copy can be read.
        """
        state = self._state()
        if not state:
            raise Unavailable("both copies of the data area's state are damaged")
        return state

    def is_ordered(self) -> bool:
        """Whether the next start formats.

        Raises:
            Unavailable: the disk fails.
        """
        return self._state() == data_area.NEW

    def is_ordered_with(self, digest: bytes | None) -> bool:
        """Whether the next start formats, and puts in the documents of the carried record with this SHA-256.

        Raises:
            Unavailable: the disk fails.
        """
        return self.is_ordered() and sha256(self._record(data_area.CARRIED, data_area.CARRIED_BYTES)).digest() == digest

    def set_state(self, state: str) -> None:
        """The first copy, then the second: a power cut leaves the old state or the new one. Writes what differs.

        Raises:
            Unavailable: the disk fails.
        """
        record = data_area.encode_state(state)
        for at in data_area.STATES:
            if self._read(at, len(record)) != record:
                self._write(at, record)

    def order(self, record: bytes) -> None:
        """Have the next start format, and put in the documents of this `carried_record`.

        Raises:
            Unavailable: the disk fails.
        """
        # An order that stands is not written again: a power cut in the middle would leave it without its documents.
        if self._read(data_area.CARRIED, len(record)) != record:
            self._write(data_area.CARRIED, record)
        self.set_state(data_area.NEW)

    def documents(self, digest: bytes | None) -> dict[str, bytes]:
        """What a formatting puts in: the factory's documents, and over them the carried ones, if they can be read.

        Args:
            digest: SHA-256 of the carried record that this camera has written itself; None if it has written none.

        Raises:
            Unavailable: the disk fails.
        """
        found = self._documents(data_area.FACTORY, data_area.BLOCK_BYTES, None, FROM_FACTORY)
        return found | self._documents(data_area.CARRIED, data_area.CARRIED_BYTES, digest, UNPROVEN)

    def _documents(self, at: int, room: int, digest: bytes | None, unproven: tuple[str, ...]) -> dict[str, bytes]:
        """Of one record; those that begin with `unproven`, if it is not the one of this digest."""
        record = self._record(at, room)
        try:
            found = data_area.parse_documents(record)
        except FormatError:
            return {}  # the label is then missing, and the agent says so; or there is nothing to carry
        allowed = KEPT if sha256(record).digest() == digest else unproven
        return {name: body for name, body in found.items() if is_name(name) and name.startswith(allowed)}

    def _record(self, at: int, room: int) -> bytes:
        """Unproven; empty if there is none."""
        try:
            return self._read(at, data_area.record_bytes(self._read(at, data_area.HEAD_BYTES), room))
        except FormatError:
            return b""

    def forget_carried(self) -> None:
        """Overwrite what was carried, if anything.

        Raises:
            Unavailable: the disk fails.
        """
        if any(self._read(data_area.CARRIED, data_area.HEAD_BYTES)):
            # Its end first: a power cut in between leaves a beginning, and the next start goes on.
            for at in range(data_area.AREA_BYTES, data_area.CARRIED, -data_area.BLOCK_BYTES):
                self._write(at - data_area.BLOCK_BYTES, bytes(data_area.BLOCK_BYTES))

    def _state(self) -> str:
        """Empty if neither copy can be read."""
        copies = [self._read(at, data_area.FS_BLOCK_BYTES) for at in data_area.STATES]
        try:
            return data_area.parse_state(copies[0], copies[1])
        except FormatError:
            return ""

    def _read(self, at: int, count: int) -> bytes:
        try:
            with self._disk.open("rb", buffering=0) as file:
                file.seek(self._start + at)
                return file.read(count)
        except OSError as error:
            raise Unavailable(f"{self._disk}: {error.strerror}") from error

    def _write(self, at: int, body: bytes) -> None:
        try:
            with self._disk.open("r+b", buffering=0) as file:
                file.seek(self._start + at)
                file.write(body)
                os.fsync(file.fileno())
        except OSError as error:
            raise Unavailable(f"{self._disk}: {error.strerror}") from error


def order_formatting(config_file: Path) -> bool:
    """Have the next start format a partition that does not open; False where this camera's is not encrypted.

    Nothing is kept but what the factory gave: what else an erase keeps cannot be read. The next start finishes an
    erase, which takes the former owner's secret out of the TPM.

    Raises:
        FormatError: the configuration is none.
        Unavailable: it cannot be read, or the disk fails.
    """
    try:
        layout = parse_layout(config.parse(config_file.read_bytes()).layout)
    except OSError as error:
        raise Unavailable(f"{config_file}: {error.strerror}") from error
    if layout.encrypted:
        area = PlainArea(Path(layout.device), layout.data)
        # An order that stands has more to put in: of the erase that has given it, or of the factory.
        if not area.is_ordered():
            area.order(carried_record({ERASE_JOURNAL: b"{}"}))
    return layout.encrypted


class NoAnswer(Unavailable):
    """The TPM did not say whether it has the key: the partition may be sound."""


def opens_after_a_restart(run: Path, tpm: Tpm) -> bool:
    """Whether the partition counts as damaged only because the TPM had no answer at this start, and now it has the key.

    Args:
        run: the run folder.
        tpm: to be asked.
    """
    if not (run / UNANSWERED).exists():
        return False
    try:
        return tpm.secret(PARTITION_INDEX) is not None
    except Unavailable:
        return False


class DataPartition:
    """Opens it at each start of the camera, and formats it where that is ordered."""

    def __init__(self, area: PlainArea, tpm: Tpm, source: Path, template: bytes, say: Callable[[str], None]) -> None:
        """Nothing is touched yet.

        Args:
            area: its plain area.
            tpm: holds its secret.
            source: the block device of the whole data partition, plain area included.
            template: the empty file system (`data_area.encode_template`).
            say: gets a line for the log.

        Raises:
            FormatError: the template is damaged.
        """
        self._say = say
        self._area = area
        self._tpm = tpm
        self._source = source
        self._blocks, self._content = data_area.parse_template(template)
        self._sectors = self._blocks * data_area.FS_BLOCK_BYTES // SECTOR_BYTES

    def is_new(self) -> bool:
        """Whether `open` is going to format, which takes its time.

        Raises:
            Unavailable: the disk fails.
        """
        return self._area.state() == data_area.NEW

    def open(self) -> tuple[Path, bool]:
        """The block device to mount, and whether it has just been formatted and waits for `fill`.

        A partition that is said to be ready is never formatted, whatever is wrong with it.

        Raises:
            NoAnswer: the TPM does not tell the secret, and the partition is ready.
            Unavailable: TPM or disk fail, or the TPM has no secret for a partition that is ready.
        """
        fresh = self.is_new()
        if fresh:
            # Each formatting has a secret of its own: what lies there from before, whole or half, opens no more.
            self._tpm.remove_secret(PARTITION_INDEX)
            secret: bytes | None = self._tpm.make_secret(PARTITION_INDEX)
        else:
            # What a power cut has left half done. A second copy that says `new` would format when the first one decays.
            self._area.set_state(data_area.READY)
            try:
                secret = self._tpm.secret(PARTITION_INDEX)
            except Unavailable as error:
                raise NoAnswer(error.detail) from error
        if secret is None:
            raise Unavailable("the TPM has no key of the data partition: another TPM's, or this TPM has been cleared")
        try:
            if fresh:
                self._format(key_of(secret))
            device = self._map(key_of(secret), JOURNALED)
        except OSError as error:
            raise Unavailable(f"the data partition cannot be opened: {error.strerror}") from error
        if not fresh:
            self._forget()
        return device, fresh

    def fill(self, store: FileStore) -> dict[str, bytes]:
        """Put the documents into the new file system, mounted under `store`; only then the partition is ready.

        Returns:
            The documents.

        Raises:
            Unavailable: a disk or the TPM fails before that; the next start formats again.
        """
        documents = self._area.documents(self._tpm.secret(CARRIED_INDEX))
        for name, body in documents.items():
            store.write(name, body)
        os.sync()
        self._area.set_state(data_area.READY)
        self._forget()
        return documents

    def _forget(self) -> None:
        """Everything is in: what was carried comes in no second time, from an older copy of the flash either.

        A sound partition is not to be given up for what fails here: the next start tries it again.
        """
        for forget in (self._area.forget_carried, partial(self._tpm.remove_secret, CARRIED_INDEX)):
            try:
                forget()
            except Unavailable as error:
                self._say(f"what was carried is still there: {error.detail}")

    def _map(self, key: bytes, mode: str) -> Path:
        inner = device_mapper.create(INNER, "integrity", self._sectors, integrity_arguments(self._source, mode))
        try:
            return device_mapper.create(OUTER, "crypt", self._sectors, crypt_arguments(inner, key))
        except OSError:
            device_mapper.remove(INNER)
            raise

    def _format(self, key: bytes) -> None:
        """Write every sector once: one that was never written has no valid tag, and cannot be read.

        Raises:
            OSError: the kernel refuses, or the disk fails.
        """
        with self._source.open("r+b", buffering=0) as disk:
            disk.seek(data_area.AREA_BYTES)
            disk.write(bytes(data_area.FS_BLOCK_BYTES))
            os.fsync(disk.fileno())
        # Over zeros, dm-integrity makes its own superblock and journal.
        device_mapper.create(INNER, "integrity", LEAST_SECTORS, integrity_arguments(self._source, DIRECT))
        device_mapper.remove(INNER)
        outer = self._map(key, DIRECT)
        zeros = bytes(data_area.FS_BLOCK_BYTES)
        with outer.open("r+b", buffering=0) as disk:
            for start in range(0, self._blocks, PIECE_BLOCKS):
                numbers = range(start, min(start + PIECE_BLOCKS, self._blocks))
                piece = b"".join([self._content.get(number, zeros) for number in numbers])
                if disk.write(piece) != len(piece):
                    raise OSError(28, "the file system's template does not fit")
            os.fsync(disk.fileno())
        device_mapper.remove(OUTER)
        device_mapper.remove(INNER)
