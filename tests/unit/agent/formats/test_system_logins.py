"""`system_logins`: what an administrator is to the operating system."""

import pytest

from agent.formats import system_logins
from agent.formats.errors import FormatError

GOOD = {"first_uid": 2000, "gid": 2000, "home": "/", "shell": "/bin/sh"}


@pytest.mark.parametrize("home", ["/", "/home/kanri", "/tmpfiles", "/usr/lib/camward"])
def test_a_home_that_root_alone_writes_is_taken(home):
    assert system_logins.parse({**GOOD, "home": home}).home == home


@pytest.mark.parametrize(
    "home", ["/tmp", "/tmp/", "//tmp", "/data/home", "/run/user", "/dev/shm", "/usr/../tmp", "/./tmp"]
)
def test_a_home_where_others_may_write_is_refused(home):
    """Its `.profile` would be commands in the name of whoever logs in, written by whoever was there before."""
    with pytest.raises(FormatError):
        system_logins.parse({**GOOD, "home": home})
