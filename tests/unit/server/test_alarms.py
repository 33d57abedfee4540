"""Alarms of guessing: what the server makes of them, for its people in both languages, and for programs."""

import pytest

from agent.formats import alarm, messages
from tests.unit.server.conftest import NOW
from tests.unit.server.test_ingest import CAMERA, World
from update_server.api.views import DeviceDetailView
from update_server.db.models import Device
from update_server.fleet import alarms
from update_server.fleet.ingest import Incoming
from update_server.web import shapes
from update_server.web.texts import Texts


@pytest.fixture
def world(database, tmp_path):
    return World(database, tmp_path / "sealing")


def told(world, event, wrong=20, sources=1, source="203.0.113.5", target="administrator"):
    body = alarm.body(alarm.Alarm(event, NOW, wrong, sources, source, target))
    message = world.envelope("alarm", body)
    world.take(message, message)
    return world.device().attention


def test_an_attack_needs_attention_until_it_has_ended(world):
    assert told(world, "started") == "attack: 20 wrong passwords, sources: 1"
    assert told(world, "continues", 900, 12) == "attack: 900 wrong passwords, sources: 12"
    assert told(world, "ended", 950, 12) == ""


def test_a_login_after_wrong_tries_stays_until_somebody_has_looked(world):
    told(world, "started")
    assert told(world, "login", 31) == "login after 31 wrong passwords, from 203.0.113.5"
    assert told(world, "continues", 900).startswith("login after 31")
    assert told(world, "ended", 900).startswith("login after 31")


def test_a_password_that_was_sent_in_the_clear_needs_attention(world):
    world.take(world.envelope("alarm", alarm.in_clear("administrator", "203.0.113.9")))
    found = alarms.matched(alarms.IN_CLEAR, world.device().attention)
    assert found == {"role": "administrator", "source": "203.0.113.9"}


def test_an_attack_hides_no_failed_update(world):
    world.take(world.report())
    before = world.device().attention
    assert before.startswith("failed 1.1.0")
    assert told(world, "started") == told(world, "ended") == before


def test_the_history_is_for_programs_too_and_leaves_other_alarms_out(world):
    world.take(world.envelope("alarm", {"code": "x"}))
    told(world, "started")
    told(world, "distributed", 200, 256, "2001:db8:0:1::/64", "claim")
    with world.database.read() as session:
        rows = DeviceDetailView.of(session, session.get_one(Device, CAMERA)).plain()["alarms"]
    assert [(row["event"], row["wrong"], row["sources"], row["distributed"]) for row in rows] == [
        ("distributed", 200, 256, True), ("started", 20, 1, False),
    ]  # fmt: skip
    assert rows[0]["target"] == "claim"


@pytest.mark.parametrize("change", [{"wrong": 0}, {"event": "won"}, {"target": "root"}, {"source": 7}])
def test_a_malformed_alarm_is_refused(world, change):
    body = alarm.body(alarm.Alarm("started", NOW, 20, 1, "203.0.113.5", "")) | change
    world.take(world.envelope("alarm", body))
    assert (world.stored(), world.refused(), world.device().attention) == (0, ["format"], "")


def test_what_needs_attention_is_said_in_the_readers_language():
    attack, login = "attack: 20 wrong passwords, sources: 3", "login after 31 wrong passwords, from 203.0.113.5"
    assert shapes.attention(attack, Texts("ja")) == "攻撃を受けています：誤ったパスワード 20 回、発信元 3 件"
    assert "203.0.113.5" in shapes.attention(login, Texts("ja"))
    assert shapes.attention(login, Texts("en")).startswith("Somebody logged in after 31")
    heard = "password_in_clear: administrator, from 203.0.113.9"
    said = "The password of an administrator was sent without encryption, from 203.0.113.9: have it changed"
    assert shapes.attention(heard, Texts("en")) == said
    assert shapes.attention(heard, Texts("ja")).startswith("管理者のパスワードが暗号化なしで送信されました")
    assert shapes.attention(heard.replace("administrator", "x"), Texts("en")).startswith("The password of x was sent")
    assert shapes.attention("failed 1.1.0", Texts("ja")) == "failed 1.1.0"
    assert alarms.matched(alarms.UNDER_ATTACK, "failed") is None


@pytest.mark.parametrize(
    ("kind", "says"), [("erase", "初期化されました"), ("transfer", "移管されました"), ("disown", "離脱しました")]
)
def test_people_at_the_camera_had_it_leave_and_the_dashboard_says_so(world, kind, says):
    topic = f"camward/1/{CAMERA}/state"
    for state in (messages.State(False, "", "", kind), messages.State(False, "", "", "")):  # the will comes after it
        world.take(Incoming(topic, messages.encode_state(state)))
    assert not world.device().online
    assert says in shapes.attention(world.device().attention, Texts("ja"))
    assert "at the camera" in shapes.attention(world.device().attention, Texts("en"))
