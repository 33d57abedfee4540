"""Taking a user away: an operation of the login socket, beside those of agent.app.login."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.accounts import Accounts
    from agent.app.asked import Asked
    from agent.app.credentials import Credentials
    from agent.app.grants import Grants
    from agent.app.orders import Granted


class Removing:
    """Answers `remove_user`."""

    def __init__(self, accounts: "Accounts", credentials: "Credentials", grants: "Grants", granted: "Granted") -> None:
        self._accounts = accounts
        self._credentials = credentials
        self._grants = grants
        self._granted = granted

    def operations(self) -> "dict[str, Callable[[Asked], None]]":
        """The operations by name."""
        return {"remove_user": self._remove_user}

    def _remove_user(self, asked: "Asked") -> None:
        if self._granted(asked, administrator=True) is None:
            return
        user, users = asked.arguments["user"], self._accounts.users
        if user not in users:
            asked.no("bad_request", {"detail": "no such user"})
        elif [name for name, one in users.items() if one.role == "administrator"] == [user]:
            asked.no("bad_request", {"detail": "a camera keeps one administrator"})
        else:
            error = self._credentials.remove(user)
            if error is not None:
                asked.no("busy", {"detail": str(error)[:300]})
                return
            self._grants.revoke(user)
            asked.yes({})
