from agent.formats import running
from agent.formats.errors import FormatError

runs = running.Running("b", "kawa.slot", "ab" * 32, 10 * 4096, "kawa.tree", "cd" * 32)
print(running.parse(running.encode(runs)) == runs, runs.image_path(), runs.tree_path(), runs.tree_length_bytes())
for wrong in (b"", b"{}", running.encode(runs.replace(slot="c")), running.encode(runs.replace(sha256="ab"))):
    try:
        print(running.parse(wrong))
    except FormatError as error:
        print(error)
