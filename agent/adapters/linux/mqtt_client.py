"""paho-mqtt's client, made to outlive what a hostile broker sends: its thread ends for nothing, its memory is bounded.

A broker shows a certificate of the fleet's CA, and may have been taken over all the same. paho reads packets without
bounds and without expecting broken ones: an exception would end its thread, and the link with it, without a word.
"""

import contextlib
import random
import select
import socket
import ssl
import time
from collections.abc import Callable

from paho.mqtt.client import Client, _ConnectionState  # type: ignore[attr-defined]
from paho.mqtt.enums import MQTTErrorCode

MAX_PACKET_BYTES = 8 * 1024  # nothing we are sent is larger; the broker is told, and what is larger ends the session
MAX_UNSENT = 256  # packets of ours that wait for a broker that does not read: acknowledgements of what it sends
NEWS_WITHIN_S = 4.0  # after the network has changed, the cameras of a site come back within such a time, not at once
# rtnetlink(7), RTMGRP_*: a cable or radio that comes or goes, addresses of both families, routes of IPv4.
NEWS_GROUPS = 0x1 | 0x10 | 0x40 | 0x100
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

    def reconnect(self) -> MQTTErrorCode:
        """As its parent; a first connection that fails is the first again, or paho would wait twice after it.

        Raises:
            OSError: no connection.
        """
        first = self._state
        try:
            return super().reconnect()
        except OSError:
            if first == _ConnectionState.MQTT_CS_CONNECT_ASYNC:
                self._state = first
            raise

    def _reconnect_wait(self) -> None:
        """Wait as `reconnect_delay_set` says; but not long once this camera's network has changed."""
        ends_at = time.monotonic() + self._reconnect_min_delay
        news = network_news()
        waiting = select.poll()
        if news is not None:
            waiting.register(news, select.POLLIN)
        while not self._thread_terminate and (left_s := ends_at - time.monotonic()) > 0:
            if waiting.poll(1000 * min(left_s, 1.0)) and news is not None:
                waiting.unregister(news)  # once: who makes the network flicker does not hasten us further
                ends_at = min(ends_at, time.monotonic() + random.SystemRandom().uniform(0.5, NEWS_WITHIN_S))
        if news is not None:
            news.close()

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


def network_news() -> socket.socket | None:
    """What becomes readable when an interface, an address or a route of this camera changes; None: not to be had."""
    try:
        news = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    except OSError:
        return None
    try:
        news.bind((0, NEWS_GROUPS))
    except OSError:
        news.close()
        return None
    return news
