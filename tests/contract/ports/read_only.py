"""A file as a process sees it on whose mounts it is read-only; for everybody else it stays as it is."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SCRIPT = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && echo ready && read -r end'
_WORDS = ("unshare", "--mount", "--propagation", "private", "sh", "-c", _SCRIPT)


@contextmanager
def seen_read_only(path: Path) -> Iterator[Path]:
    """The same file by another path, on which opening for writing fails with EROFS."""
    words = [*_WORDS, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        yield Path(f"/proc/{holder.pid}/root{path}")
        holder.stdin.close()
