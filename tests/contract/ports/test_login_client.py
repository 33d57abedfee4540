"""The C client of docs/examples against the real agent: by itself, and as the program of PAM's pam_exec."""

import subprocess
from pathlib import Path

import pytest

from tests.contract.ports.board import CODE, Board

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "docs" / "examples" / "camward_login.c"
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror")
USER, PASSWORD = "kanri", 'violet "harbour" \\ seventeen 提灯'
TIMEOUT_S = 60
IN_ITS_OWN_MOUNTS = ("unshare", "--mount", "--propagation", "private")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("client") / "camward-login"
    subprocess.run(["gcc", *FLAGS, "-o", made, SOURCE], check=True, timeout=TIMEOUT_S)
    return made


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory):
    made = Board(tmp_path_factory.mktemp("board"), b"")
    made.leave_factory(b"\0" * 8192)
    made.power_on()
    made.start_camera()
    reply = made.ask("web", "claim", code=CODE, user=USER, password=PASSWORD)
    assert reply["ok"], reply
    yield made
    made.stop()


def asked(client: Path, board: Board, user: str, password: bytes, source: str = "192.0.2.20") -> int:
    where = str(board.run / "login" / "web.sock")
    environment = {"PAM_USER": user, "PAM_RHOST": source}
    return subprocess.run([client, where], input=password, env=environment, check=False, timeout=TIMEOUT_S).returncode


def test_the_right_password_alone_is_a_yes(client, board):
    assert asked(client, board, USER, PASSWORD.encode()) == 0
    assert asked(client, board, USER, PASSWORD.encode() + b"\0") == 0, "some PAM end it so"
    assert asked(client, board, USER, b"admin") == 1
    assert asked(client, board, USER, b"") == 1
    assert asked(client, board, "nobody", PASSWORD.encode()) == 1


@pytest.mark.parametrize(
    "user",
    ['kanri","password":"x', "kanri\n", 'x","ok":true,"a":"', "\\", "\x01", "a" * 65, "a" * 5000],
    ids=["a member of its own", "a line feed", "the answer", "a backslash", "a control character", "long", "too long"],
)
def test_nothing_that_a_user_types_changes_the_question(client, board, user):
    assert asked(client, board, user, PASSWORD.encode(), "192.0.2.21") == 1


def test_what_does_not_fit_is_a_no(client, board):
    assert asked(client, board, USER, b"a" * 1024) == 1
    assert asked(client, board, USER, b"a" * 1025) == 2
    assert asked(client, board, USER, b"\x01" * 1000) == 1
    assert asked(client, board, USER, b"\xff\xfe") == 1


def test_without_an_agent_or_a_name_it_is_a_no(client, board, tmp_path):
    def run(*words, **env):
        command = [client, *words]
        return subprocess.run(command, input=PASSWORD.encode(), env=env, check=False, timeout=TIMEOUT_S).returncode

    assert run(tmp_path / "nothing.sock", PAM_USER=USER) == 1
    assert run("/" + "a" * 200, PAM_USER=USER) == 2
    assert run(board.run / "login" / "web.sock") == 2
    assert run(PAM_USER=USER) == 2


def test_a_user_of_the_camera_who_is_called_like_an_account_of_the_system_is_not_that_account(client, board):
    """PAM would give whoever it lets in as `root` everything."""
    grant = board.ask("web", "login", user=USER, password=PASSWORD)["grant"]
    for name in ("root", "daemon"):
        made = board.ask("web", "set_user", grant=grant, user=name, role="viewer", password="seventeen grey herons")
        assert made["ok"], made
        assert board.ask("web", "login", user=name, password="seventeen grey herons")["ok"]
        assert asked(client, board, name, b"seventeen grey herons") == 1


def test_wrong_tries_lead_to_a_wait_for_that_source_alone(client, board):
    for _ in range(8):
        assert asked(client, board, "ghost", b"wrong", "192.0.2.30") == 1
    assert asked(client, board, USER, PASSWORD.encode(), "192.0.2.30") == 1, "this source has to wait"
    assert asked(client, board, USER, PASSWORD.encode()) == 0


def test_pam_lets_in_whom_the_agent_lets_in(client, board, tmp_path):
    services = tmp_path / "pam.d"
    services.mkdir()
    where = board.run / "login" / "web.sock"
    (services / "camera").write_text(
        f"auth required pam_exec.so expose_authtok quiet {client} {where}\naccount required pam_permit.so\n"
    )

    def login(user: str, password: str) -> bool:
        script = 'mount --bind "$1" /etc/pam.d && exec pamtester -I rhost=192.0.2.40 camera "$2" authenticate'
        command = [*IN_ITS_OWN_MOUNTS, "sh", "-c", script, "sh", services, user]
        done = subprocess.run(
            command, input=password + "\n", text=True, capture_output=True, check=False, timeout=TIMEOUT_S
        )
        assert "Password:" in done.stderr, done  # PAM has asked, so our line of its configuration was reached
        assert ("successfully authenticated" in done.stdout) == (done.returncode == 0)
        return done.returncode == 0

    assert not login(USER, "admin")
    assert login(USER, PASSWORD)
    assert not login("nobody", PASSWORD)
