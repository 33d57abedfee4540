from agent.core import required_change as core
from agent.formats.required_change import STAGES, RequiredChange

order = RequiredChange(1000, 2000, 3000, 0, "policy")
for at in (0, 1999, 2000, 2999, 3000, 10**9):
    print(at, core.stage(order, at), core.next_at(order, at))
print(core.stage(order.replace(restrict_at=0, claim_only_at=2500), 2600))
for since_at, known_at, taken_at, proven_at in (
    (1000, 0, 0, 1000), (1000, 1000, 1000, 1000), (999, 1000, 1000, 1000), (1001, 1000, 1000, 1000 + core.EVERY_S - 1),
    (1001, 1000, 1000, 1000 + core.EVERY_S), (1001, 1000, 1000, 999), (1000 + core.LEEWAY_S, 0, 0, 1000),
    (1001 + core.LEEWAY_S, 0, 0, 1000), (1000, 1001 + core.LEEWAY_S, 1000, 1000),
):  # fmt: skip
    print([core.judge(since_at, known_at, taken_at, proven_at, s) for s in (0.0, core.EVERY_S)])
for set_at in (0, 999, 1000, 5000, 5000 + core.LEEWAY_S, 5001 + core.LEEWAY_S):
    print(set_at, core.is_old(set_at, 1000, 5000))
print([core.stricter(one, other) for one in STAGES for other in STAGES])
