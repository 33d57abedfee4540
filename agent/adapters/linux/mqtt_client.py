"""paho-mqtt's client, made to outlive what a hostile broker sends: its thread ends for nothing, its memory is bounded.

A broker shows a certificate of the fleet's CA, and may have been taken over all the same. paho reads packets without
bounds and without expecting broken ones: an exception would end its thread, and the link with it, without a word.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

MAX_PACKET_BYTES = 8 * 1024  # nothing we are sent is larger; the broker is told, and what is larger ends the session
MAX_UNSENT = 256  # packets of ours that wait for a broker that does not read: acknowledgements of what it sends
MAX_HALF_TAKEN = 16  # messages of QoS 2, which nobody has subscribed to


class BoundedClient(Client):
    """As its parent, but what cannot be read ends the session, and the next one begins after the usual delay.

    Attributes:
        dial: makes each connection, TLS included; it raises nothing but OSError.
    """

    dial: Callable[[], ssl.SSLSocket]

    def leave(self, within_s: float) -> None:
        """End the session, and wait so long for its goodbye; a thread that waits for a name server ends by itself."""
        self.disconnect()
        self._thread_terminate = True
        thread = self._thread
        if thread is not None:
            thread.join(within_s)
        if thread is not None and thread.is_alive():  # the broker does not read: what waits would keep it for long
            connection = self.socket()
            if isinstance(connection, socket.socket):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _create_socket(self) -> ssl.SSLSocket:
        return self.dial()

    def _sock_recv(self, bufsize: int) -> bytes:
        """Read; `bufsize` is what is still missing of the packet.

        Raises:
            ConnectionAbortedError: too much is missing, or too much has been made to wait; paho ends the session.
        """
        if bufsize > MAX_PACKET_BYTES:
            raise ConnectionAbortedError(f"a packet of more than {MAX_PACKET_BYTES} bytes")
        if len(self._out_packet) > MAX_UNSENT or len(self._in_messages) > MAX_HALF_TAKEN:
            raise ConnectionAbortedError("the broker takes nothing and sends more")
        return super()._sock_recv(bufsize)

    def _thread_main(self) -> None:
        try:
            while not self._has_ended():
                pass
        finally:
            self._thread = None

    def _has_ended(self) -> bool:
        """Run until `disconnect` (true), or until a packet breaks paho (false)."""
        try:
            self.loop_forever(retry_first_connection=True)
        except Exception:  # noqa: BLE001 - whatever a reader without checks can raise
            self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_PROTOCOL)
            return self._thread_terminate
        return True
