from agent.app.runs import joined, lacking, laid
from agent.formats.block_tree import BLOCK_BYTES


def blocks(letters):
    return b"".join([letter.encode() * BLOCK_BYTES for letter in letters])


def letters(data):
    return [bytes(data[at : at + 1]) for at in range(0, len(data), BLOCK_BYTES)]


runs = [(7, blocks("h")), (2, memoryview(blocks("cd"))), (0, blocks("a")), (4, blocks("e"))]
print(sorted(laid(runs)))
print([(first, letters(data)) for first, data in joined(runs)])
print([(first, len(data) // BLOCK_BYTES) for first, data in runs])
print([(first, letters(data)) for first, data in lacking(runs, lambda block: block in (2, 7))])
print(joined([]), laid([]), lacking([], lambda block: False))
