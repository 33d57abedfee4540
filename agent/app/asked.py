"""One request on a login socket, and how to answer it."""

from agent.formats import login
from agent.formats.errors import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.app.desk import Desk
    from agent.formats.login import Request


class Asked:
    """One request and how to answer it, once."""

    def __init__(self, desk: "Desk", connection: int, service: str, request: "Request") -> None:
        self._desk = desk
        self._connection = connection
        self.service = service
        self.source = request.source
        self.arguments = request.arguments

    def yes(self, members: "dict[str, Any]") -> None:
        """Answer ok; an answer that does not fit a line becomes a refusal."""
        try:
            line = login.encode_reply(members)
        except FormatError as error:
            line = login.encode_refusal("busy", {"detail": str(error)[:200]})
        self._desk.send(self._connection, line)

    def no(self, code: str, members: "dict[str, Any] | None" = None) -> None:
        """Refuse with a code of the protocol."""
        self._desk.send(self._connection, login.encode_refusal(code, members or {}))
