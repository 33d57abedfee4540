"""An eavesdropper with tshark between a real agent, its camera, the server and the broker reads nothing at all."""

import contextlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from firmware_sim.demo.wire import Capture, begins_with_hello, tls_records
from tests.contract.ports.board import CODE, Board, wait_for
from tests.contract.ports.hostile_broker import publish
from tests.contract.ports.test_agent_process import PASSWORD, claim, enrol
from tests.contract.server import harness

SLOT = bytes(range(256)) * 64
PLAIN_MQTT_PORT = 1883  # where tshark expects it


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with harness.running(tmp_path_factory.mktemp("server") / "s") as made:
        yield made


@pytest.fixture
def tshark(tmp_path):
    """Begins to capture everything on the loopback; the file, once `stop` was called."""

    class Tshark:
        file = tmp_path / "wire.pcap"
        process = None

        def start(self):
            command = ["tshark", "-q", "-i", "lo", "-F", "pcap", "-w", str(self.file), "-a", "filesize:200000"]
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            wait_for(lambda: self.file.exists() and self._sees(), "tshark")

        def _sees(self):
            with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.suppress(OSError):
                socket.create_connection(listener.getsockname(), 1).close()
            return self.file.stat().st_size > 1000

        def stop(self):
            time.sleep(1)  # what was sent last is still on its way to the file
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)
            self.process.stderr.close()
            return Capture(self.file)

        def understood(self, wanted):
            """How many packets of a port tshark reads as MQTT or HTTP without keys."""
            command = ["tshark", "-r", str(self.file), "-Y", f"(mqtt || http) && tcp.port == {wanted}"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            return len(done.stdout.splitlines())

    made = Tshark()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()
        made.process.stderr.close()


def speak_plainly(device_id):
    """The control: what a camera without any of this would say to a broker."""
    with socket.create_server(("127.0.0.1", PLAIN_MQTT_PORT)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection:
                while connection.recv(4096):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        with socket.create_connection(("127.0.0.1", PLAIN_MQTT_PORT)) as plain:
            plain.sendall(bytes.fromhex("100d00044d51545405020000000000"))
            plain.sendall(
                publish(f"camward/1/{device_id}/up/alarm".encode(), PASSWORD.encode() + b" claim " + CODE.encode())
            )
        thread.join()


def test_nothing_that_the_agent_says_can_be_read_on_the_wire(tmp_path, server, tshark):
    tshark.start()
    board = Board(tmp_path / "board", (server.folder / "tuf/image/1.root.json").read_bytes())
    board.leave_factory(SLOT)
    try:
        board.power_on()
        board.start_camera()
        enrol(board, server, claim(board))
        device = board.status()["device"]
        wait_for(lambda: board.status()["link"] == "up", "the session")
        wait_for(lambda: server.json("device", "show", device)["telemetry"], "telemetry at the server")
        wait_for(lambda: server.json("device", "show", device)["evidence"], "evidence at the server")
        speak_plainly(device)
    finally:
        board.stop()
    found = tshark.stop()
    secrets = [
        device,
        board.serial,
        PASSWORD,
        CODE,
        "camward/1/",
        "telemetry",
        "/tuf/",
        "Authorization",
        "simpleenroll",
    ]
    ports = (server.device_port, server.mqtt_port, *board.ports)
    for port in ports:
        streams = found.of_port(port)
        assert any(begins_with_hello(stream.data) for stream in streams), port
        for stream in streams:
            if begins_with_hello(stream.data):
                assert tls_records(stream.data) is not None, port
            else:  # the ingest's own session began before we listened
                assert port == server.mqtt_port
            readable = [text for text in secrets if text.encode() in stream.data]
            assert readable == [], port
        assert tshark.understood(port) == 0
    (plain,) = found.towards(PLAIN_MQTT_PORT)
    assert [text for text in secrets if text.encode() in plain.data] == [device, PASSWORD, CODE, "camward/1/"]
    assert tshark.understood(PLAIN_MQTT_PORT) > 0, "the control: tshark reads what is not encrypted"
    assert not re.search(rb"camward-ingest|Camward fleet CA", b"".join(one.data for one in found.of_port(ports[1])))
