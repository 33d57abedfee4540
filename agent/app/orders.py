"""What people order on the camera's page: operations of the login socket, beside those of agent.app.login."""

from agent.app.bringing import UPLOAD_LASTS_S
from agent.app.office import refusal_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from agent.app.accounts import Accounts
    from agent.app.asked import Asked
    from agent.app.grants import Grant, Grants
    from agent.app.office import Office, Refusal
    from agent.formats.errors import CamwardError

    class Granted(Protocol):
        """`Login.granted`."""

        def __call__(self, asked: Asked, administrator: bool = False) -> Grant | None:
            """The grant of the request, or None after it was refused."""
            ...


UPLOADER = "upload"
"""The role of a ticket that ends an upload, and does nothing else; no account has it."""


class Orders:
    """Answers `update_now`, `settings`, `offer`, `install`, `postpone`, `upload` and `install_bundle`."""

    def __init__(self, accounts: "Accounts", grants: "Grants", office: "Office", granted: "Granted") -> None:
        self._accounts = accounts
        self._grants = grants
        self._office = office
        self._granted = granted

    def operations(self) -> "dict[str, Callable[[Asked], None]]":
        """The operations by name."""
        return {
            "update_now": self._update_now,
            "settings": self._settings,
            "offer": self._offer,
            "install": self._install,
            "postpone": self._postpone,
            "upload": self._upload,
            "install_bundle": self._install_bundle,
        }

    def _update_now(self, asked: "Asked") -> None:
        if self._granted(asked, administrator=True) is not None:
            started(asked, self._office.update_now())

    def _settings(self, asked: "Asked") -> None:
        if self._granted(asked, administrator=True) is not None:
            given = {name: value for name, value in asked.arguments.items() if name != "grant"}
            started(asked, self._office.settle(given))

    def _offer(self, asked: "Asked") -> None:
        if self._granted(asked) is not None:
            asked.yes({"path": self._office.offering.path()})

    def _install(self, asked: "Asked") -> None:
        if self._granted(asked, administrator=True) is not None:
            started(asked, self._office.install(asked.arguments["version"]))

    def _postpone(self, asked: "Asked") -> None:
        if self._granted(asked, administrator=True) is not None:
            refusal, until = self._office.postpone(asked.arguments["hours"])
            if refusal is not None:
                asked.no(refusal[0], {"detail": refusal[1][:300]})
            else:
                asked.yes({"task": "started", "until": until})

    def _upload(self, asked: "Asked") -> None:
        grant = self._granted(asked, administrator=True)
        if grant is None:
            return
        length, user = asked.arguments["length"], grant.user
        if not length or any(character not in "0123456789" for character in length):
            asked.no("bad_request", {"detail": "length is no number"})
            return

        def told(path: str, error: "CamwardError | None") -> None:
            if error is not None:
                started(asked, refusal_of(error))
            else:
                ticket = self._grants.give(user, UPLOADER, asked.service, False, UPLOAD_LASTS_S)
                asked.yes({"path": path, "ticket": ticket})

        self._office.bringing.upload(int(length), told)

    def _install_bundle(self, asked: "Asked") -> None:
        """With the ticket of the upload: on a slow camera it lasts longer than a grant."""
        ticket = self._grants.find(asked.arguments["ticket"], asked.service)
        account = self._accounts.users.get(ticket.user) if ticket is not None else None
        if ticket is None or ticket.role != UPLOADER or account is None or account.role != "administrator":
            asked.no("denied")
            return
        self._office.install_upload(lambda error: started(asked, refusal_of(error)))


def started(asked: "Asked", refusal: "Refusal | None") -> None:
    """Answer what has begun, or has not."""
    if refusal is not None:
        asked.no(refusal[0], {"detail": refusal[1][:300]})
    else:
        asked.yes({"task": "started"})
