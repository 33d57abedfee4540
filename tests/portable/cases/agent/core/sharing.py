from agent.core import sharing
from agent.formats.errors import FormatError
from agent.formats.range_request import RangeRequest
from agent.formats.running import Running

runs = Running("b", "kawa.slot", "ab" * 32, 10 * 4096, "kawa.tree", "cd" * 32)
for path in (runs.image_path(), runs.tree_path(), "/targets/../a", runs.image_path() + "/"):
    for first, last in ((0, 0), (4095, 4096), (300, 99999), (40960, 40961)):
        print(sharing.part(runs, RangeRequest(path, first, last, False)))
print(sharing.blocks(0, 1, 16), sharing.blocks(4095, 4097, 16), sharing.blocks(8192, 99999, 16))
print(
    [
        sharing.withheld(*each)
        for each in ((runs, "b", False), (runs, "a", False), (runs, "b", True), (None, "b", False))
    ]
)
print(sharing.declared({"listeners": [{"proto": "tcp", "port": 5}]}, 5), sharing.declared({}, 5))
try:
    sharing.require_tree(runs, bytes(320), bytes(32))
except FormatError as error:
    print(error)
