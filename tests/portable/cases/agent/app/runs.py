from agent.app.runs import joined, laid
from agent.formats.block_tree import BLOCK_BYTES


def blocks(letters):
    return b"".join([letter.encode() * BLOCK_BYTES for letter in letters])


runs = [(7, blocks("h")), (2, memoryview(blocks("cd"))), (0, blocks("a")), (4, blocks("e"))]
print(sorted(laid(runs)))
print([(first, bytes(data)[::BLOCK_BYTES]) for first, data in joined(runs)])
print([(first, len(data) // BLOCK_BYTES) for first, data in runs])
print(joined([]), laid([]))
