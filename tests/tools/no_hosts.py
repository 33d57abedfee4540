"""No tracked file names the address of a package host: mirrors come from the machine's own configuration."""

import re
import subprocess
import sys
from pathlib import Path

# Lines of lock files, source lists and installers that would pin a mirror.
PATTERNS = [
    re.compile(p)
    for p in (
        r'"resolved":\s*"https?:',
        r"--(extra-)?index-url[ =]",
        r"registry\s*=\s*\"?https?:",
        r"^(deb|deb-src)\s.*https?://",
        r"URIs:\s*https?://",
        r"https?://[^\s\"']*(pypi\.|pythonhosted|registry\.npm|deb\.debian|security\.debian|snapshot\.debian)",
    )
]
OWN = "tests/tools/no_hosts.py"


def findings(root: Path) -> list[str]:
    """Every place below `root` that git tracks and that names a package host, as `file:line: text`."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True)
    found = []
    for name in filter(None, tracked.stdout.split("\0")):
        path = root / name
        if name == OWN or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if any(p.search(line) for p in PATTERNS):
                found.append(f"{name}:{number}: {line.strip()[:120]}")
    return found


def main() -> int:
    """Print the findings; 1 if there are any."""
    found = findings(Path(__file__).resolve().parents[2])
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
