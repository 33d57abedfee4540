"""What the ports BundleReader and Uploads promise, by the real adapters and by the simulated ones."""

import os
import stat

import pytest

from agent.adapters.linux.bundle_fetcher import BundleFile
from agent.adapters.linux.uploads import FILE_NAME, FileUploads
from agent.formats import bundle
from agent.formats.bundle import BundleGone, NoRoom
from agent.formats.delivery import Source
from agent.formats.errors import FormatError
from firmware_sim.world import bundle as worlds
from firmware_sim.world.power import Power
from firmware_sim.world.store import Documents

SLOT = bytes(range(256)) * 40
FILES = {
    "/tuf/image/timestamp.json": b'{"signed":1}',
    "/tuf/director/me/timestamp.json": b"mine",
    "/tuf/director/other/timestamp.json": b"other's",
    "/targets/" + "ab" * 32 + ".slot": SLOT,
}
TARGET = "/targets/" + "ab" * 32 + ".slot"
OWN = Source("", "")


class Linux:
    def __init__(self, folder):
        self.folder = folder
        self.reader = BundleFile()
        self.uploads = FileUploads(folder / "bundle", os.getegid())

    def put(self, name, body):
        (self.folder / name).write_bytes(body)
        return str(self.folder / name)

    def shorten(self, name):
        os.truncate(self.folder / name, 600)

    def written(self, path, body):
        with open(path, "r+b") as file:
            file.write(body)


class World:
    def __init__(self, _folder):
        self.documents = Documents(Power())
        self.sticks = {}
        self.reader = worlds.WorldBundle(self.sticks, self.documents)
        self.uploads = worlds.WorldUploads(self.documents)

    def put(self, name, body):
        self.sticks["/media/" + name] = body
        return "/media/" + name

    def shorten(self, name):
        self.sticks["/media/" + name] = self.sticks["/media/" + name][:600]

    def written(self, _path, body):
        self.uploads.fill(body)


@pytest.fixture(params=[Linux, World])
def side(request, tmp_path):
    made = request.param(tmp_path)
    yield made
    made.reader.close()


def test_what_is_in_the_bundle_is_read_in_whole_and_in_parts(side):
    path = side.put("a", worlds.make(FILES, "kawa.slot"))
    found = side.reader.open(path, "me")
    assert (found.release, found.devices) == ("kawa.slot", 2)
    get = side.reader.get
    assert get("/tuf/image/timestamp.json", 100) == b'{"signed":1}'
    assert get("/tuf/director/me/timestamp.json", 100) == b"mine"
    assert get("/tuf/director/other/timestamp.json", 100) is None
    assert get("/tuf/image/9.root.json", 100) is None
    assert get(TARGET, 9) == SLOT[:10]  # one byte more than allowed: there was more
    assert get(TARGET, 10**6, 100, 50) == SLOT[100:150]
    assert get(TARGET, 10**6, len(SLOT) - 7, 50) == SLOT[-7:]
    assert get(TARGET, 10**6, len(SLOT) + 7, 50) == b""


def test_pieces_are_whole_multiples_and_never_empty(side):
    side.reader.open(side.put("a", worlds.make(FILES, "kawa.slot")), "me")
    read = side.reader.read
    assert read(OWN, TARGET, 0, len(SLOT), 8192, 4096) == SLOT[:8192]
    assert read(OWN, TARGET, 4096, len(SLOT), 10**6, 4096) == SLOT[4096:8192]
    assert read(OWN, TARGET, 0, 10, 10**6, 1) == SLOT[:10]
    for wrong in ((OWN, TARGET, 8192, 12288, 4096, 4096), (OWN, "/targets/no.slot", 0, 10, 10, 1)):
        with pytest.raises(BundleGone):
            read(*wrong)
    with pytest.raises(BundleGone):
        read(Source("https://mirror.test", ""), TARGET, 0, 10, 10, 1)


def test_a_file_that_is_no_whole_bundle_is_refused_and_none_is_open_then(side):
    whole = worlds.make(FILES, "kawa.slot")
    for body in (b"", b"CWBNDL1\n", whole[:-1], whole + b"\0", b"x" + whole[1:], whole[:60] + b"\0" + whole[61:]):
        with pytest.raises(FormatError):
            side.reader.open(side.put("a", body), "me")
        with pytest.raises(BundleGone):
            side.reader.get(TARGET, 10)


def test_without_a_file_there_is_nothing(side):
    with pytest.raises(BundleGone):
        side.reader.get(TARGET, 10)
    with pytest.raises(BundleGone):
        side.reader.open("/media/nowhere/at-all", "me")
    side.reader.open(side.put("a", worlds.make(FILES, "kawa.slot")), "me")
    side.reader.close()
    side.reader.close()
    with pytest.raises(BundleGone):
        side.reader.get(TARGET, 10)


def test_a_file_that_ends_early_later_on_is_gone(side):
    side.reader.open(side.put("a", worlds.make(FILES, "kawa.slot")), "me")
    side.shorten("a")
    with pytest.raises(BundleGone):
        side.reader.read(OWN, TARGET, 0, len(SLOT), 8192, 4096)


def test_an_upload_has_its_room_and_is_there_until_it_is_discarded(side):
    path = side.uploads.begin(5000)
    side.written(path, b"abc")
    assert side.uploads.finish() == path
    with pytest.raises(FormatError):
        side.reader.open(path, "me")
    whole = worlds.make(FILES, "kawa.slot")
    side.written(side.uploads.begin(len(whole)), whole)
    assert side.reader.open(side.uploads.finish(), "me").release == "kawa.slot"
    side.uploads.discard()
    side.uploads.discard()
    with pytest.raises(BundleGone):
        side.uploads.finish()


def test_more_than_there_is_room_for_is_refused_and_nothing_is_left(side):
    side.uploads.begin(10)
    with pytest.raises(NoRoom, match=str(10**15)):
        side.uploads.begin(10**15)
    with pytest.raises(BundleGone):
        side.uploads.finish()


# The real one alone


@pytest.mark.parametrize("path", ["/dev/zero", "/dev", "/proc/self/mem\0x"])
def test_what_is_no_file_is_no_bundle(path):
    with pytest.raises((FormatError, BundleGone)):
        BundleFile().open(path, "me")


def test_a_pipe_keeps_nobody_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError):
        BundleFile().open(str(tmp_path / "pipe"), "me")


def test_an_upload_is_the_cameras_to_write_and_then_the_agents_alone(tmp_path):
    uploads = FileUploads(tmp_path / "bundle", os.getegid())
    uploads.begin(10)
    file = tmp_path / "bundle" / FILE_NAME
    assert stat.S_IMODE(file.stat().st_mode) == 0o660
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o710
    uploads.finish()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_reserve_is_left_for_the_rest(tmp_path):
    free = os.statvfs(tmp_path)
    uploads = FileUploads(tmp_path / "bundle", os.getegid(), reserve_bytes=free.f_bavail * free.f_frsize + 2**30)
    with pytest.raises(NoRoom, match="room for 0"):
        uploads.begin(bundle.HEAD_BYTES)


def test_a_planted_link_is_not_followed(tmp_path):
    uploads = FileUploads(tmp_path / "bundle", os.getegid())
    uploads.begin(10)
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "bundle" / FILE_NAME).unlink()
    (tmp_path / "bundle" / FILE_NAME).symlink_to(tmp_path / "precious")
    uploads.begin(10)
    assert (tmp_path / "precious").read_bytes() == b"precious"
