from array import array

from agent.app.same_blocks import keys, look_up, want_also

leaves = b"".join([bytes([number]) * 32 for number in (7, 8, 9, 8)])
wanted = {}
for block, key in enumerate(keys(leaves)):
    want_also(wanted, key, block)
print(len(wanted), sorted([found if isinstance(found, list) else [found] for found in wanted.values()]))
plan = array("I", [99] * 4)
look_up(wanted, b"\x08" * 32 + b"\x01" * 32 + b"\x09" * 32, 0, plan)
print(list(plan), len(wanted))
look_up(wanted, b"\x07" * 64, 32, plan)
print(list(plan), len(wanted))
