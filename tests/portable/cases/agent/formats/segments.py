from agent.formats import segments
from agent.formats.errors import FormatError

digest = bytes(range(32))
data = segments.encode([(3, 200), (300, 100)], [(256, 9000, 0, 0, digest), (44, 77, 12, 512, digest)], True)
index = segments.parse(data)
print(index.encrypted, index.segment_count, index.length_bytes)
for number in range(index.segment_count):
    blocks = list(index.blocks_of(number))
    print(index.segment(number), blocks[0], blocks[-1], len(blocks))
print([index.segment_of(block) for block in (0, 3, 202, 203, 300, 355, 356, 399, 400)])
for wrong in (b"", b"CWSEGS1\n", data[:-1], b"X" + data[1:]):
    try:
        segments.parse(wrong)
    except FormatError as error:
        print(error)
