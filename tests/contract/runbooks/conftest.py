"""One office, made once and copied for each test."""

import shutil
import time

import pytest

from tests.contract.runbooks.office import PASSPHRASE, Office
from tests.contract.server import harness
from tests.server_program import server_program


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """A folder for PATH with `camward-server` in it."""
    with server_program(tmp_path_factory.mktemp("bin")) as found:
        yield found.parent


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("office") / "made"
    folder.mkdir()
    (folder / "passphrase").write_text(PASSPHRASE + "\n")
    harness.command(
        "init", folder / "server", "--operator", "River Office", "--host", "127.0.0.1",
        "--offline-keys", folder / "safe", "--passphrase-file", folder / "passphrase",
    )  # fmt: skip
    for name in ("image", "director"):  # what holders of root keys have kept
        shutil.copy(folder / "server/tuf" / name / "1.root.json", folder / f"safe/{name}-1.root.json")
    office = Office(folder, folder)
    office.add_release("1.0.0")
    office.add_release("1.1.0")
    return folder


@pytest.fixture
def office(made, program, tmp_path):
    shutil.copytree(made, tmp_path / "office")
    return Office(tmp_path / "office", program)


@pytest.fixture
def camera(office):
    """A camera that runs 1.0.0, has been told to install 1.1.0, and would."""
    known = office.enrol()
    office.command("device", "assign", known.id, "1.1.0")
    assert known.check(office.fetch(known)) == "1.1.0"
    return known


@pytest.fixture
def now():
    return int(time.time())
