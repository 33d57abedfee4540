"""An attack on a camera's passwords as the dashboard shows it, in both languages, in a real browser."""

import time

from agent.formats import alarm, envelope
from agent.formats.envelope import Envelope
from tests.web import seed
from tests.web.dashboard import open_page
from update_server.db.models import Device, Message
from update_server.fleet import alarms

ATTACKED = 9


def test_an_attack_is_told_on_the_fleets_page_and_on_the_cameras(logged_in, fleet):
    now, which = int(time.time()), seed.device_id(ATTACKED)
    begun = alarm.Alarm("started", now - 600, 20, 1, "203.0.113.5", "administrator")
    with fleet.services.database.write() as session:
        for seq, told in enumerate([begun, begun.replace(event="distributed", wrong=240, sources=12, target="claim")]):
            made = envelope.encode(Envelope("alarm", which, "seed", seq, now, alarm.body(told), b""))
            session.add(Message(device_id=which, boot="seed", seq=seq, type="alarm", at=now, received_at=now, raw=made))
            alarms.taken(session.get_one(Device, which), told)
    try:
        assert "Under attack: 240 wrong passwords, sources: 12" in open_page(logged_in, fleet, "/")
        shown = open_page(logged_in, fleet, "/devices/" + which)
        wanted = ("Under attack: 240", "attack began", "distributed attack", "203.0.113.5", "an administrator")
        assert all(text in shown for text in wanted)
        logged_in.get(fleet.people_url + "/language/ja?back=/devices/" + which)
        shown = open_page(logged_in, fleet, "/devices/" + which)
        assert all(text in shown for text in ("攻撃を受けています", "分散型攻撃", "12 · 分散型", "ラベルのコード"))
        logged_in.get(fleet.people_url + "/language/en?back=/")
    finally:
        with fleet.services.database.write() as session:
            session.get_one(Device, which).attention = ""
            session.query(Message).filter_by(device_id=which, type="alarm").delete()
