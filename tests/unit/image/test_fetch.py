"""Packages come from a mirror through apt, and only the locked bytes are used. The mirror here is on this machine."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from firmware_sim.image.errors import ImageError, PackageGone
from firmware_sim.image.fetch import fetch_packages
from firmware_sim.image.locks import LockedPackage
from firmware_sim.image.mirror import MIRROR_VARIABLE, address_of
from firmware_sim.image.store import Store

BODY = b"a package, as far as fetching is concerned"
PATH = "pool/main/x/x/x_1_all.deb"
LOCKED = LockedPackage("x", "1", hashlib.sha256(BODY).hexdigest(), len(BODY), PATH)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "mirror"
    (folder / PATH).parent.mkdir(parents=True)
    (folder / PATH).write_bytes(BODY)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv(MIRROR_VARIABLE, f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "build")


def test_a_package_is_fetched_once(mirror: Path, store: Store):
    notes: list[str] = []
    path = fetch_packages(store, [LOCKED], notes.append)["x"]
    assert path.read_bytes() == BODY
    (mirror / PATH).unlink()
    assert fetch_packages(store, [LOCKED], notes.append)["x"] == path
    assert notes == ["downloading 1 packages"]


def test_a_damaged_cache_entry_is_noticed_and_fetched_again(mirror: Path, store: Store):
    notes: list[str] = []
    path = fetch_packages(store, [LOCKED], notes.append)["x"]
    path.write_bytes(b"damaged")
    assert fetch_packages(store, [LOCKED], notes.append)["x"].read_bytes() == BODY
    assert any("damaged" in note for note in notes)


def test_a_package_that_is_gone_names_relock_and_leaves_nothing(mirror: Path, store: Store):
    (mirror / PATH).unlink()
    with pytest.raises(PackageGone, match="camward-sim relock"):
        fetch_packages(store, [LOCKED], lambda _: None)
    assert not list(store.cache.rglob("*.deb"))


def test_other_bytes_under_the_same_name_are_refused(mirror: Path, store: Store):
    (mirror / PATH).write_bytes(BODY + b"!")
    with pytest.raises(PackageGone, match="other bytes"):
        fetch_packages(store, [LOCKED], lambda _: None)
    assert not list(store.cache.rglob("*.deb"))


def test_a_mirror_that_does_not_answer_is_no_reason_to_relock(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(MIRROR_VARIABLE, "http://127.0.0.1:9")
    with pytest.raises(ImageError, match="check the network") as caught:
        fetch_packages(store, [LOCKED], lambda _: None)
    assert not isinstance(caught.value, PackageGone)


def test_security_updates_come_from_the_archive_that_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    said = (
        "contrib trixie http://m.invalid/debian/\nmain trixie http://m.invalid/debian/\n"
        "main trixie-updates http://m.invalid/debian/\nmain trixie-security http://s.invalid/debian-security/\n"
        "main stable http://other.invalid/tool/\n"
    )
    tool = tmp_path / "bin/apt-get"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\nprintf '{said}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)
    assert address_of(PATH) == f"http://m.invalid/debian/{PATH}"
    assert address_of("pool/updates/main/x/x_2_all.deb") == (
        "http://s.invalid/debian-security/pool/updates/main/x/x_2_all.deb"
    )
    monkeypatch.setenv(MIRROR_VARIABLE, "http://mine.invalid/debian")
    assert address_of(PATH) == f"http://mine.invalid/debian/{PATH}"
    with pytest.raises(PackageGone, match="security updates"):
        address_of("pool/updates/main/x/x_2_all.deb")
