"""The real agent process beside the real camera process, with a real server and broker, on a board made of files."""

import pytest

from tests.contract.ports.board import CODE, Board, wait_for
from tests.contract.ports.read_only import seen_read_only
from tests.contract.server import harness

PASSWORD = "violet harbour seventeen lanterns"
NEW_PASSWORD = "maple engine forty quiet bridges"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with harness.running(tmp_path_factory.mktemp("server") / "s") as made:
        yield made


@pytest.fixture
def board(tmp_path, server):
    image_root = (server.folder / "tuf/image/1.root.json").read_bytes()
    slot, _, _ = harness.write_build(tmp_path / "factory", "1.0.0")
    made = Board(tmp_path / "board", image_root)
    made.leave_factory(slot.read_bytes())
    made.power_on()
    made.start_camera()
    yield made
    assert made.stop().replace(f"camward-agent: no watchdog: {made.folder}/no-watchdog\n", "") == ""


def claim(board):
    reply = board.ask("web", "claim", code=CODE, user="admin", password=PASSWORD)
    assert reply["ok"], reply
    return reply["grant"]


def enrol(board, server, grant):
    token = harness.Camera(server, board.folder / "person", board.serial)
    services = server.services
    with services.database.write() as session:
        current = services.ownership.current
        text = services.enrolment.make_token(session, current, token.serial, 600, int(harness.time.time())).text
    reply = board.ask("web", "enrol", grant=grant, token=text)
    assert reply["ok"], reply
    wait_for(lambda: board.status()["link"] == "up", "the session with the broker: " + str(board.status()))


def test_a_camera_is_claimed_and_its_password_changed_on_the_live_services(board):
    assert board.ask("web", "state")["state"] == "unclaimed"
    assert board.ask("web", "login", user="admin", password="admin")["code"] == "unclaimed"
    claim(board)
    assert board.ask("rtsp", "login", user="admin", password=PASSWORD)["ok"]
    reply = board.ask("web", "change_password", user="admin", old=PASSWORD, new=NEW_PASSWORD)
    assert reply["ok"], reply
    assert board.ask("web", "login", user="admin", password=PASSWORD)["code"] == "denied"
    assert board.ask("onvif", "login", user="admin", password=NEW_PASSWORD)["ok"]


@pytest.mark.parametrize("role", ["operator", "viewer"])
def test_who_is_no_administrator_is_proved_on_the_live_services_as_well(board, role):
    grant = claim(board)
    made = board.ask("web", "set_user", grant=grant, user="hanako", role=role, password=NEW_PASSWORD)
    assert made["ok"], made
    assert board.ask("onvif", "login", user="hanako", password=NEW_PASSWORD)["role"] == role
    changed = board.ask("web", "change_password", user="hanako", old=NEW_PASSWORD, new=PASSWORD + " 2")
    assert changed["ok"], changed


def test_credentials_survive_a_kill_and_a_damaged_store_means_locked(board):
    claim(board)
    board.kill()
    board.console.clear()
    board.power_on()
    assert wait_for(lambda: board.ask("web", "login", user="admin", password=PASSWORD).get("ok"), "the login")
    board.kill()
    store = board.state / "credentials" / "web.json"
    store.write_bytes(store.read_bytes().replace(b"administrator", b"administratos"))
    board.console.clear()
    board.power_on()
    assert board.ask("web", "state")["state"] == "locked"
    assert board.ask("web", "login", user="admin", password=PASSWORD)["code"] == "locked"
    assert board.ask("web", "claim", code=CODE, user="admin", password=PASSWORD)["code"] == "locked"


def test_a_camera_without_its_label_or_roots_runs_locked_and_says_so(board):
    claim(board)
    board.kill()
    (board.state / "factory" / "label.json").unlink()
    (board.folder / "image_root.json").unlink()
    (board.run / "data-damaged").write_text("")
    board.console.clear()
    board.power_on()
    assert board.status()["problems"] == ["data_damaged", "label_missing", "image_root_missing"]
    assert board.ask("web", "state")["state"] == "locked"
    for code in (CODE, "", "0"):
        assert board.ask("web", "claim", code=code, user="admin", password=PASSWORD)["code"] == "locked"
    assert board.ask("web", "login", user="admin", password=PASSWORD)["code"] == "locked"


def test_a_release_is_installed_tried_committed_and_reported(board, server, tmp_path):
    enrol(board, server, claim(board))
    slot, _ = harness.add_release(server, tmp_path / "build", "1.1.0")
    board.known["1.1.0"] = slot.read_bytes()
    device = board.status()["device"]
    services = server.services
    with services.database.write() as session:
        row = harness.releases.find(session, "1.1.0", "kawa-1")
        services.assign(session, harness.devices.find(session, device), row, int(harness.time.time()))
    assert board.admin("check")["ok"]
    board.wait_for_restart()
    assert board.boots == [("a", "1.0.0"), ("b", "1.1.0")]
    board.says("camward-agent: healthy")
    assert board.slot("b").startswith(slot.read_bytes())
    wait_for(lambda: board.status()["update"]["phase"] == "idle", "the commit")
    shown = wait_for(
        lambda: [one for one in server.json("device", "list") if one["id"] == device and one["version"] == "1.1.0"],
        "the server to show the new version",
    )
    assert shown[0]["online"]
    wait_for(lambda: board.status()["outbox"] == 0, "the outbox to empty")
    # The old slot still boots: the index rises when the next update starts.
    assert board.status()["slot"] == "b"


def test_on_a_disk_that_takes_no_writes_people_log_in_and_an_update_is_refused(board, server, tmp_path):
    enrol(board, server, claim(board))
    board.kill()
    board.console.clear()
    harness.add_release(server, tmp_path / "build", "1.9.0")
    whole, services = board.arguments, server.services
    with seen_read_only(board.disk) as path:
        board.arguments = lambda: [str(path) if word == str(board.disk) else word for word in whole()]
        board.power_on()
        before = board.disk.read_bytes()
        assert board.ask("web", "login", user="admin", password=PASSWORD)["ok"]
        wait_for(lambda: board.status()["link"] == "up", "the session with the broker")
        with services.database.write() as session:
            device = harness.devices.find(session, board.status()["device"])
            services.assign(
                session, device, harness.releases.find(session, "1.9.0", "kawa-1"), int(harness.time.time())
            )
        assert board.admin("check")["ok"]
        wait_for(lambda: board.status()["update"]["last_result"] == "refused medium", "the refusal")
        wait_for(lambda: board.status()["outbox"] == 0, "its report to go out")
        assert board.ask("web", "login", user="admin", password=PASSWORD)["ok"]
        board.kill()
    board.process = None
    assert board.disk.read_bytes() == before


def test_on_a_data_partition_that_takes_no_writes_people_log_in(board):
    """As ext4 leaves it after an error (errors=remount-ro): an agent that starts then finds all it needs."""
    claim(board)
    board.kill()
    board.console.clear()
    whole = board.arguments
    with seen_read_only(board.disk) as disk, seen_read_only(board.state) as state:
        seen = {str(board.disk): str(disk), str(board.state): str(state)}
        board.arguments = lambda: [seen.get(word, word) for word in whole()]
        board.power_on()
        assert board.ask("web", "login", user="admin", password=PASSWORD)["ok"]
        assert board.ask("web", "login", user="admin", password="admin")["code"] == "denied"
        board.kill()
    board.process = None
