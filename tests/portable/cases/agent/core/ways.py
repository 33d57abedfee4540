from agent.core.ways import DIRECT_AGAIN_S, Ways

ways = Ways(8883)
for now, what in (
    (1, "failed"), (2, "failed"), (3, "failed"), (4, "worked"), (5, ""), (DIRECT_AGAIN_S + 3, "failed"),
    (DIRECT_AGAIN_S + 4, "worked"), (2 * DIRECT_AGAIN_S + 4, "worked"), (2 * DIRECT_AGAIN_S + 5, ""),
):  # fmt: skip
    print(now, ways.choose(now), what)
    if what == "failed":
        ways.failed()
    elif what == "worked":
        ways.worked()

only = Ways(443)
for now in range(3):
    print(only.choose(now))
    only.failed()
