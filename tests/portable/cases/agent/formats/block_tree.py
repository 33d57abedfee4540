from binascii import hexlify

from agent.formats import block_tree
from agent.formats.errors import FormatError

for count in (1, 2, 127, 128, 129, 130, 16384, 16385):
    leaves = b"".join(block_tree.leaf(bytes([number % 256]) * 4096) for number in range(min(count, 256)))
    leaves = (leaves * (count // 256 + 1))[: count * 32]
    hasher = block_tree.TreeHasher()
    for at in range(0, len(leaves), 1000):
        hasher.feed(leaves[at : at + 1000])
    print(count, hexlify(block_tree.root_of(leaves)), hasher.root() == block_tree.root_of(leaves))
for wrong in (b"", b"x" * 31, b"x" * 33):
    try:
        print(block_tree.root_of(wrong))
    except FormatError as error:
        print(error)
try:
    block_tree.leaf(b"x")
except FormatError as error:
    print(error)
print(block_tree.with_leaves(b""), hexlify(block_tree.with_leaves(bytes(8192))[1]))
