"""Gives root up for good, after the ports below 1024 are bound."""

import os

from firmware_sim.camera.config import RunAs


class PrivilegeError(Exception):
    """Root could not be given up: the application must not go on."""


def drop_privileges(account: RunAs) -> None:
    """Become the account, without supplementary groups and without a way back.

    Raises:
        PrivilegeError: the system refused, or root could be had again.
    """
    try:
        os.setgroups([])
        os.setgid(account.gid)
        os.setuid(account.uid)
    except OSError as error:
        raise PrivilegeError(f"cannot become uid {account.uid}: {error}") from error
    if os.getresuid() != (account.uid,) * 3 or os.getresgid() != (account.gid,) * 3:
        raise PrivilegeError("the account did not change completely")
    try:
        os.setuid(0)
    except OSError:
        return
    raise PrivilegeError("root could be had again")
