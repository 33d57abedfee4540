"""Files of accounts on a real file system, with whatever may lie there, and hashes that other programs made."""

import os
import shutil
import subprocess
import threading
import time

import pytest

from agent.adapters.linux.account_files import SystemAccountFiles
from agent.adapters.linux.keys import Argon2Hasher
from agent.adapters.linux.workers import LEAST_PRIORITY, Inbox, Workers
from agent.app.digest import REALM, secret
from agent.formats import account_lines as files
from agent.formats.errors import Unavailable
from firmware_sim.world.account_files import UnsafeWorldAccountFiles
from firmware_sim.world.chance import Chance
from firmware_sim.world.console import UnsafeWorldConsole
from firmware_sim.world.machine import WorldClock
from firmware_sim.world.secrets import UnsafePasswordHasher

PASSWORD = "xc3511"
TRIED = ("", "admin", PASSWORD, "vizxv")


@pytest.fixture
def account_files(tmp_path):
    return SystemAccountFiles(tmp_path / "etc")


@pytest.fixture(params=["linux", "world"])
def port(request, tmp_path):
    """Both adapters, how to put a file there, and how to make a hash of the system's."""
    if request.param == "linux":
        from agent.adapters.linux import yescrypt

        def put(path, body):
            (tmp_path / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path[1:]).write_bytes(body)
            return str(tmp_path / path[1:])

        return SystemAccountFiles(), put, yescrypt.crypt, Argon2Hasher().hash
    console, hasher = UnsafeWorldConsole(Chance(1)), UnsafePasswordHasher(Chance(2))
    contents: dict[str, bytes] = {}

    def store(path, body):
        contents[path] = body
        return path

    world = UnsafeWorldAccountFiles(contents, console, hasher, WorldClock(0))
    return world, store, console.crypt, hasher.hash


def test_a_file_is_read_and_locked(port):
    account_files, put, _, _ = port
    path = put("/data/users", b"eve:$1$a$b\nviewer:$1$c$d\n")
    assert account_files.read(path) == ("ok", b"eve:$1$a$b\nviewer:$1$c$d\n")
    account_files.lock(path, files.HTPASSWD, ("eve",))
    assert account_files.read(path) == ("ok", b"eve:!$1$a$b\nviewer:$1$c$d\n")
    assert account_files.read(path + "x") == ("absent", b"")
    with pytest.raises(Unavailable):
        account_files.lock(path + "x", files.HTPASSWD, ("eve",))


def test_the_longest_file_is_read_and_a_longer_one_is_not(port):
    account_files, put, _, _ = port
    longest = b"#" * files.MAX_FILE_BYTES
    assert account_files.read(put("/data/a", longest)) == ("ok", longest)
    assert account_files.read(put("/data/b", longest + b"#")) == ("too_large", b"")


def test_the_password_that_fits_is_told_by_its_number(port):
    account_files, _, crypt, hashed = port
    for how, stored in (
        (files.CRYPT, crypt(PASSWORD)),
        (files.ARGON2, hashed(PASSWORD)),
        (files.HA1_MD5, secret("MD5", "root", PASSWORD)),
        (files.HA1_SHA256, secret("SHA-256", "root", PASSWORD)),
    ):
        assert account_files.fits(how, "root", REALM, stored, TRIED) == 2, how
        assert account_files.fits(how, "root", REALM, stored, TRIED[:2]) == -1, how
        assert account_files.fits(how, "root", REALM, stored, ()) == -1, how


# The real file system


def test_etc_is_where_it_was_told_to_be_and_a_link_there_is_followed(account_files, tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "published").write_bytes(b"root:*\n")
    (tmp_path / "etc" / "shadow").symlink_to(tmp_path / "published")
    assert account_files.read("/etc/shadow") == ("ok", b"root:*\n")


def test_loops_pipes_devices_and_folders_are_named_and_keep_nobody_waiting(account_files, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    started = time.monotonic()
    found = {name: account_files.read(str(tmp_path / name)) for name in ("pipe", "one", "dangling", ".", "etc/x/y")}
    assert found == {
        "pipe": ("not_a_file", b""), "one": ("loop", b""), "dangling": ("absent", b""), ".": ("not_a_file", b""),
        "etc/x/y": ("absent", b""),
    }  # fmt: skip
    assert account_files.read("/dev/zero") == ("not_a_file", b"")
    assert account_files.read("/data/" + "x" * 5000)[0] == "denied"
    assert time.monotonic() - started < 10


def test_what_is_no_file_is_not_even_opened(account_files, tmp_path):
    """A link to a device or a pipe would have root open it: that alone may do something, and here lets a writer in."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    assert account_files.read(str(tmp_path / "link")) == ("not_a_file", b"")
    let_in = []

    def write():
        os.close(os.open(tmp_path / "pipe", os.O_WRONLY))
        let_in.append(True)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    for _ in range(2000):
        assert account_files.read(str(tmp_path / "link")) == ("not_a_file", b"")
    assert let_in == []
    os.close(os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK))
    writer.join(10)
    assert let_in == [True], "the control: an open lets it in"


def test_a_file_that_grows_while_it_is_read_is_told_as_changing(account_files, tmp_path):
    path = tmp_path / "users"
    path.write_bytes(b"a:*\n")
    stop = threading.Event()

    def write():
        while not stop.is_set():
            with path.open("r+b") as file:
                file.truncate(0)
                for _ in range(50):
                    file.write(b"a:*\n")
                    file.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = set()
        deadline = time.monotonic() + 30
        while "changing" not in found and time.monotonic() < deadline:
            status, body = account_files.read(str(path))
            found.add(status)
            assert body.replace(b"a:*\n", b"") == b"" or status != "ok"
    finally:
        stop.set()
        writer.join()
    assert "changing" in found


def test_a_file_of_the_kernels_that_has_no_length_is_not_taken_for_empty(account_files):
    assert account_files.read("/proc/self/status") == ("changing", b"")


def test_locking_keeps_owner_and_mode_and_leaves_nothing_behind(account_files, tmp_path):
    path = tmp_path / "users"
    path.write_bytes(b"eve:$1$a$b\n")
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 900, 901)
    (tmp_path / ".users.camward").write_bytes(b"left by a power cut")
    before = path.stat()
    account_files.lock(str(path), files.HTPASSWD, ("eve",))
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert [entry.name for entry in tmp_path.iterdir()] == ["users"]


@pytest.mark.parametrize("link", ["the file", "a folder on the way"])
def test_locking_follows_no_link(account_files, tmp_path, link):
    real = tmp_path / "real"
    real.mkdir()
    (real / "users").write_bytes(b"eve:$1$a$b\n")
    if link == "the file":
        (tmp_path / "users").symlink_to(real / "users")
        path = tmp_path / "users"
    else:
        (tmp_path / "folder").symlink_to(real)
        path = tmp_path / "folder" / "users"
    assert account_files.read(str(path))[0] == "ok"
    with pytest.raises(Unavailable):
        account_files.lock(str(path), files.HTPASSWD, ("eve",))
    assert (real / "users").read_bytes() == b"eve:$1$a$b\n"


def test_a_file_that_cannot_be_replaced_stays_as_it_is(account_files, tmp_path):
    (tmp_path / "users").write_bytes(b"eve:$1$a$b\n")
    (tmp_path / ".users.camward" / "in the way").mkdir(parents=True)
    with pytest.raises(Unavailable):
        account_files.lock(str(tmp_path / "users"), files.HTPASSWD, ("eve",))
    assert (tmp_path / "users").read_bytes() == b"eve:$1$a$b\n"


# Hashes as other programs make them


OPENSSL = {"-1": files.CRYPT, "-5": files.CRYPT, "-6": files.CRYPT, "-apr1": files.APR1}


@pytest.mark.parametrize("option", OPENSSL)
@pytest.mark.parametrize("password", [PASSWORD, "1234567890123456789", "ä-umlaut"])
def test_hashes_that_openssl_made(account_files, option, password):
    command = [shutil.which("openssl") or "openssl", "passwd", option, password]
    stored = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    kind = files.HTPASSWD if option == "-apr1" else files.SHADOW
    assert files.secret_kind(kind, stored) == OPENSSL[option]
    assert account_files.fits(OPENSSL[option], "root", "", stored, ("", "admin", password)) == 2
    assert account_files.fits(OPENSSL[option], "root", "", stored, ("", "admin")) == -1


def test_hashes_of_old_cameras(account_files):
    """DES and md5crypt of published firmware (xc3511), Apache's SHA-1, a digest of curl's documentation kind."""
    made = subprocess.run(
        ["perl", "-e", "print crypt('xc3511', 'ab')"], capture_output=True, text=True, check=True
    ).stdout
    assert files.secret_kind(files.PASSWD, made) == files.CRYPT
    assert account_files.fits(files.CRYPT, "root", "", made, TRIED) == 2
    sha1 = "{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc="  # of "admin"
    assert account_files.fits(files.SHA1, "root", "", sha1, TRIED) == 1
    assert account_files.fits(files.HA1_MD5, "root", "r", secret("MD5", "root", PASSWORD).upper(), TRIED) == -1


def test_the_lane_of_the_audit_has_the_least_priority_and_others_have_not():
    inbox = Inbox()
    workers = Workers(inbox, lambda error: None)

    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    mine, found = priority(), {}
    for lane in ("audit", "hash"):
        assert workers.submit(lane, lambda lane=lane: found.setdefault(lane, priority()))
    deadline = time.monotonic() + 30
    while len(found) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert found == {"audit": LEAST_PRIORITY, "hash": mine}
    assert priority() == mine
