"""The sockets of the camera's other programs: as the agent's other ones, with numbered requests and news unasked."""

from agent.adapters.linux.sockets import LineServer

MAX_PROGRAM_CONNECTIONS = 4  # of one program
MAX_PROGRAM_ASKED = 8  # requests of one connection that wait for their answers, which carry the requests' numbers
MAX_UNSENT_BYTES = 64 * 1024  # to a program that does not read; then its connection ends


class ProgramServer(LineServer):
    """The socket of one program, driven by the main loop's selector."""

    most = MAX_PROGRAM_CONNECTIONS
    most_asked = MAX_PROGRAM_ASKED

    def push(self, connection: int, line: bytes) -> None:
        """Send a line that is no answer, if the connection is one of ours and still there; never blocks.

        A client that does not read is left.
        """
        found = self._open.get(connection)
        if found is None:
            return
        if found.unsent_bytes() + len(line) > MAX_UNSENT_BYTES:
            found.close()
        else:
            found.put(line)
