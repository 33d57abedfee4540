"""The system's own accounts as published, judged by the host's own programs: its crypt, getent, and PAM's pam_unix."""

import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from agent.adapters.linux import yescrypt
from agent.adapters.linux.console import SystemConsole
from agent.app.account_stores import Account
from agent.app.console import rendered
from agent.formats import shadow
from agent.formats.errors import Rejected, Unavailable
from agent.formats.system_logins import SystemLogins

PASSWORD, OTHERS = 'violet "harbour" \\ seventeen 提灯', "Yama no ue ni 5 tsu no hoshi"
SETTINGS = SystemLogins(2000, 2000, "/tmp", "/bin/sh", 0)
PASSWD = b"root:x:0:0:root:/run:/bin/false\ncamera:x:900:900:camera:/run:/bin/false\n"
SHADOW = b"root:*:20000::::::\ncamera:*:20000::::::\n"
TIMEOUT_S = 60
IN_ITS_OWN_MOUNTS = ("unshare", "--mount", "--propagation", "private")


def account(name: str, role: str, password: str, uid: int) -> Account:
    return Account(name, role, "$argon2id$", "0" * 32, "1" * 64, 1_790_000_000, yescrypt.crypt(password), uid, "")


@pytest.fixture(scope="module")
def users():
    made = (
        account("kanri", "administrator", PASSWORD, 2000),
        account("sora", "operator", OTHERS, 2001),
        account("root", "administrator", OTHERS, 2002),
    )
    return {one.name: one for one in made}


@pytest.fixture
def console(tmp_path):
    base = tmp_path / "base"
    base.mkdir()
    (base / "passwd").write_bytes(PASSWD)
    (base / "shadow").write_bytes(SHADOW)
    return SystemConsole(base, tmp_path / "place", tmp_path / "place")


def publish(console: SystemConsole, users: dict[str, Account]) -> None:
    passwd, shadowed, _ = rendered(users, SETTINGS, *console.base())
    console.publish(passwd, shadowed)


PAM = "auth required pam_unix.so nodelay\naccount required pam_unix.so\nsession required pam_permit.so\n"
MOUNT = 'mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/shadow" /etc/shadow && mount --bind "$2" /etc/pam.d'
NO_MOUNTS = 99


def run(place: Path, *command: str, typed: str = "") -> "subprocess.CompletedProcess[str]":
    """A program that finds our files in /etc; PAM knows pam_unix alone."""
    services = Path(tempfile.mkdtemp())
    for name in ("console", "su"):
        (services / name).write_text(PAM)
    script = f'{{ {MOUNT}; }} || exit {NO_MOUNTS}; shift 2; exec "$@"'
    full = [*IN_ITS_OWN_MOUNTS, "sh", "-c", script, "sh", str(place), str(services), *command]
    done = subprocess.run(full, input=typed, text=True, capture_output=True, check=False, timeout=TIMEOUT_S)
    shutil.rmtree(services)
    assert done.returncode != NO_MOUNTS, done.stderr
    return done


def logs_in(place: Path, user: str, password: str) -> bool:
    done = run(place, "pamtester", "console", user, "authenticate", "acct_mgmt", typed=password + "\n")
    assert ("successfully authenticated" in done.stdout) == (done.returncode == 0), done
    return done.returncode == 0


def test_the_hosts_own_crypt_takes_what_was_made():
    """perl asks the C library's crypt(3), with which login and su verify."""
    made = yescrypt.crypt(PASSWORD)
    script = "print crypt($ARGV[0], $ARGV[1])"
    again = subprocess.run(["perl", "-e", script, PASSWORD, made], capture_output=True, text=True, check=True).stdout
    assert again == made
    assert (
        subprocess.run(["perl", "-e", script, OTHERS, made], capture_output=True, text=True, check=True).stdout != made
    )
    assert shadow.is_yescrypt(made)
    assert made.startswith("$y$j9T$"), "the cost that the docs tell"
    assert yescrypt.crypt(PASSWORD) != made


def test_a_password_fits_its_own_hash_alone():
    made = yescrypt.crypt(PASSWORD)
    assert yescrypt.fits(PASSWORD, made)
    assert not yescrypt.fits(OTHERS, made)
    assert not yescrypt.fits("", made)
    for field in ("", "*", "!", "x", "!" + made, "*0", "*1", "$y$", "$y$j9T$", made[:-1], "$9$a$b", "root"):
        assert not yescrypt.fits(PASSWORD, field), field


@pytest.mark.parametrize("password", ["a\0b" * 8, "😀" * 128, "\0"])
def test_what_no_console_could_take_is_refused(password):
    with pytest.raises(Rejected):
        yescrypt.crypt(password)
    assert not yescrypt.fits(password, yescrypt.crypt("a"))


def test_the_longest_password_of_the_policy_is_hashed_as_a_whole():
    long = "あ" * 128
    assert not yescrypt.fits(long[:-1] + "い", yescrypt.crypt(long))


def test_files_are_for_root_and_for_everybody(console, users, tmp_path):
    publish(console, users)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "place").iterdir()}
    assert modes == {"passwd": 0o644, "shadow": 0o600}
    assert stat.S_IMODE((tmp_path / "place").stat().st_mode) & 0o022 == 0


def test_getent_knows_the_administrator_and_root_stays_root(console, users, tmp_path):
    publish(console, users)
    found = run(tmp_path / "place", "getent", "passwd").stdout.splitlines()
    assert "kanri:x:2000:2000:administrator:/tmp:/bin/sh" in found
    assert not [line for line in found if line.startswith("sora:")]
    assert [line.split(":")[0] for line in found if line.split(":")[2] == "0"] == ["root"]
    entry = run(tmp_path / "place", "getent", "shadow", "kanri").stdout.strip().split(":")
    assert entry[1] == users["kanri"].crypt
    assert entry[2:] == [""] * 7


def test_pam_unix_lets_in_the_administrator_alone(console, users, tmp_path):
    place = tmp_path / "place"
    publish(console, users)
    assert logs_in(place, "kanri", PASSWORD)
    wrong = (
        ("kanri", OTHERS),
        ("kanri", ""),
        ("sora", OTHERS),
        ("root", OTHERS),
        ("root", ""),
        ("camera", ""),
        ("x", ""),
    )
    for user, password in wrong:
        assert not logs_in(place, user, password), user
    publish(console, {})
    assert not logs_in(place, "kanri", PASSWORD)
    console.publish(b"", b"")
    assert not logs_in(place, "kanri", PASSWORD)
    assert not logs_in(place, "root", "")


def test_su_asks_for_the_password_and_gives_the_administrator_their_own_user_id(console, users, tmp_path):
    publish(console, users)
    who = ("su", "kanri", "-c", "id -u; id -g")
    assert run(tmp_path / "place", *who, typed=PASSWORD + "\n").stdout.split() == ["2000", "2000"]
    assert run(tmp_path / "place", *who, typed=OTHERS + "\n").stdout == ""


def test_enter_says_what_a_login_program_would(console, users):
    assert console.enter("kanri", PASSWORD) == "silent"
    publish(console, users)
    assert console.enter("kanri", PASSWORD) == "in"
    for user, password in (
        ("kanri", OTHERS),
        ("sora", OTHERS),
        ("root", OTHERS),
        ("root", "xc3511"),
        ("x", ""),
        (None, ""),
    ):
        assert console.enter(user, password) == "refused"


def test_enter_sees_a_door_that_somebody_opened(console, users, tmp_path):
    publish(console, users)
    with (tmp_path / "place" / "shadow").open("ab") as file:
        file.write(b"camward::20000::::::\n")
    with (tmp_path / "place" / "passwd").open("ab") as file:
        file.write(b"camward:x:0:0::/:/bin/sh\n")
    assert console.enter(None, "") == "in"
    assert console.enter("camward", "anything") == "in"


def test_files_that_cannot_be_written_leave_no_shadow(console, users, tmp_path):
    publish(console, users)
    place = tmp_path / "place"
    (place / "passwd").unlink()
    (place / "passwd" / "in the way").mkdir(parents=True)
    with pytest.raises(Unavailable):
        publish(console, users)
    assert not (place / "shadow").exists()
    assert console.enter("kanri", PASSWORD) == "silent"


def test_a_base_that_is_gone_is_no_base(tmp_path):
    with pytest.raises(Unavailable):
        SystemConsole(tmp_path / "nothing", tmp_path / "place").base()


def test_without_the_library_it_is_unavailable(monkeypatch):
    monkeypatch.setattr(yescrypt, "_loaded", [])
    monkeypatch.setattr(yescrypt, "LIBRARY", "libnothing.so.1")
    with pytest.raises(Unavailable):
        yescrypt.crypt("a")
