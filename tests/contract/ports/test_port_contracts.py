"""One suite per port, over the Linux adapter and over the simulated world's: they promise the same.

What a power cut leaves is the world's to show (tests/scenario); here is what both must do while the power is on.
"""

import resource
import signal
from types import SimpleNamespace

import pytest

from agent.adapters.linux.block_device import DiskFile
from agent.adapters.linux.boot_control import RawBootControl, UnsafeFileRollbackStore
from agent.adapters.linux.console import SystemConsole
from agent.adapters.linux.device_secret import UnsafeFileDeviceSecret
from agent.adapters.linux.erasure import FileErasure
from agent.adapters.linux.keys import Argon2Hasher, SystemEntropy, UnsafeFileKeyStore
from agent.adapters.linux.machine import SystemClock
from agent.adapters.linux.spool import FileSpool
from agent.adapters.linux.store import FileStore
from agent.app.handover import finish
from agent.formats import boot_record
from agent.formats.boot_record import FRESH, RECORD_BYTES
from agent.formats.errors import Unavailable
from agent.formats.shadow import Passwd, Shadow, encode_passwd, encode_shadow, is_yescrypt
from firmware_sim.world.boot import RecordSectors, UnsafeWorldRollbackStore, WorldBootControl
from firmware_sim.world.chance import Chance
from firmware_sim.world.console import BASE_PASSWD, BASE_SHADOW, UnsafeWorldConsole
from firmware_sim.world.disk import Medium, StrictBlockDevice
from firmware_sim.world.machine import WorldClock
from firmware_sim.world.power import Misuse, Power
from firmware_sim.world.secrets import UnsafePasswordHasher
from firmware_sim.world.store import Documents, MemoryErasure, MemorySpool, MemoryStore

BLOCK = 4096
DISK_BYTES = 16 * BLOCK
RECORDS = (BLOCK, 2 * BLOCK)
RECORD = FRESH.replace(rollback_index=1)


def linux(folder):
    """The adapters the product uses, on files."""
    disk, line = folder / "disk", folder / "cmdline"
    disk.write_bytes(bytes(DISK_BYTES))
    line.write_text("quiet camward.slot=b camward.trial=0\n")
    device = DiskFile(disk, BLOCK)
    restarts: list[int] = []
    boot = RawBootControl(device, RECORDS, line, lambda: restarts.append(1), BLOCK)
    store = FileStore(folder / "state")
    return SimpleNamespace(
        store=store,
        spool=FileSpool(store),
        erasure=FileErasure(folder / "state"),
        device=device,
        reopen=lambda: DiskFile(disk, BLOCK),
        boot=boot,
        rollback=UnsafeFileRollbackStore(boot, store),
        console=_console(folder),
        hasher=Argon2Hasher(),
        entropy=SystemEntropy(),
        clock=SystemClock(),
        restarts=restarts,
        spoil=lambda at: _spoil(disk, at),
    )


def _console(folder):
    base = folder / "base"
    base.mkdir()
    (base / "passwd").write_bytes(BASE_PASSWD)
    (base / "shadow").write_bytes(BASE_SHADOW)
    return SystemConsole(base, folder / "place", folder / "place")


def _spoil(disk, at):
    with disk.open("r+b") as file:
        file.seek(at)
        file.write(b"\xff" * RECORD_BYTES)


def world(_folder):
    """The adapters of the simulated world."""
    power = Power()
    medium, documents = Medium(DISK_BYTES, power), Documents(power)
    windows = [(0, DISK_BYTES)]
    restarts: list[int] = []
    sectors = RecordSectors(StrictBlockDevice(medium, windows, RECORD_BYTES), RECORDS)
    boot = WorldBootControl(sectors, "b", lambda: restarts.append(1))
    clock = WorldClock(1800000000)
    clock.power_on()

    def spoil(at):
        medium.content[at : at + RECORD_BYTES] = b"\xff" * RECORD_BYTES

    store = MemoryStore(documents)
    return SimpleNamespace(
        store=store,
        spool=MemorySpool(documents),
        erasure=MemoryErasure(documents),
        device=StrictBlockDevice(medium, windows, BLOCK),
        reopen=lambda: StrictBlockDevice(medium, windows, BLOCK),
        boot=boot,
        rollback=UnsafeWorldRollbackStore(boot, store),
        console=UnsafeWorldConsole(Chance(7)),
        hasher=UnsafePasswordHasher(Chance(3)),
        entropy=Chance(4),
        clock=clock,
        restarts=restarts,
        spoil=spoil,
    )


@pytest.fixture(params=[linux, world], ids=["linux", "world"])
def ports(request, tmp_path):
    made = request.param(tmp_path)
    yield made
    if request.param is linux:
        made.device.close()


# --- Store


def test_a_document_is_what_was_written_last(ports):
    assert ports.store.read("a/b.json") is None
    for body in (b"one", b"", bytes(range(256)) * 300):
        ports.store.write("a/b.json", body)
        assert ports.store.read("a/b.json") == body
    ports.store.delete("a/b.json")
    assert ports.store.read("a/b.json") is None
    ports.store.delete("a/b.json")


def test_a_spool_grows_at_its_end_and_says_where(ports):
    assert ports.spool.read("a/log", 0, 10) == b""
    assert ports.spool.append("a/log", b"first") == 0
    assert ports.spool.append("a/log", b"") == 5
    assert ports.spool.append("a/log", bytes(range(256)) * 300) == 5
    assert ports.spool.append("a/log", b"last") == 5 + 256 * 300
    assert ports.spool.read("a/log", 3, 4) == b"st\x00\x01"
    assert ports.spool.read("a/log", 5 + 256 * 300, 100) == b"last"
    assert ports.spool.read("a/log", 10**6, 5) == b""


def test_a_spools_files_lie_among_the_documents_and_go_like_them(ports):
    ports.store.write("a/document", b"x")
    ports.spool.append("a/log", b"one")
    assert ports.store.names("a") == ["a/document", "a/log"]
    assert ports.store.read("a/log") == b"one"
    assert ports.spool.read("a/log", 0, 5) == b"one"
    ports.store.delete("a/log")
    assert ports.spool.read("a/log", 0, 5) == b""
    assert ports.spool.append("a/log", b"anew") == 0
    assert ports.spool.read("a/log", 0, 5) == b"anew"
    ports.store.write("a/log", b"other")
    assert ports.spool.read("a/log", 0, 5) == b"other"
    assert ports.spool.append("a/log", b"more") == 5
    assert ports.spool.read("a/log", 4, 5) == b"rmore"


def test_names_are_those_right_inside_the_folder(ports):
    for name in ("a/z", "a/b", "a/c/d", "b/a", "top"):
        ports.store.write(name, b"x")
    assert ports.store.names("a") == ["a/b", "a/z"]
    assert ports.store.names("none") == []
    assert ports.store.free_bytes() > 0


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../up", "a/../b", "a//b", "a/b/c/d/e", "A", "a b", ".hidden", "a\0b"]
)
def test_a_name_that_leaves_the_folder_is_never_used(ports, name):
    for work in (
        lambda: ports.store.write(name, b"x"),
        lambda: ports.store.read(name),
        lambda: ports.store.delete(name),
    ):
        with pytest.raises((Unavailable, Misuse)):
            work()


# --- Erasure


def test_an_erasure_sees_every_document_and_removes_the_one_it_is_told(ports):
    assert ports.erasure.contents() == []
    for name in ("a/b.json", "a/c/d", "top"):
        ports.store.write(name, b"secret")
    assert sorted(ports.erasure.contents()) == ["a/b.json", "a/c/d", "top"]
    ports.erasure.remove("a/c/d")
    ports.erasure.remove("a/c/d")
    assert sorted(ports.erasure.contents()) == ["a/b.json", "top"]
    assert ports.store.read("a/c/d") is None
    assert ports.store.read("top") == b"secret"


def test_storage_without_a_key_of_its_own_needs_no_restart_at_the_end_of_an_erase(ports):
    ports.store.write("clock/floor.json", b"kept")
    assert ports.erasure.renew() is False
    assert ports.erasure.contents() == ["clock/floor.json"]


def test_an_erasure_finds_what_no_document_name_leads_to(tmp_path):
    """Unfinished writes, links, and what the camera keeps for its user; what a link leads to stays."""
    state, user, elsewhere = tmp_path / "state", tmp_path / "user", tmp_path / "elsewhere"
    for folder in (state / "credentials", user / "2026" / "11", elsewhere):
        folder.mkdir(parents=True)
    (elsewhere / "kept").write_bytes(b"kept")
    (state / "credentials" / "web.json.new").write_bytes(b"half a password")
    (state / "Odd name").write_bytes(b"x")
    (state / "link").symlink_to(elsewhere)
    (user / "2026" / "11" / "picture.jpg").write_bytes(bytes(200_000))
    (user / "file").symlink_to(elsewhere / "kept")
    erasure = FileErasure(state, (user, tmp_path / "none"))
    found = erasure.contents()
    assert sorted(found) == sorted(
        ["credentials/web.json.new", "Odd name", "link", f"{user}/2026/11/picture.jpg", f"{user}/2026/11",
         f"{user}/2026", f"{user}/file"]
    )  # fmt: skip
    for item in found:
        erasure.remove(item)
    assert erasure.contents() == []
    assert list(user.iterdir()) == []
    assert (elsewhere / "kept").read_bytes() == b"kept"


def test_a_folder_that_becomes_a_link_while_it_is_erased_leads_nowhere(tmp_path):
    """The camera's program may write in the user's folders, and an erase is done by root."""
    state, user = tmp_path / "state", tmp_path / "user"
    for folder in (state / "clock", user / "clock"):
        folder.mkdir(parents=True)
        (folder / "floor.json").write_bytes(b"kept")
    erasure = FileErasure(state, (user,))
    found = [item for item in erasure.contents() if item.startswith("/")]
    assert found == [f"{user}/clock/floor.json", f"{user}/clock"]
    (user / "clock").rename(tmp_path / "aside")
    (user / "clock").symlink_to(state / "clock")
    with pytest.raises(Unavailable):
        erasure.remove(found[0])
    assert (state / "clock" / "floor.json").read_bytes() == b"kept"
    erasure.remove(found[1])
    assert erasure.contents() == ["clock/floor.json"]


def test_what_is_removed_is_overwritten_first(tmp_path):
    """Seen through a second name of the same file."""
    (tmp_path / "state").mkdir()
    secret, witness = tmp_path / "state" / "key", tmp_path / "witness"
    secret.write_bytes(b"private" * 30_000)
    witness.hardlink_to(secret)
    FileErasure(tmp_path / "state").remove("key")
    assert not secret.exists()
    assert witness.read_bytes() == bytes(7 * 30_000)


@pytest.mark.parametrize("kind", ["erase", "disown"])
def test_the_devices_keys_are_overwritten_as_well(tmp_path, kind):
    """Of all that goes they are worth most: removed as files first, before the key store unlinks them."""
    store = FileStore(tmp_path / "state")
    keys = UnsafeFileKeyStore(store)
    witnesses = []
    for name in ("tls", "evidence", "next"):
        keys.ensure(name)
        witnesses.append(tmp_path / name)
        witnesses[-1].hardlink_to(keys.path(name))
    store.write(f"handover/{kind}.json", b"{}")
    secret = UnsafeFileDeviceSecret(store)
    finish(SimpleNamespace(store=store, keys=keys, erasure=FileErasure(tmp_path / "state"), secret=secret), "1.0.0")
    assert [set(witness.read_bytes()) for witness in witnesses] == [{0}] * 3
    assert not any(keys.path(name).exists() for name in ("tls", "evidence", "next"))


def test_a_users_folder_that_cannot_be_read_is_an_item_itself(tmp_path):
    (tmp_path / "state").mkdir()
    card = tmp_path / "card"
    card.write_bytes(b"no folder")
    erasure = FileErasure(tmp_path / "state", (card,))
    assert erasure.contents() == [str(card)]
    with pytest.raises(Unavailable):
        erasure.remove(str(card))


def test_a_storage_that_fails_is_unavailable(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "folder").mkdir()
    (tmp_path / "state" / "folder" / "x").write_bytes(b"")
    erasure = FileErasure(tmp_path / "state")
    with pytest.raises(Unavailable):
        erasure.remove("folder")
    assert FileErasure(tmp_path / "nothing").contents() == []


# --- BlockDevice


def test_a_block_is_on_the_medium_after_the_flush(ports):
    ports.device.write(3 * BLOCK, b"x" * 2 * BLOCK)
    ports.device.flush()
    assert ports.device.read(3 * BLOCK, 2 * BLOCK) == b"x" * 2 * BLOCK
    assert ports.reopen().read(3 * BLOCK - 1, 3) == b"\0xx"
    assert ports.device.size_bytes() == DISK_BYTES


def test_what_the_device_refuses(ports):
    for work in (
        lambda: ports.device.read(DISK_BYTES - 1, 2),
        lambda: ports.device.read(-1, 1),
        lambda: ports.device.write(DISK_BYTES, b"x" * BLOCK),
        lambda: ports.device.write(100, b"x" * BLOCK),
        lambda: ports.device.write(0, b"x" * 100),
    ):
        with pytest.raises(Unavailable):
            work()
    assert ports.reopen().read(0, DISK_BYTES) == bytes(DISK_BYTES)


# --- BootControl and RollbackStore


def test_a_boot_record_on_a_disk_with_large_erase_blocks_leaves_the_rest_of_its_block_alone(tmp_path):
    erase_bytes, disk = 4 * BLOCK, tmp_path / "disk"
    disk.write_bytes(b"o" * DISK_BYTES)
    device = DiskFile(disk, erase_bytes)
    offsets = (erase_bytes, 2 * erase_bytes + BLOCK)
    boot = RawBootControl(device, offsets, tmp_path / "cmdline", lambda: None, erase_bytes)
    for _ in range(2):
        boot.write(RECORD)
    device.close()
    left = bytearray(disk.read_bytes())
    for generation, at in zip((1, 2), offsets, strict=True):
        assert boot_record.decode(bytes(left[at : at + RECORD_BYTES])) == RECORD.replace(generation=generation)
        left[at : at + RECORD_BYTES] = b"o" * RECORD_BYTES
    assert bytes(left) == b"o" * DISK_BYTES


def test_the_boot_record_is_what_was_written_last_with_a_rising_generation(ports):
    with pytest.raises(Unavailable):
        ports.boot.read()
    seen = []
    for number in range(5):
        ports.boot.write(RECORD.replace(tries=number, generation=99))
        found = ports.boot.read()
        assert found.tries == number
        seen.append(found.generation)
    assert seen == sorted(set(seen))
    assert ports.boot.booted_slot() == "b"


def test_one_damaged_copy_leaves_the_record_or_the_one_before(ports):
    for copy in RECORDS:
        ports.boot.write(RECORD.replace(tries=1))
        ports.boot.write(RECORD.replace(tries=2))
        ports.spoil(copy)
        assert ports.boot.read().tries in (1, 2)
        ports.boot.write(RECORD.replace(tries=3))
        assert ports.boot.read().tries == 3


def test_only_the_older_copy_is_overwritten(ports):
    ports.boot.write(RECORD.replace(tries=1))
    ports.boot.write(RECORD.replace(tries=2))
    before = [ports.reopen().read(at, RECORD_BYTES) for at in RECORDS]
    ports.boot.write(RECORD.replace(tries=3))
    after = [ports.reopen().read(at, RECORD_BYTES) for at in RECORDS]
    assert sum(one == other for one, other in zip(before, after, strict=True)) == 1


def test_the_rollback_index_only_grows(ports):
    ports.boot.write(RECORD)
    for wanted, expected in ((1, 1), (4, 4), (2, 4), (4, 4)):
        ports.rollback.raise_to(wanted)
        assert ports.rollback.read() == expected
    assert ports.boot.read().replace(generation=0, rollback_index=1) == RECORD
    assert ports.rollback.protection() == "none"


def test_the_rollback_index_outlives_both_records(ports):
    ports.boot.write(RECORD)
    ports.rollback.raise_to(3)
    for copy in RECORDS:
        ports.spoil(copy)
    ports.boot.write(RECORD.replace(rollback_index=0))
    assert ports.rollback.read() == 3
    ports.rollback.raise_to(3)
    assert ports.boot.read().rollback_index == 3


def test_a_restart_is_asked_for_once(ports):
    ports.boot.reboot()
    assert ports.restarts == [1]


# --- PasswordHasher, Entropy, Clock


def test_a_password_fits_its_own_hash_alone(ports):
    one, two = ports.hasher.hash("correct horse"), ports.hasher.hash("correct horse")
    assert one != two
    assert ports.hasher.verify("correct horse", one)
    assert not ports.hasher.verify("correct horsf", one)
    for malformed in ("", "$", "$argon2id$v=19$", "x" * 100):
        assert not ports.hasher.verify("correct horse", malformed)


# --- Console


def test_the_console_lets_in_whom_the_files_name(ports):
    console = ports.console
    assert console.base() == (BASE_PASSWD, BASE_SHADOW)
    assert console.enter("keiko", "secret") == "silent"
    made = console.crypt("secret")
    assert is_yescrypt(made)
    assert console.crypt("secret") != made
    keiko = Passwd("keiko", 2000, 2000, "", "/tmp", "/bin/sh")
    passwd = BASE_PASSWD + encode_passwd([keiko])
    console.publish(passwd, BASE_SHADOW + encode_shadow([Shadow("keiko", made, 0)]))
    assert console.enter("keiko", "secret") == "in"
    for user, password in (("keiko", "secres"), ("keiko", ""), ("root", "secret"), ("", "secret"), (None, "")):
        assert console.enter(user, password) == "refused"
    console.publish(passwd, BASE_SHADOW + encode_shadow([Shadow("keiko", "!" + made, 0)]))
    assert console.enter("keiko", "secret") == "refused"
    console.publish(passwd, BASE_SHADOW + b"keiko::::::::\n")
    assert console.enter(None, "") == "in"
    console.publish(b"", b"")
    assert console.enter("keiko", "secret") in ("silent", "refused")
    assert console.enter(None, "") in ("silent", "refused")


def test_entropy_does_not_repeat(ports):
    assert ports.entropy.bytes(0) == b""
    assert len({ports.entropy.bytes(16) for _ in range(50)}) == 50
    assert {len(ports.entropy.bytes(16)) for _ in range(3)} == {16}


def test_the_monotonic_clock_never_goes_back(ports):
    first, wall, boot = ports.clock.monotonic_s(), ports.clock.wall_s(), ports.clock.boot_id()
    assert ports.clock.monotonic_s() >= first >= 0
    assert wall > 1700000000
    assert ports.clock.boot_id() == boot
    assert len(boot) == 36


# --- what only files can show of a spool


def test_a_spools_files_are_the_agents_alone(tmp_path):
    FileSpool(FileStore(tmp_path / "state")).append("a/b/log", b"x")
    assert (tmp_path / "state/a/b/log").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state/a/b").stat().st_mode & 0o777 == 0o700


def test_a_full_disk_leaves_what_was_there(tmp_path):
    spool = FileSpool(FileStore(tmp_path))
    spool.append("log", b"before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(Unavailable):
            spool.append("log", b"too much for the room that is left")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert (tmp_path / "log").read_bytes() == b"before"
    assert spool.append("log", b" and after") == 6


def test_a_spool_follows_no_link(tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"somebody's")
    (tmp_path / "log").symlink_to(tmp_path / "elsewhere")
    spool = FileSpool(FileStore(tmp_path))
    for attempt in (lambda: spool.append("log", b"x"), lambda: spool.read("log", 0, 5)):
        with pytest.raises(Unavailable):
            attempt()
    assert (tmp_path / "elsewhere").read_bytes() == b"somebody's"
