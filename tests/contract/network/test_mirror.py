"""A mirror that the director names serves corrupt blocks: they cost one more fetch each, from the operator's server."""

import contextlib
import http.server
import re
import shutil
import ssl
import threading
from datetime import UTC, datetime

import pytest

from agent.app.medium import UNIT_BLOCKS
from agent.app.sources import MOST_PIECE_BYTES
from agent.formats.block_tree import BLOCK_BYTES
from firmware_sim.faults.relay import Line, Relay
from tests.contract.network import ledger
from tests.contract.network.front import Front
from tests.contract.network.site import SLOT_BLOCKS, camera_at, most_bytes
from tests.contract.ports.board import wait_for
from tests.contract.server import harness
from update_server.pki.authority import Authority

HERE, THERE, MIRROR = "127.0.0.1", "127.0.0.2", "127.0.0.3"
RATE_BYTES_PER_S = 1_000_000  # so that little is on its way at any moment, and what is given up is not sent either
# What was on its way when the mirror was caught is given up with it: what had come of a unit that was not judged yet,
# and two pieces.
IN_FLIGHT_BLOCKS = UNIT_BLOCKS + 2 * MOST_PIECE_BYTES // BLOCK_BYTES


class Mirror:
    """Serves the targets of a server, some blocks of one of them wrong.

    Attributes:
        wrong: numbers of the blocks that are wrong, in whatever is no tree.
    """

    def __init__(self, server, folder):
        self.wrong = set()
        pki = folder / "mirror"
        shutil.copytree(server.folder / "pki", pki)
        Authority(pki).write_server((MIRROR,), datetime.now(UTC))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki / "server.pem", pki / "server.key.pem")
        self.keys = folder / "mirror-keys.txt"
        context.keylog_filename = str(self.keys)
        mirror, blobs = self, server.folder / "targets"

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = blobs / self.path.rpartition("/")[2]
                if not path.is_file():
                    self.send_error(404)
                    return
                first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
                body = mirror.content(path)[first : last + 1]
                self.send_response(206)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Range", f"bytes {first}-{first + len(body) - 1}/*")
                self.end_headers()
                with contextlib.suppress(OSError):  # who asked may have given up
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._http = http.server.ThreadingHTTPServer((HERE, 0), Handler)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever)
        self._thread.start()

    def content(self, path):
        body = bytearray(path.read_bytes())
        if not path.name.endswith(".tree"):
            for block in self.wrong:
                body[block * BLOCK_BYTES + 9] ^= 1
        return bytes(body)

    def close(self):
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def mirrored(tmp_path):
    server = harness.make_server(tmp_path / "s", host=THERE, listen=HERE)
    mirror = Mirror(server, tmp_path)
    settings = server.folder / "server.toml"
    text, count = re.subn(r"(?m)^mirrors = .*$", f'mirrors = ["https://{MIRROR}:{mirror.port}"]', settings.read_text())
    assert count == 1
    settings.write_text(text)
    harness.start(server)
    try:
        with (
            Front((HERE, 0), server, tmp_path, THERE) as front,
            Relay((THERE, server.device_port), front.address, records=True) as relay,
            Relay(
                (MIRROR, mirror.port), (HERE, mirror.port), Line(bytes_per_s=RATE_BYTES_PER_S), records=True
            ) as mirrors,
            Relay((THERE, server.mqtt_port), (HERE, server.mqtt_port)),
            camera_at(server, tmp_path, front, relay.to_camera_bytes, relay.recordings) as site,
        ):
            yield site, mirror, mirrors
    finally:
        harness.stop(server)
        mirror.close()


def test_corrupt_blocks_of_a_mirror_are_fetched_once_more_elsewhere_and_the_mirror_is_reported(mirrored):
    site, mirror, mirrors = mirrored
    sent = mirrors.to_camera_bytes
    # An honest mirror first: the operator's server sends no block at all.
    version = site.release(changed=SLOT_BLOCKS)
    begin = site.carried()
    site.order(version)
    assert site.completed(version, begin) <= most_bytes(0)
    assert SLOT_BLOCKS * BLOCK_BYTES <= sent() <= most_bytes(SLOT_BLOCKS)
    assert "source_lied" not in reported(site)

    mirror.wrong = {200, 201, 300}
    version = site.release(changed=SLOT_BLOCKS)
    begin, before = site.carried(), sent()
    site.order(version)
    from_server = site.completed(version, begin)
    from_mirror = sent() - before
    assert from_mirror >= min(mirror.wrong) * BLOCK_BYTES
    most = most_bytes(SLOT_BLOCKS + len(mirror.wrong) + IN_FLIGHT_BLOCKS, connections=8)
    assert from_server + from_mirror <= most
    lied = [answer for answer in ledger.answers(mirrors.recordings(), mirror.keys) if version in answer[0].path]
    twice = ledger.blocks(lied) & ledger.blocks(site.got(version))
    assert min(twice) == min(mirror.wrong), "a block that was right came twice, or the lie stayed"
    assert len(twice) <= IN_FLIGHT_BLOCKS
    assert ledger.again(lied) == ledger.again(site.got(version)) == []
    wait_for(lambda: "source_lied" in reported(site), "the report of the lie")
    assert "refused" not in reported(site)


def reported(site):
    device = site.board.status()["device"]
    shown = site.server.json("device", "show", device)
    return [event["event"] for event in shown["updates"]]
