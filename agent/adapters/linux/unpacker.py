"""Segments of an artifact: AES-256-GCM by `cryptography`, zstd by `backports.zstd`, both loaded when first needed."""

from agent.formats.errors import Rejected
from agent.formats.segments import MAGIC

NONCE_BYTES = 12
MAX_WINDOW_LOG = 22  # 4 MiB: prefix and content of the largest segment; a frame that wants more is refused


class ZstdUnpacker:
    """`agent.ports.packing.Unpacker`."""

    def plain(self, content: bytes) -> bytes:
        """See `Unpacker.plain`."""
        return content

    def decrypt(self, key: bytes, number: int, stored: bytes) -> bytes:
        """See `Unpacker.decrypt`.

        Raises:
            Rejected: the key or the bytes are wrong.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            return AESGCM(key).decrypt(number.to_bytes(NONCE_BYTES, "big"), stored, MAGIC)
        except (InvalidTag, ValueError):
            raise Rejected("an encrypted segment does not open with the key that was given") from None

    def unpack(self, frame: bytes, prefix: bytearray, length_bytes: int) -> bytes:
        """See `Unpacker.unpack`; empties `prefix`, which the dictionary copies.

        Raises:
            Rejected: it is no such frame, or has another length.
        """
        try:
            from backports import zstd
        except ImportError:
            raise Rejected("this camera's software has no zstd") from None
        options = {int(zstd.DecompressionParameter.window_log_max): MAX_WINDOW_LOG}
        dictionary = zstd.ZstdDict(prefix, is_raw=True).as_prefix if prefix else None
        prefix.clear()
        try:
            decompressor = zstd.ZstdDecompressor(zstd_dict=dictionary, options=options)
            content: bytes = decompressor.decompress(frame, max_length=length_bytes + 1)
        except (zstd.ZstdError, ValueError) as error:
            raise Rejected(f"a segment does not unpack: {error}") from None
        if len(content) != length_bytes or not decompressor.eof or decompressor.unused_data:
            raise Rejected("a segment unpacks to another length")
        return content
