"""The machine around the agent: time, services, measurements, watchdog."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol
else:
    Protocol = object


class Clock(Protocol):
    """Two clocks. Neither is trusted: agent.core.clock keeps the time floor."""

    def wall_s(self) -> int:
        """Unix seconds: as the system believes, which may jump either way; after `set_wall_s`, counted from there."""
        ...

    def monotonic_s(self) -> float:
        """Seconds since some point before the agent's start; never jumps. All deadlines use it."""
        ...

    def boot_id(self) -> str:
        """Names this boot; differs after every reboot, equal after a restart of the agent alone."""
        ...

    def set_wall_s(self, at: int) -> None:
        """It is `at` now, by proof: `wall_s` counts from here, and whoever sets the system's clock does not move it.

        The system's clock is set as well if it is wrong by more than NTP is left to settle. Forgotten when the agent
        restarts.

        Raises:
            Unavailable: the system's clock cannot be set; `wall_s` is right all the same.
        """
        ...

    def set_floor_s(self, at: int) -> None:
        """It is `at` at least, by proof (a later call may take that back).

        A system's clock that is behind is set forward where that is permitted. Certificates are judged by this as well.
        """
        ...


class Services(Protocol):
    """The camera's own services, tried through the loopback interface. The calls block: they run in a worker."""

    def answers(self, service: "dict[str, Any]") -> bool:
        """Whether the service speaks its protocol (`web`, `rtsps`, `onvif`) on its port; needs no login."""
        ...

    def enter(self, service: "dict[str, Any]", source: str, user: "str | None", password: str) -> str:
        """Try to get in as an outsider would, from the loopback address `source`; user None tries without credentials.

        `service["way"]` is one of agent.app.proving; `ws_token` brings the `nonce` and `created` to use along.

        Several tries from one address go over one connection where the service keeps it, until `leave`.

        Returns:
            `in`, `refused`, `wait` (too many wrong tries), or `silent` (no answer that could be understood).
        """
        ...

    def leave(self) -> None:
        """Close what `enter` has kept open."""
        ...

    def plays(self, service: "dict[str, Any]", source: str, user: str, password: str) -> bool:
        """Whether the service (`rtsps`) plays its stream to this user, from the loopback address `source`.

        Describe, set up and play, once each, on one connection; then one whole frame has to arrive.
        """
        ...


class Sensors(Protocol):
    """What can be measured on this machine without asking a service."""

    def telemetry(self) -> "dict[str, Any]":
        """The measured part of a telemetry body (agent.formats.messages); a value that cannot be read is left out."""
        ...

    def facts(self) -> "dict[str, Any]":
        """Facts for evidence (agent.core.compliance), by name; what cannot be probed is left out, never guessed."""
        ...


class WebCertificate(Protocol):
    """The key of the camera's services, and the two certificates that they show.

    The self-signed one is there from the first start, and stays: people and installers know the camera by it. The other
    one is issued by the operator's CA for one DNS name, and shown to whoever asks for that name (RFC 6066, 3).
    """

    def ensure(self, serial: str) -> str:
        """Make key and certificate if they are not there; return the certificate's SHA-256 fingerprint in hex.

        Durable when it returns; the certificate appears after its key.

        Raises:
            Unavailable: the storage fails.
        """
        ...

    def issued(self) -> "bytes | None":
        """The issued certificate with its chain as PEM; None where there is none.

        Raises:
            Unavailable: the storage fails.
        """
        ...

    def keep(self, name: str, chain: bytes) -> None:
        """Show this chain under this name from now on, and no other issued one; durable when it returns.

        Raises:
            Unavailable: the storage fails.
        """
        ...


class Watchdog(Protocol):
    """Resets the machine when it is not fed. Only the main loop feeds it."""

    def feed(self) -> None:
        """Postpone the reset."""
        ...

    def alive(self) -> bool:
        """Whether there is one that takes what it is fed."""
        ...

    def close(self) -> None:
        """Stop it where the driver allows that: for orderly shutdown only."""
        ...


class Console(Protocol):
    """The system's own accounts, which programs look up by themselves in /etc/passwd and /etc/shadow."""

    def crypt(self, password: str, drawn: bool = False) -> str:
        """A new yescrypt string with a random salt (crypt(5)). Takes long: it runs in a worker, one at a time.

        `drawn`: a machine drew the password, so that the cheapest form will do: a server computes one per connection.

        Raises:
            Rejected: a password that no such program could take.
            Unavailable: the system has no yescrypt.
        """
        ...

    def enter(self, user: "str | None", password: str) -> str:
        """Whether a program that reads those files lets this user in: `in` or `refused`, or `silent` if they are gone.

        User None tries whether anybody gets in without a password. Takes long, as `crypt`.
        """
        ...

    def base(self) -> "tuple[bytes, bytes]":
        """The manufacturer's own passwd and shadow, of the verified root.

        Raises:
            Unavailable: they cannot be read.
        """
        ...

    def publish(self, passwd: bytes, shadow: bytes) -> None:
        """Replace both files, each at once; they are gone after a reboot. Two empty ones let nobody in.

        Raises:
            Unavailable: that failed; there is no shadow file any more, unless that failed too.
        """
        ...


class Ssh(Protocol):
    """The camera's SSH server, which runs only while it is told to."""

    def open(self, port: int, seconds: int) -> None:
        """Start it on this port; it ends by itself after so many seconds, whatever becomes of the agent.

        Returns when it listens. It blocks: it runs in a worker.

        Raises:
            Unavailable: it cannot be started, or does not listen; it may do so later: `close` it.
        """
        ...

    def close(self) -> None:
        """End it, everybody who is logged in by it, and everything that they have started; does not block.

        Raises:
            Unavailable: that cannot be done.
        """
        ...


class Firewall(Protocol):
    """Cuts other programs off from the network, but for the machine itself. Gone with a restart; both calls block."""

    def close(self, pages: "tuple[int, ...]") -> None:
        """Let programs of others than root reach nobody, and nobody from outside begin anything but with `pages`.

        `pages`: TCP ports that still answer whoever asks. Done again, it is the same.

        Raises:
            Unavailable: this system cannot, or refuses; what was so before is so still.
        """
        ...

    def open(self) -> None:
        """Take that back; done again, it is the same.

        Raises:
            Unavailable: this system cannot, or refuses.
        """
        ...
