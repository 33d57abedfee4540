"""Byte-compile a tree in place, leaving byte code only. Run by the target's Python version on the host, not imported.

Arguments: the tree, and the path it will have on the camera. The order is fixed and the hash seed is zero (the caller
sets it), so equal sources give equal bytes; the byte code never looks for its source or its time.
"""

import pathlib
import py_compile
import sys


def main() -> int:
    """Compile everything; name the first file that does not compile."""
    tree, prefix = pathlib.Path(sys.argv[1]), sys.argv[2]
    for path in sorted(tree.rglob("*.py")):
        shown = prefix + "/" + path.relative_to(tree).as_posix()
        try:
            py_compile.compile(
                str(path),
                cfile=str(path) + "c",
                dfile=shown,
                doraise=True,
                optimize=2,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        except py_compile.PyCompileError as error:
            print(shown + ": " + str(error.exc_value), file=sys.stderr)
            return 1
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
