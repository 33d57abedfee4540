"""RTP packets of JPEG pictures (RFC 3550, RFC 2435), pure: a picture in, packets out."""

from firmware_sim.camera.jpeg import Scan

PAYLOAD_TYPE_JPEG = 26
"""RFC 3551 table 5."""

CLOCK_HZ = 90_000
"""RTP clock of every video payload type (RFC 3551)."""

MAX_PAYLOAD_BYTES = 1_400
"""Picture bytes in one packet: fits an Ethernet frame behind TLS, so that a lost frame costs one packet."""

TYPE_420 = 1
"""RFC 2435 section 4.1: 4:2:0 sampling, no restart markers."""

Q_IN_BAND = 255
"""RFC 2435 section 4.2: the tables come with every picture, so that no receiver has to guess them."""

_RTP_VERSION = 0x80
_MARKER = 0x80


class RtpSender:
    """The counters of one RTP stream.

    Attributes:
        ssrc: stream identifier, 32 bits, random.
        sequence: number of the next packet, 16 bits, wraps.
    """

    def __init__(self, ssrc: int, sequence: int) -> None:
        self.ssrc = ssrc
        self.sequence = sequence

    def packets(self, scan: Scan, timestamp: int) -> list[bytes]:
        """Packets of one picture in order; the last one carries the marker bit.

        Args:
            scan: the picture.
            timestamp: RTP time in units of 1/90000 s; only the low 32 bits are used.

        Raises:
            Nothing: `TileEncoder` makes no picture larger than the format's fields.
        """
        packets: list[bytes] = []
        offset = 0
        while offset < len(scan.data):
            tables = b""
            if offset == 0:
                tables = b"\x00\x00" + len(scan.tables).to_bytes(2, "big") + scan.tables
            piece = scan.data[offset : offset + MAX_PAYLOAD_BYTES - len(tables)]
            last = offset + len(piece) == len(scan.data)
            packets.append(self._header(timestamp, last) + _jpeg_header(scan, offset) + tables + piece)
            offset += len(piece)
        return packets

    def _header(self, timestamp: int, last: bool) -> bytes:
        header = bytes((_RTP_VERSION, PAYLOAD_TYPE_JPEG | (_MARKER if last else 0)))
        header += self.sequence.to_bytes(2, "big")
        self.sequence = (self.sequence + 1) & 0xFFFF
        return header + (timestamp & 0xFFFFFFFF).to_bytes(4, "big") + self.ssrc.to_bytes(4, "big")


def _jpeg_header(scan: Scan, offset: int) -> bytes:
    return b"\x00" + offset.to_bytes(3, "big") + bytes((TYPE_420, Q_IN_BAND, scan.width // 8, scan.height // 8))


def interleaved(channel: int, packet: bytes) -> bytes:
    """One packet framed for RTSP over TCP (RFC 2326 section 10.12).

    Raises:
        OverflowError: the packet is longer than 65535 bytes.
    """
    return b"$" + bytes((channel,)) + len(packet).to_bytes(2, "big") + packet
