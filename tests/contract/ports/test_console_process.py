"""The real agent with a shadow store: claim, change, kill, damage; and what the host's pam_unix makes of it."""

import json
import shutil

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
        logins = {"first_uid": 2000, "gid": 2000, "home": "/tmp", "shell": "/bin/sh"}
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
