"""The real agent with a shadow store: claim, change, kill, damage; and what the host's pam_unix makes of it."""

import json
import os
import shutil
import socket
import threading

import pytest

from tests.contract.ports.board import CODE, Board
from tests.contract.ports.test_console import PASSWD, SHADOW, logs_in

USER, PASSWORD, NEW_PASSWORD = "kanri", "violet harbour seventeen tanuki", "gale Tanuki 71 brook"
STORE = "credentials/shadow.json"


class WithLogins(Board):
    """A board whose firmware has the manufacturer's files and `system_logins`."""

    @property
    def place(self):
        return self.run.with_name(self.run.name + "-logins")

    def config(self, version):
        logins = {"first_uid": 2000, "gid": 2000, "home": "/", "shell": "/bin/sh"}
        return super().config(version) | {"system_logins": logins}

    def arguments(self):
        base = self.folder / "logins"
        base.mkdir(exist_ok=True)
        (base / "passwd").write_bytes(PASSWD)
        (base / "shadow").write_bytes(SHADOW)
        return [*super().arguments(), "--logins", str(base), "--etc", str(self.place)]

    def starts_again(self):
        """After a power cut: what was in memory is gone."""
        self.kill()
        shutil.rmtree(self.place)
        self.console.clear()
        self.power_on()


@pytest.fixture
def board(tmp_path):
    made = WithLogins(tmp_path / "board", b"")
    made.leave_factory(b"\0" * 8192)
    made.power_on()
    made.start_camera()
    yield made
    made.stop()
    shutil.rmtree(made.place, ignore_errors=True)


def test_the_console_follows_the_claim_a_change_and_damage(board):
    assert not logs_in(board.place, USER, PASSWORD)
    reply = board.ask("web", "claim", code=CODE, user=USER, password=PASSWORD)
    assert reply["ok"], reply
    assert logs_in(board.place, USER, PASSWORD)
    reply = board.ask("web", "change_password", user=USER, old=PASSWORD, new=NEW_PASSWORD)
    assert reply["ok"], reply
    assert logs_in(board.place, USER, NEW_PASSWORD)
    assert not logs_in(board.place, USER, PASSWORD)
    board.starts_again()
    assert logs_in(board.place, USER, NEW_PASSWORD)
    for name in (STORE, "credentials/digest.json"):
        assert json.loads((board.state / name).read_bytes())["v"] == 2
        assert (board.state / name).stat().st_mode & 0o777 == 0o600
    assert (board.state / "secret" / "device.key").stat().st_mode & 0o777 == 0o600
    (board.state / STORE).write_bytes(b"{}")
    board.starts_again()
    assert board.ask("web", "state")["state"] == "locked"
    assert not logs_in(board.place, USER, NEW_PASSWORD)


def test_the_real_loop_opens_ssh_with_a_drawn_password_and_a_killed_agent_forgets_it(tmp_path):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port, heard = listener.getsockname()[1], []

        class WithSsh(WithLogins):
            def config(self, version):
                found = super().config(version)
                declared = found["declarations"] | {"listeners": [{"proto": "tcp", "port": port}]}
                logins = found["system_logins"] | {"ssh_port": port}
                return found | {"declarations": declared, "system_logins": logins}

        board = WithSsh(tmp_path / "board", b"")
        board.leave_factory(b"\0" * 8192)
        word = board.run.with_name(board.run.name + "-ssh")
        word.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(word, 0o600)

        def run_ssh():
            heard.append(word.read_text())
            listener.listen()

        threading.Thread(target=run_ssh, daemon=True).start()
        board.power_on()
        board.start_camera()
        try:
            assert board.ask("web", "claim", code=CODE, user=USER, password=PASSWORD)["ok"]
            grant = board.ask("web", "login", user=USER, password=PASSWORD)["grant"]
            reply = board.ask("web", "open_ssh", grant=grant, password=PASSWORD, minutes="10")
            assert reply["ok"], reply
            assert heard == [f"{port} 600\n"]
            assert logs_in(board.place, USER, reply["password"])
            assert not logs_in(board.place, USER, PASSWORD)
            board.starts_again()
            assert logs_in(board.place, USER, PASSWORD)
            assert not logs_in(board.place, USER, reply["password"])
        finally:
            board.stop()
            shutil.rmtree(board.place, ignore_errors=True)
            word.unlink()
