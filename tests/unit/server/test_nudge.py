"""Cameras with a new assignment are told to look, once each."""

from update_server.db.models import DirectorMetadata
from update_server.serving.nudge import Nudger


def sign(database, device_id, version, at, role="targets"):
    with database.write() as session:
        session.add(
            DirectorMetadata(
                device_id=device_id, role=role, version=version, body=b"{}", signed_at=at, expires_at=at + 1000
            )
        )


def test_each_new_assignment_is_told_once(database):
    told = []
    away = []

    def publish(topic, _payload):
        if not away:
            told.append(topic)
        return not away

    nudger = Nudger(database, publish, lambda *_: False, now=100)
    sign(database, "old", 1, 50)
    assert nudger.run(101) == 0
    sign(database, "one", 1, 101)
    sign(database, "two", 1, 101)
    sign(database, "three", 9, 101, role="timestamp")
    assert nudger.run(101) == 2
    assert told == ["camward/1/one/down/command", "camward/1/two/down/command"]
    assert nudger.run(102) == 0
    sign(database, "one", 2, 102)  # committed a second after it was signed
    assert nudger.run(103) == 1
    assert told[2:] == ["camward/1/one/down/command"]
    sign(database, "three", 1, 200)
    away.append(True)
    assert [nudger.run(at) for at in (201, 230)] == [0, 0]
    away.clear()
    assert nudger.run(260) == 1  # the broker is back
    assert told[3:] == ["camward/1/three/down/command"]
