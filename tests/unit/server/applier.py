"""The camera's part in plain Python, written from the format's description and from nothing of the server's."""

import hashlib
import struct

from backports import zstd

BLOCK = 4096


def leaves(data):
    assert len(data) % BLOCK == 0
    return [hashlib.sha256(data[at : at + BLOCK]).digest() for at in range(0, len(data), BLOCK)]


def applied(old, tree, artifact, index_length):
    """The new slot, from the old one, the new tree's leaf hashes and the artifact; every check is an assertion."""
    magic, flags, run_count, segment_count = struct.unpack_from(">8sIII", artifact)
    assert (magic, flags) == (b"CWSEGS1\n", 0)
    assert index_length == 20 + 8 * run_count + 48 * segment_count <= 512 * 1024
    runs = [struct.unpack_from(">II", artifact, 20 + 8 * number) for number in range(run_count)]
    stream, offset = [], index_length
    for number in range(segment_count):
        at = 20 + 8 * run_count + 48 * number
        blocks, stored, first, sources = struct.unpack_from(">IIII", artifact, at)
        assert 1 <= blocks <= 256
        assert sources <= 512
        assert (first + sources) * BLOCK <= len(old)
        frame = artifact[offset : offset + stored]
        assert hashlib.sha256(frame).digest() == artifact[at + 16 : at + 48]
        prefix = old[first * BLOCK : (first + sources) * BLOCK]
        known = zstd.ZstdDict(prefix, is_raw=True).as_prefix if prefix else None
        assert zstd.get_frame_info(frame).decompressed_size == blocks * BLOCK
        content = zstd.decompress(frame, zstd_dict=known, options={zstd.DecompressionParameter.window_log_max: 22})
        assert len(content) == blocks * BLOCK
        stream += [content[place : place + BLOCK] for place in range(0, len(content), BLOCK)]
        offset += stored
    assert offset == len(artifact)
    numbers = [block for first, count in runs for block in range(first, first + count)]
    assert numbers == sorted(set(numbers))
    sent = dict(zip(numbers, stream, strict=True))
    have = {hashlib.sha256(old[at : at + BLOCK]).digest(): at for at in range(0, len(old), BLOCK)}
    made = b""
    for number, leaf in enumerate(tree):
        block = sent[number] if number in sent else old[have[leaf] : have[leaf] + BLOCK]
        assert hashlib.sha256(block).digest() == leaf
        made += block
    return made
