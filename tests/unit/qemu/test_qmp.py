"""The monitor's client, against a scripted monitor."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from firmware_sim.qemu.deadline import Deadline
from firmware_sim.qemu.errors import MachineError
from firmware_sim.qemu.qmp import Qmp

SOON_S = 30.0
GREETING = {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 22}}, "capabilities": []}}


class Monitor:
    """Answers each command with the next line of a script; keeps what it was asked."""

    def __init__(self, connection: socket.socket, answers: list[list[dict[str, Any]]]) -> None:
        self.asked: list[dict[str, Any]] = []
        self._connection = connection
        self._answers = answers
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with self._connection, self._connection.makefile("rwb") as stream:
            for answer in self._answers:
                line = stream.readline()
                if not line:
                    return
                self.asked.append(json.loads(line))
                for message in answer:
                    stream.write(json.dumps(message).encode() + b"\n")
                stream.flush()

    def join(self) -> None:
        self._thread.join(timeout=SOON_S)


@pytest.fixture
def pair() -> Iterator[tuple[Qmp, socket.socket]]:
    ours, theirs = socket.socketpair()
    qmp = Qmp(ours)
    yield qmp, theirs
    qmp.close()
    theirs.close()


def test_negotiation_returns_the_version(pair):
    qmp, theirs = pair
    theirs.sendall(json.dumps(GREETING).encode() + b"\n")
    monitor = Monitor(theirs, [[{"return": {}}]])
    assert qmp.negotiate(Deadline(SOON_S)) == "7.2.22"
    monitor.join()
    assert monitor.asked == [{"execute": "qmp_capabilities"}]


def test_events_between_command_and_answer_are_kept_in_order(pair):
    qmp, theirs = pair
    monitor = Monitor(theirs, [[{"event": "STOP"}, {"event": "RESET"}, {"return": 7}, {"event": "RESUME"}]])
    assert qmp.execute("query-status", {"a": 1}) == 7
    monitor.join()
    assert [event["event"] for event in qmp.events()] == ["STOP", "RESET", "RESUME"]
    assert monitor.asked == [{"execute": "query-status", "arguments": {"a": 1}}]


def test_a_refusal_carries_the_monitors_words(pair):
    qmp, theirs = pair
    monitor = Monitor(theirs, [[{"error": {"class": "GenericError", "desc": "no such device"}}]])
    with pytest.raises(MachineError, match="no such device") as caught:
        qmp.execute("device_del")
    assert caught.value.code == "monitor"
    monitor.join()


def test_a_job_is_waited_for_and_its_error_raised(pair):
    qmp, theirs = pair
    running = [{"return": [{"id": "j", "status": "running"}]}]
    failed = [{"return": [{"id": "j", "status": "concluded", "error": "disk is full"}]}]
    monitor = Monitor(theirs, [[{"return": {}}], running, failed, [{"return": {}}]])
    with pytest.raises(MachineError, match="disk is full"):
        qmp.run_job("snapshot-save", {"job-id": "j"}, Deadline(SOON_S))
    monitor.join()
    assert [asked["execute"] for asked in monitor.asked] == ["snapshot-save", "query-jobs", "query-jobs", "job-dismiss"]


@pytest.mark.parametrize("silent", [True, False])
def test_a_monitor_that_is_silent_or_gone_is_an_error(pair, silent):
    qmp, theirs = pair
    if not silent:
        theirs.close()
    with pytest.raises(MachineError) as caught:
        qmp.execute("query-status", deadline=Deadline(0.2))
    assert caught.value.code == ("deadline" if silent else "monitor")
