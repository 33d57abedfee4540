from agent.app.reading_back import PIECE_BLOCKS, ReadingBack
from agent.app.work import Ticket

COUNT = 2 * PIECE_BLOCKS + 3
leaves = b"".join([bytes([number % 251]) * 32 for number in range(COUNT)])
asked = []


def ask(first, count):
    asked.append((first, count, Ticket()))
    return asked[-1][2]


def tell(what, found):
    print(what, found, [(one[0], one[1]) for one in asked], list(back.unseen()))


back = ReadingBack(leaves, ask)
have = bytearray(b"\xff" * (COUNT // 8)) + bytearray([(1 << COUNT % 8) - 1])
back.written(0, COUNT)
back.begin(have)
tell("written", back.take())
back.flushing()
back.written(0, 1)
back.flushed()
back.begin(have)
tell("flushed", back.take())
asked[-1][2].settle(leaves[PIECE_BLOCKS * 32 : 2 * PIECE_BLOCKS * 32], None)
tell("seen", back.take())
back.begin(have)
asked[-1][2].settle(leaves[-96:-32] + bytes(32), None)
tell("wrong", back.take())
back.all_flushed()
have[0] = 0xFE
back.begin(have)
tell("not whole", back.take())
have[0] = 0xFF
back.begin(have)
back.written(0, 8)
asked[-1][2].settle(leaves[: PIECE_BLOCKS * 32], None)
tell("written again", back.take())
back.stop()
for number, first, count in back.unseen():
    print(number, back.judge(number, leaves[first * 32 : (first + count) * 32]))
tell("at the end", back.take())
