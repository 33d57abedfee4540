"""A running server with its broker, a published release, and cameras, for the contract tests."""

import secrets
import subprocess
import time

import pytest

from tests.contract.server import harness


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with harness.running(tmp_path_factory.mktemp("server") / "s") as made:
        yield made


@pytest.fixture
def new_camera(server, tmp_path):
    counter = iter(range(1000))

    def make(serial=None):
        number = next(counter)
        return harness.Camera(server, tmp_path / f"camera{number}", serial or f"KW1-{time.monotonic_ns() % 10**9:09d}")

    return make


@pytest.fixture
def camera(new_camera):
    return new_camera().enrol()


@pytest.fixture(scope="session")
def release(server, tmp_path_factory):
    return harness.add_release(server, tmp_path_factory.mktemp("build"), "1.1.0")


@pytest.fixture(scope="session")
def tools():
    """The helpers, for tests that need more than the fixtures."""
    return harness


@pytest.fixture(scope="session")
def token(tmp_path_factory):
    """A PKCS#11 token: its folder, and the environment in which programs find it. The PIN lies in a file.

    One for the session: a process knows the tokens that were there when it opened the first.
    """
    home = tmp_path_factory.mktemp("token")
    (home / "tokens").mkdir()
    (home / "softhsm2.conf").write_text(f"directories.tokendir = {home}/tokens\nobjectstore.backend = file\n")
    environment = {"SOFTHSM2_CONF": str(home / "softhsm2.conf")}
    (home / "pin").write_text(secrets.token_urlsafe(9))
    with harness.environment(environment):
        subprocess.run(
            ["softhsm2-util", "--init-token", "--free", "--label", "camward",
             "--pin", (home / "pin").read_text(), "--so-pin", secrets.token_urlsafe(9)],
            check=True, capture_output=True,
        )  # fmt: skip
        yield home
