"""A minimal RTSP 1.0 server (RFC 2326) that plays the camera's picture as RTP/JPEG, interleaved in its TCP connection.

One `Conversation` is one connection. The states are those of RFC 2326 appendix A.2: init, ready (after SETUP),
playing (after PLAY). UDP transport is answered with 461: media over a second, unauthenticated port has no place on a
guarded camera.
"""

import hmac
import os
import re
import time
from typing import NamedTuple

from firmware_sim.camera.http_auth import Digest, Gate, parse_authorization
from firmware_sim.camera.listener import Connection
from firmware_sim.camera.login import Login, LoginUnavailable, Service, service_state, still_stands
from firmware_sim.camera.messages import Head, RequestError, body_length, format_response, parse_head
from firmware_sim.camera.pattern import TestPattern
from firmware_sim.camera.rtp_jpeg import CLOCK_HZ, PAYLOAD_TYPE_JPEG, RtpSender, interleaved

STREAM_PATH = "/stream"
TRACK_PATH = "/stream/track1"

MAX_BODY_BYTES = 1_024
"""Only GET_PARAMETER and SET_PARAMETER bring bodies, and they are ignored."""

REQUEST_WITHIN_S = 10.0
"""From a request's first byte to its last."""

IDLE_FOR_S = 30.0
"""A connection that does not play must say something this often."""

FRAME_WITHIN_S = 15.0
"""A viewer that takes longer to read a frame (about 7 KB) is shown out."""

ANSWER_WITHIN_S = 60.0
"""The agent may queue password hashes."""

RECHECK_EVERY_S = 5.0
"""While playing: how soon a stream ends that a password has begun which was changed, or a camera that was locked."""

MAX_SILENT_RECHECKS = 3
"""A restarting agent does not end the recording; one that stays away does (fail closed)."""

PUBLIC_METHODS = ("OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN", "GET_PARAMETER")

_INTERLEAVED = re.compile(r"interleaved=(\d{1,3})(?:-(\d{1,3}))?")


class RtspReply(NamedTuple):
    """Status, headers beside CSeq, and body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""


class RtspServer:
    """What the conversations of one listener share."""

    def __init__(
        self, login: Login, pattern: TestPattern, frames_per_second: int, service: Service, encrypted: bool
    ) -> None:
        """`service`: whose login socket is asked; `encrypted`: whether TLS carries the connections."""
        self.login = login
        self.pattern = pattern
        self.frames_per_second = frames_per_second
        self.service = service
        self.encrypted = encrypted

    def serve(self, connection: Connection) -> None:
        """Talk to one client until it is done, misbehaves or is out of time.

        Raises:
            ConnectionEnded: the client went away.
        """
        Conversation(self, connection).run()


class Conversation:
    """The state of one RTSP connection."""

    def __init__(self, server: RtspServer, connection: Connection) -> None:
        self._server = server
        self._connection = connection
        # In the clear what was overheard must not start a stream of somebody else's.
        self._gate = Gate(server.login, server.service, server.encrypted, own_nonces=not server.encrypted)
        self._session = ""
        self._channel = 0
        self._playing = False
        self._open = True
        self._user = ""
        self._generation = ""
        self._rtp = RtpSender(ssrc=int.from_bytes(os.urandom(4), "big"), sequence=int.from_bytes(os.urandom(2), "big"))
        self._started_at = 0.0
        self._sent = 0
        self._recheck_at = 0.0
        self._silent_rechecks = 0

    def run(self) -> None:
        """Answer requests, and send frames while playing.

        Raises:
            ConnectionEnded: the client went away.
        """
        self._connection.allow(IDLE_FOR_S)
        while self._open:
            wait = self._started_at + self._sent / self._server.frames_per_second - time.monotonic()
            if self._connection.waiting(wait if self._playing else IDLE_FOR_S):
                self._take_message()
            elif self._playing:
                self._send_frame()

    def _take_message(self) -> None:
        connection = self._connection
        if connection.peek() == b"$":  # the receiver's RTCP reports: read and left aside
            connection.allow(REQUEST_WITHIN_S)
            connection.read_exactly(int.from_bytes(connection.read_exactly(4)[2:], "big"))
            return
        connection.allow(REQUEST_WITHIN_S)
        sequence = "0"
        try:
            head = parse_head(connection.read_head())
            if head.version != "RTSP/1.0":
                raise RequestError(400, "this is an RTSP port")
            sequence = head.get("cseq")
            if not (sequence.isascii() and sequence.isdigit() and len(sequence) <= 10):
                sequence = "0"
                raise RequestError(400, "CSeq is missing or malformed")
            connection.read_exactly(body_length(head, MAX_BODY_BYTES))
            connection.allow(ANSWER_WITHIN_S)
            reply = self._answer(head)
        except RequestError as error:
            reply = RtspReply(error.status, [])
            self._open = False
        connection.send(format_response("RTSP/1.0", reply.status, [("CSeq", sequence), *reply.headers], reply.body))
        if reply.status >= 400 and not self._open:
            connection.drain()
        connection.allow(FRAME_WITHIN_S if self._playing else IDLE_FOR_S)

    def _answer(self, head: Head) -> RtspReply:
        """Login first, then the method."""
        source = self._connection.source
        try:
            state = service_state(self._server.login, self._server.service, source)
            if state != "claimed":
                self._open = False
                return RtspReply(403, [("X-Camward-State", state)])
            if head.method == "OPTIONS":
                return RtspReply(200, [("Public", ", ".join(PUBLIC_METHODS))])
            if head.method in {"TEARDOWN", "GET_PARAMETER"} and self._session:
                return self._control(head)
            refusal = self._refusal(head, source)
        except LoginUnavailable:
            self._open = False
            return RtspReply(503, [("Retry-After", "5")])
        if refusal is not None:
            return refusal
        return self._perform(head)

    def _refusal(self, head: Head, source: str) -> RtspReply | None:
        """None when the request's credentials are good."""
        gate = self._gate
        credentials = parse_authorization(head.get("authorization"))
        reply = gate.check(head, source)
        if reply is not None and reply.ok and credentials is not None:
            self._user, self._generation = credentials.user, reply.text("generation")
            return None
        if reply is not None and reply.code == "wait":
            self._open = False
            return RtspReply(403, [("Retry-After", str(reply.number("retry_after_s", 1)))])
        if reply is not None and reply.code in {"busy", "unclaimed", "locked", "change_required"}:
            self._open = False
            return RtspReply(503 if reply.code == "busy" else 403, [])
        stale = reply is not None and reply.flag("stale") and isinstance(credentials, Digest)
        return RtspReply(401, gate.challenges(source, stale))

    def _perform(self, head: Head) -> RtspReply:
        path = _path(head.target)
        if path not in {STREAM_PATH, TRACK_PATH}:
            return RtspReply(404, [])
        if head.method == "DESCRIBE":
            body = _session_description(self._server.frames_per_second)
            return RtspReply(
                200,
                [("Content-Base", head.target.rstrip("/") + "/"), ("Content-Type", "application/sdp")],
                body,
            )
        if head.method == "SETUP":
            return self._set_up(head.get("transport"))
        if head.method == "PLAY":
            return self._play(head)
        if head.method in {"TEARDOWN", "GET_PARAMETER"}:
            return RtspReply(454, [])
        return RtspReply(501, [("Public", ", ".join(PUBLIC_METHODS))])

    def _set_up(self, transport: str) -> RtspReply:
        if self._session:
            return RtspReply(455, [])
        for offer in transport.split(","):
            parts = [part.strip() for part in offer.split(";")]
            if parts[0] != "RTP/AVP/TCP" or "multicast" in parts:
                continue
            match = next((found for part in parts if (found := _INTERLEAVED.fullmatch(part))), None)
            channel = int(match[1]) if match else 0
            if channel > 254:
                return RtspReply(400, [])
            self._channel = channel
            self._session = os.urandom(16).hex()
            answer = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1};ssrc={self._rtp.ssrc:08X}"
            return RtspReply(200, [("Transport", answer), ("Session", f"{self._session};timeout=60")])
        return RtspReply(461, [])

    def _play(self, head: Head) -> RtspReply:
        if not self._session_named(head):
            return RtspReply(454, [])
        if not self._playing:
            self._playing = True
            self._started_at = time.monotonic()
            self._recheck_at = self._started_at + RECHECK_EVERY_S
        base = head.target.rstrip("/")
        info = f"url={base}/track1;seq={self._rtp.sequence};rtptime=0"
        return RtspReply(200, [("Session", self._session), ("Range", "npt=0-"), ("RTP-Info", info)])

    def _control(self, head: Head) -> RtspReply:
        """What only the owner of this connection's session can ask; the connection has proved its login."""
        if not self._session_named(head):
            return RtspReply(454, [])
        if head.method == "TEARDOWN":
            self._open = self._playing = False
        return RtspReply(200, [("Session", self._session)])

    def _session_named(self, head: Head) -> bool:
        named = head.get("session").partition(";")[0].strip()
        return bool(self._session) and hmac.compare_digest(named.encode(), self._session.encode())

    def _send_frame(self) -> None:
        if not self._still_welcome():
            self._open = False
            return
        scan = self._server.pattern.frame(int(time.monotonic() * self._server.frames_per_second))
        timestamp = self._sent * CLOCK_HZ // self._server.frames_per_second
        self._connection.allow(FRAME_WITHIN_S)
        self._connection.send(
            b"".join(interleaved(self._channel, packet) for packet in self._rtp.packets(scan, timestamp))
        )
        self._connection.allow(FRAME_WITHIN_S)
        self._sent += 1
        behind = time.monotonic() - self._started_at - self._sent / self._server.frames_per_second
        if behind > 1.0:  # a slow viewer gets the present, not the past
            self._started_at += behind

    def _still_welcome(self) -> bool:
        if time.monotonic() < self._recheck_at:
            return True
        self._recheck_at = time.monotonic() + RECHECK_EVERY_S
        try:
            source = self._connection.source
            welcome = still_stands(self._server.login, self._server.service, source, self._user, self._generation)
        except LoginUnavailable:
            self._silent_rechecks += 1
            return self._silent_rechecks < MAX_SILENT_RECHECKS
        self._silent_rechecks = 0
        return welcome


def _path(target: str) -> str:
    """The path of an RTSP URL, without query and final slash."""
    match = re.fullmatch(r"rtsps?://[^/?]*(/[^?]*)?(?:\?.*)?", target)
    return (match[1] or "/").rstrip("/") if match else ""


def _session_description(frames_per_second: int) -> bytes:
    """RFC 4566; the picture's size travels in the JPEG payload header."""
    lines = (
        "v=0",
        "o=- 1 1 IN IP4 0.0.0.0",
        "s=Camward camera",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=control:*",
        "a=range:npt=0-",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE_JPEG}",
        f"a=rtpmap:{PAYLOAD_TYPE_JPEG} JPEG/{CLOCK_HZ}",
        f"a=framerate:{frames_per_second}",
        "a=control:track1",
    )
    return ("\r\n".join(lines) + "\r\n").encode()
