"""The real agent process updates without a server: from a bundle on a stick, through the page, from static files."""

import http.client
import json
import ssl
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agent.formats import bundle
from tests.contract.camera.camera_process import make_certificate
from tests.contract.ports.board import CODE, Board, wait_for
from tests.contract.server import harness

PASSWORD = "violet harbour seventeen lanterns"
PIECE_BYTES = 60 * 1024


@pytest.fixture(scope="module")
def maker(tmp_path_factory):
    """The manufacturer's server, which no camera reaches: 1.1.0 is released, a bundle and static files are made."""
    folder = tmp_path_factory.mktemp("maker")
    made = harness.make_server(folder / "s")
    slot, _ = harness.add_release(made, folder / "build", "1.1.0")
    made.run("bundle", "make", "1.1.0", "-o", folder / "kawa.bundle")
    made.run("release", "export", folder / "public")
    return made, slot.read_bytes(), folder


@pytest.fixture
def board(tmp_path, maker):
    server, slot, _ = maker
    image_root = (server.folder / "tuf/image/1.root.json").read_bytes()
    factory, _, _ = harness.write_build(tmp_path / "factory", "1.0.0")
    made = Board(tmp_path / "board", image_root)
    made.leave_factory(factory.read_bytes())
    made.known["1.1.0"] = slot
    made.power_on()
    made.start_camera()
    reply = made.ask("web", "claim", code=CODE, user="admin", password=PASSWORD)
    assert reply["ok"], reply
    yield made
    assert made.stop().replace(f"camward-agent: no watchdog: {made.folder}/no-watchdog\n", "") == ""


def install(board, *arguments):
    """`camward-agent install`, as its console script does it."""
    line = [sys.executable, "-m", "agent.main", "install", *map(str, arguments), "--run", str(board.run)]
    line += ["--state", str(board.state)]
    return subprocess.run(line, check=False, capture_output=True, text=True, timeout=120)


def committed(board):
    board.wait_for_restart()
    assert board.boots[-2:] == [("a", "1.0.0"), ("b", "1.1.0")]
    board.says("camward-agent: healthy")
    wait_for(lambda: board.status()["update"]["phase"] == "idle", "the commit")
    assert board.slot("b").startswith(board.known["1.1.0"])


def test_a_bundle_is_installed_from_the_command_line_and_committed(board, maker):
    _, _, folder = maker
    done = install(board, folder / "kawa.bundle")
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == "1.1.0: the signatures are good; installing."
    assert said[-1] == "Written and verified. The camera restarts into the new version by itself."
    committed(board)
    again = install(board, folder / "kawa.bundle")
    assert again.returncode == 1
    assert again.stderr.startswith("camward-agent: nothing_new: ")


def test_what_is_refused_ends_with_one_line_and_changes_nothing(board, maker, tmp_path):
    _, _, folder = maker
    body = (folder / "kawa.bundle").read_bytes()
    slot_b = board.slot("b")
    head = bundle.parse_head(body[: bundle.HEAD_BYTES])
    index = bundle.parse_index(body[bundle.HEAD_BYTES : bundle.HEAD_BYTES + head.index_bytes], head, "")
    at = next(offset for path, (offset, _) in index.files.items() if path.endswith(".targets.json")) + 300
    for name, tampered in (
        ("format", body[:-1]),
        ("mix_and_match", body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]),
    ):
        (tmp_path / "other.bundle").write_bytes(tampered)
        done = install(board, tmp_path / "other.bundle")
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith(f"camward-agent: {name}: "), done.stderr
    assert install(board, tmp_path / "nothing.bundle").stderr.startswith("camward-agent: bundle_gone: ")
    assert install(board, "/dev/zero").stderr.startswith("camward-agent: format: ")
    assert install(board).stderr.startswith("camward-agent: nothing_new: ")
    assert board.slot("b") == slot_b
    assert install(board, folder / "kawa.bundle", "--no-wait").returncode == 0
    committed(board)


class Page:
    """The camera's page, as a browser talks to it whose owner has accepted this camera's own certificate."""

    def __init__(self, board):
        context = ssl.create_default_context(cafile=board.state / "web/cert.pem")
        context.check_hostname = False  # the certificate names no loopback address; it is pinned itself
        self._connect = lambda: http.client.HTTPSConnection("127.0.0.1", board.ports[0], context=context, timeout=60)
        self._cookie = ""
        _, answer, headers = self.post("/api/login", {"user": "admin", "password": PASSWORD})
        assert answer["ok"], answer
        self._cookie = headers["set-cookie"].partition(";")[0]

    def post(self, path, body, content_type="application/json", ticket=""):
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        connection = self._connect()
        try:
            connection.request(
                "POST", path, data, {"Content-Type": content_type, "Cookie": self._cookie, "Camward-Upload": ticket}
            )
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()), answer.headers
        finally:
            connection.close()


def test_a_bundle_is_uploaded_on_the_page_and_installed_and_goes_again(board, maker):
    _, _, folder = maker
    body = (folder / "kawa.bundle").read_bytes()
    page = Page(board)
    status, answer, _ = page.post("/api/bundle", {"length": str(len(body))})
    assert status == 200, answer
    ticket = answer["ticket"]
    upload = board.state / "bundle" / "upload.bundle"
    assert upload.stat().st_size == len(body)
    for at in range(0, len(body), PIECE_BYTES):
        piece = body[at : at + PIECE_BYTES]
        assert page.post(f"/api/bundle/piece?at={at}", piece, "application/octet-stream", ticket)[1] == {"ok": True}
    assert upload.read_bytes() == body
    status, answer, _ = page.post("/api/bundle/install", {}, ticket=ticket)
    assert status == 202, answer
    committed(board)
    wait_for(lambda: not upload.exists(), "the upload to be removed")


def test_an_upload_that_is_no_bundle_is_refused_and_removed(board):
    page = Page(board)
    ticket = page.post("/api/bundle", {"length": "5000"})[1]["ticket"]
    status, answer, _ = page.post("/api/bundle/install", {}, ticket=ticket)
    assert status == 400
    assert answer["detail"].startswith("format: ")
    wait_for(lambda: not (board.state / "bundle" / "upload.bundle").exists(), "the upload to be removed")
    status, answer, _ = page.post("/api/bundle", {"length": str(10**11)})
    assert (status, answer["detail"].partition(":")[0]) == (400, "bundle_length")


@pytest.fixture
def static(tmp_path, maker):
    """Any web server, hosting the manufacturer's exported files below a folder; its URL and its certificate."""
    _, _, folder = maker
    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Handler(Ranged):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}/public/", certificate
    server.shutdown()
    thread.join()
    server.server_close()


class Ranged(SimpleHTTPRequestHandler):
    """Static files, with the single ranges that every web server knows."""

    def log_message(self, *arguments):
        """Nothing."""

    def do_GET(self):
        asked = self.headers.get("Range")
        if asked is None:
            super().do_GET()
            return
        first, last = map(int, asked.removeprefix("bytes=").split("-"))
        with open(self.translate_path(self.path), "rb") as file:
            file.seek(first)
            body = file.read(last + 1 - first)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{first + len(body) - 1}/*")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_a_public_repository_of_static_files_is_announced_and_installed(board, static):
    url, certificate = static
    board.kill()
    board.console.clear()
    board.releases = {"url": url, "ca": str(certificate), "check_interval_s": 5}
    board.power_on()
    offer = wait_for(lambda: board.status()["offer"].get("version") and board.status()["offer"], "the announcement")
    assert (offer["version"], offer["severity"]) == ("1.1.0", "high")
    about = json.loads((board.run / "offer.json").read_text())
    assert about["notes"]["ja"] == "改善しました。"
    done = install(board)
    assert done.returncode == 0, done.stderr
    committed(board)
