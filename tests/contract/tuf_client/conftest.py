"""One HTTP server for all tests of the TUF client, a repository and a client for each."""

import pytest

from tests.contract.tuf_client.simulator import Client, Host


@pytest.fixture(scope="session")
def host():
    made = Host()
    yield made
    made.stop()


@pytest.fixture
def site(host):
    return host.site()


@pytest.fixture
def client(tmp_path, site):
    """A client that trusts the site's first root."""
    made = Client(tmp_path, site)
    assert made.init() == 0
    return made
