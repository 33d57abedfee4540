"""The link, for the camera's other programs (docs/link-socket.md): each has topics and bounds of its own.

Nothing of theirs is sent while anything of the agent's waits, and no more than MAX_FLYING messages of theirs are in
flight, beside the agent's own: no program holds up an alarm. Of one program one message is in flight, so its order
stays; programs have their turns one after the other. What they send is not sealed, and not the server's to read.
"""

from binascii import hexlify

from agent.app.reporting import IN_FLIGHT, PUBACK_S
from agent.app.shelf import FOLDER, Full, Shelf, first_number
from agent.core.rate import Bucket
from agent.formats import program_line
from agent.formats.errors import FormatError, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.app.desk import Desk
    from agent.app.reporting import Reporting
    from agent.app.shelf import Kept
    from agent.app.trusted_time import TrustedTime
    from agent.formats.program_line import Request
    from agent.formats.programs import Program

SERVICE = "program/"  # before the name, where an event's line came from; no login service has a slash in its name
MAX_FLYING = 20 - IN_FLIGHT - 1  # of what a broker usually takes, with the birth and the agent's own
MAX_FRESH = 16  # messages in memory of one program
MAX_DOWN_BYTES = 4096
BATCH_S = 1.0  # of one program's messages that are kept: a write to the flash each second at most
REFUSE_S = 1.0  # until a refusal is answered: who asks in vain gets no more of the main loop by asking faster
MAX_LATE = 32  # refusals of one program that wait: as many as its connections may have asked for
UNHEARD_S = 10.0  # until a message that nobody was there for is sent again; twice as long each time
MAX_UNHEARD_S = 600.0
_SILENT = "silent for programs"
_LATE, _UNHEARD, _BATCH = "late refusals of ", "unheard of ", "to be kept of "  # and the program's name


class Client:
    """What is under way for one program."""

    def __init__(self, program: "Program", shelf: Shelf) -> None:
        self.program = program
        self.shelf = shelf
        self.messages = Bucket(program.messages_per_minute, program.messages_per_minute / 60)
        self.bytes = Bucket(program.bytes_per_hour, program.bytes_per_hour / 3600)
        self.batch: "list[tuple[int, int, str, bytes]]" = []  # connection, request's number, topic, bytes
        self.written_at = -BATCH_S
        self.fresh: "list[tuple[int, str, bytes]]" = []  # when (Unix seconds), topic, bytes
        self.flying = ""  # name on the link of the message in flight
        self.flown_at = 0.0
        self.kept: "Kept | None" = None  # that one, where it is kept
        self.retry_at = 0.0
        self.unheard_s = UNHEARD_S
        self.receiver = 0  # connection that hears what comes
        self.late: "list[tuple[float, int, bytes]]" = []  # refusals: when, connection, line
        self.lost = 0  # messages that were not kept, and were not delivered


class Programs:
    """All programs that the manufacturer's configuration declares."""

    def __init__(self, desk: "Desk", time: "TrustedTime", reporting: "Reporting") -> None:
        self._desk = desk
        self._time = time
        self._reporting = reporting
        run = str(hexlify(desk.ports.entropy.bytes(4)), "utf-8") if desk.config.programs else ""
        self._clients = {
            program.name: Client(program, Shelf(desk, program.name, program.keep_bytes, run))
            for program in desk.config.programs
        }
        self._turns = sorted(self._clients)
        self.barred_hook: "Callable[[], bool]" = _never  # in quarantine nobody but the agent is heard, or hears
        self._sent = 0

    def start(self, on_trial: bool) -> None:
        """Find what waits. What a program left that this version does not declare goes: nobody would send it.

        It stays while this version is on trial, and in a recovery system, which has no services and declares none:
        the system after it may be the one before it.

        Raises:
            Unavailable: the storage fails.
        """
        store = self._desk.ports.store
        if not on_trial and self._desk.config.services:
            for name in store.names(FOLDER):
                if not any(first_number(name, program) for program in self._clients):
                    store.delete(name)
        for client in self._clients.values():
            client.shelf.load()
        self._reporting.topics_hook = self.topics
        self._reporting.began_hook = self._began
        self._reporting.spare_hook = self._pump

    def topics(self) -> "tuple[str, ...]":
        """What to subscribe to."""
        return tuple(
            [self._topic(name, "down", one) for name in self._turns for one in self._clients[name].program.receive]
        )

    def status(self) -> "dict[str, Any]":
        """For people at the camera: by program, how many messages wait, and how many are lost."""
        return {name: self._counts(client) for name, client in self._clients.items()}

    def _counts(self, client: Client) -> "dict[str, Any]":
        return {"waiting": client.shelf.count() + len(client.fresh), "lost": client.lost + client.shelf.damaged}

    def _topic(self, program: str, direction: str, topic: str) -> str:
        return "camward/1/" + self._desk.device_id + "/app/" + program + "/" + direction + "/" + topic

    # Requests

    def line(self, connection: int, name: str, body: bytes) -> None:
        """One line that this program has written."""
        client = self._clients[name]
        try:
            request = program_line.parse_request(body)
        except FormatError as error:
            self._no(client, connection, None, "bad_request", {"detail": str(error)[:200]})
            return
        if request.op == program_line.STATE:
            self._yes(connection, request.n, self._state(client))
        elif request.op == program_line.PUBLISH:
            self._publish(connection, client, request)
        elif client.program.receive:
            client.receiver = connection
            self._yes(connection, request.n, {})
        else:
            self._no(client, connection, request.n, "topic", {})

    def _state(self, client: Client) -> "dict[str, Any]":
        found = self._counts(client)
        found["device"], found["link"] = self._desk.device_id, self._reporting.is_up()
        return found

    def _publish(self, connection: int, client: Client, request: "Request") -> None:
        program, now, size = client.program, self._desk.now, len(request.data)
        wait_s = max(client.messages.wait_s(now, 1), client.bytes.wait_s(now, size))
        if request.topic not in program.publish:
            self._no(client, connection, request.n, "topic", {})
        elif size > program.max_message_bytes:
            self._no(client, connection, request.n, "too_long", {"max_bytes": program.max_message_bytes})
        elif self.barred_hook():
            self._no(client, connection, request.n, "quarantine", {})
        elif not self._reporting.has_server():
            self._no(client, connection, request.n, "no_server", {})
        elif wait_s:
            self._no(client, connection, request.n, "wait", {"retry_after_s": wait_s})
        else:
            client.messages.spend(now, 1)
            client.bytes.spend(now, size)
            self._take(connection, client, request)

    def _take(self, connection: int, client: Client, request: "Request") -> None:
        if client.program.publish[request.topic]:
            if sum(len(one[3]) for one in client.batch) + len(request.data) > client.program.keep_bytes:
                self._no(client, connection, request.n, "full", {})  # and so the memory is bounded as well
                return
            client.batch.append((connection, request.n, request.topic, request.data))
            if len(client.batch) == 1:
                due = max(self._desk.now, client.written_at + BATCH_S)
                self._desk.at(_BATCH + client.program.name, due, lambda: self._write(client))
            return
        if len(client.fresh) >= MAX_FRESH:
            client.fresh.pop(0)
            client.lost += 1
        client.fresh.append((self._time.now_s(), request.topic, request.data))
        self._yes(connection, request.n, {})
        self._reporting.pump()

    def _write(self, client: Client) -> None:
        """Keep what has gathered, and answer for it."""
        batch, client.batch = client.batch, []
        client.written_at = self._desk.now
        try:
            client.shelf.put([(topic, data) for _, _, topic, data in batch], self._time.now_s())
        except Unavailable as error:
            code = "full" if isinstance(error, Full) else "unavailable"
            for connection, number, _, _ in batch:
                self._no(client, connection, number, code, {})
            return
        for connection, number, _, _ in batch:
            self._yes(connection, number, {})
        self._reporting.pump()

    def _yes(self, connection: int, number: int, members: "dict[str, Any]") -> None:
        self._desk.send(connection, program_line.encode_reply(number, members))

    def _no(self, client: Client, connection: int, number: "int | None", code: str, members: "dict[str, Any]") -> None:
        line = program_line.encode_refusal(number, code, members)
        client.late.append((self._desk.now + REFUSE_S, connection, line))
        client.late = client.late[-MAX_LATE:]  # what is dropped is of connections that have gone meanwhile
        self._answer_later(client)

    def _answer_later(self, client: Client) -> None:
        if client.late:
            self._desk.at(_LATE + client.program.name, client.late[0][0], lambda: self._refuse(client))

    def _refuse(self, client: Client) -> None:
        due = [one for one in client.late if one[0] <= self._desk.now]
        client.late = client.late[len(due) :]
        for _, connection, line in due:
            self._desk.send(connection, line)
        self._answer_later(client)

    # The link

    def _began(self) -> None:
        """The session has ended, or another one has begun: what was on its way is sent again where it is kept."""
        for client in self._clients.values():
            if client.flying and client.kept is None:
                client.lost += 1
            client.flying, client.kept = "", None
            client.shelf.again()
            client.retry_at, client.unheard_s = 0.0, UNHEARD_S
        self._watch()

    def _pump(self) -> None:
        """Nothing of the agent's waits: hand over one message of each program, in turns."""
        for name in () if self.barred_hook() else list(self._turns):
            if sum(client.flying != "" for client in self._clients.values()) >= MAX_FLYING:
                return
            client = self._clients[name]
            if client.flying == "" and self._send(client):
                self._turns.remove(name)
                self._turns.append(name)

    def _send(self, client: Client) -> bool:
        """Hand over the next message of a program, if there is one and the link takes it."""
        kept = None
        if self._desk.now >= client.retry_at:
            try:
                kept = client.shelf.next()
            except Unavailable:
                self._later(client)
        if kept is not None:
            at, topic, data = kept.at, kept.topic, kept.data
        elif client.fresh:
            at, topic, data = client.fresh[0]
        else:
            return False
        self._sent += 1
        name = "p" + str(self._sent)
        beside = (("at", str(at)),) if kept is None else (("at", str(at)), ("id", kept.name))
        if not self._desk.ports.link.publish(name, self._topic(client.program.name, "up", topic), data, False, beside):
            client.shelf.again()
            return False
        if kept is None:
            client.fresh.pop(0)
        client.flying, client.kept, client.flown_at = name, kept, self._desk.now
        self._watch()
        return True

    def _watch(self) -> None:
        """The oldest message in flight has its time, as the agent's own have."""
        self._desk.cancel(_SILENT)
        flown = [client.flown_at for client in self._clients.values() if client.flying]
        if flown:
            self._desk.at(_SILENT, min(flown) + PUBACK_S, self._reporting.silent)

    def acknowledged(self, name: str) -> bool:
        """The broker has it; False where it is none of ours."""
        client = self._landed(name)
        if client is not None:
            if client.kept is not None:
                client.shelf.done(client.kept.number)
                client.unheard_s = UNHEARD_S
            client.kept = None
            self._reporting.pump()
        return name[:1] == "p"

    def refused(self, name: str) -> bool:
        """Nobody has subscribed, or the broker does not want it: what is kept waits; False where it is none of ours."""
        client = self._landed(name)
        if client is not None:
            if client.kept is None:
                client.lost += 1
            else:
                client.shelf.again()
                self._later(client)
            client.kept = None
            self._reporting.pump()
        return name[:1] == "p"

    def _landed(self, name: str) -> "Client | None":
        for client in self._clients.values():
            if client.flying == name:
                client.flying = ""
                self._watch()
                return client
        return None

    def _later(self, client: Client) -> None:
        client.retry_at = self._desk.now + client.unheard_s
        client.unheard_s = min(2 * client.unheard_s, MAX_UNHEARD_S)
        self._desk.at(_UNHEARD + client.program.name, client.retry_at, self._reporting.pump)

    def message(self, topic: str, payload: bytes) -> bool:
        """Something has come; False where it is not for a program. Who is not there to hear it misses it."""
        head = "camward/1/" + self._desk.device_id + "/app/"
        if topic[: len(head)] != head:
            return False
        parts = topic[len(head) :].split("/")
        client = self._clients.get(parts[0])
        if client is None or len(parts) != 3 or parts[1] != "down" or parts[2] not in client.program.receive:
            return True
        if client.receiver and len(payload) <= MAX_DOWN_BYTES and not self.barred_hook():
            self._desk.push(client.receiver, program_line.encode_message(parts[2], payload))
        else:
            client.lost += 1
        if client.retry_at > self._desk.now:  # whoever says something is there, and may hear what waits
            client.retry_at, client.unheard_s = 0.0, UNHEARD_S
            self._reporting.pump()
        return True


def _never() -> bool:
    return False
