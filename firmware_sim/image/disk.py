"""The factory disk: boot record, slot A, slot B empty or with its recovery system, and an empty data partition."""

from pathlib import Path

from agent.formats import data_area
from agent.formats.boot_record import FRESH, BootRecord, encode
from firmware_sim.image.model import Layout
from firmware_sim.image.run import SOURCE_DATE_EPOCH, run_tool

COPY_BYTES = 1 << 16  # granularity of holes in our files

# Fixed, so that equal inputs give equal disks. Device-mapper and mount use neither.
DATA_UUID = "ca3a4a2d-0000-4000-8000-000000000001"
DATA_HASH_SEED = "ca3a4a2d-0000-4000-8000-000000000002"


def factory_record(security_epoch: int) -> BootRecord:
    """The record of a new camera: slot A, nothing on trial, the factory image's epoch as the lowest that may boot."""
    return FRESH.replace(generation=1, rollback_index=security_epoch)


def make_data(path: Path, layout: Layout, content: Path | None = None) -> None:
    """Make the ext4 of the data partition as a file.

    Without checksums of its metadata: the superblock's one lies in another sector than what it covers, and is checked
    before the journal is replayed. A power cut between the two would leave a partition that never mounts again. What is
    lost is that a bit that rots in the metadata may go unnoticed; the agent's own documents are checked when read.

    Args:
        path: the file to make.
        layout: whose file system's size counts.
        content: folder to copy in, or None for an empty file system.

    Raises:
        ImageError: mke2fs is missing or failed.
    """
    options = f"lazy_itable_init=0,lazy_journal_init=0,hash_seed={DATA_HASH_SEED},root_owner=0:0"
    copy: list[str | Path] = [] if content is None else ["-d", content]
    run_tool(
        ["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", "-L", "data", "-U", DATA_UUID, "-E", options,
         "-O", "^metadata_csum,^metadata_csum_seed,^orphan_file", "-e", "remount-ro", *copy, path,
         str(layout.file_system_bytes // 4096)],
        env={"E2FSPROGS_FAKE_TIME": str(SOURCE_DATE_EPOCH)},
    )  # fmt: skip


def make_template(layout: Layout, work: Path) -> bytes:
    """The empty file system that a camera with an encrypted data partition writes there by itself.

    Raises:
        ImageError: mke2fs is missing or failed.
    """
    made = work / "template.ext4"
    make_data(made, layout)
    blocks: dict[int, bytes] = {}
    with made.open("rb") as file:
        for number in range(layout.file_system_bytes // data_area.FS_BLOCK_BYTES):
            block = file.read(data_area.FS_BLOCK_BYTES)
            if any(block):
                blocks[number] = block
    made.unlink()
    return data_area.encode_template(layout.file_system_bytes // data_area.FS_BLOCK_BYTES, blocks)


def put_records(disk: Path, layout: Layout, records: dict[int, bytes]) -> None:
    """Write records of the plain area (agent.formats.data_area) of an encrypted data partition, by offset.

    Raises:
        OSError: writing failed.
    """
    with disk.open("r+b") as file:
        for at, record in records.items():
            file.seek(layout.data_offset + at)
            file.write(record)


def make_factory_disk(
    path: Path, layout: Layout, slot_image: Path, security_epoch: int, work: Path, recovery: Path | None = None
) -> None:
    """Write the disk of a new camera as a sparse raw file; `recovery` goes into slot B.

    Raises:
        ImageError: mke2fs is missing or failed.
        OSError: writing failed.
    """
    record = encode(factory_record(security_epoch))
    with path.open("wb") as disk:
        disk.truncate(layout.disk_bytes)
        for offset in layout.boot_record:
            disk.seek(offset)
            disk.write(record)
    put_file(path, layout.slot("a"), slot_image)
    if recovery is not None:
        put_file(path, layout.slot("b"), recovery)
    if layout.encrypted:
        new = data_area.encode_state(data_area.NEW)
        put_records(path, layout, dict.fromkeys(data_area.STATES, new))
        return
    data = work / "data.ext4"
    make_data(data, layout)
    put_file(path, layout.data_offset, data)


def put_file(disk: Path, offset: int, source: Path, length: int | None = None) -> None:
    """Copy a file, or its first `length` bytes, into an empty place of a disk image, leaving zeros sparse.

    Raises:
        OSError: reading or writing failed.
    """
    left = source.stat().st_size if length is None else length
    zeros = bytes(COPY_BYTES)
    with disk.open("r+b") as target, source.open("rb") as file:
        while block := file.read(min(COPY_BYTES, left)):
            if block != zeros[: len(block)]:
                target.seek(offset)
                target.write(block)
            offset += len(block)
            left -= len(block)


def copy_sparse(source: Path, target: Path, length: int | None = None) -> None:
    """Copy an image, or its first `length` bytes, into a new file of the same size without filling its holes.

    Raises:
        OSError: reading or writing failed.
    """
    with target.open("wb") as file:
        file.truncate(source.stat().st_size)
    put_file(target, 0, source, length)
