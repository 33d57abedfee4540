"""The check for package-host addresses finds what it is for, and finds nothing in this checkout."""

import subprocess
from pathlib import Path

from tests.tools import no_hosts


def test_nothing_tracked_names_a_package_host() -> None:
    assert no_hosts.findings(Path(__file__).resolve().parents[3]) == []


def test_a_mirror_in_a_lock_file_is_found(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "a.txt").write_text("--index" + "-url https://mirror.example/simple\n")
    (tmp_path / "b.list").write_text("deb" + " http://mirror.example/debian trixie main\n")
    (tmp_path / "c.txt").write_text("nothing to see\n")
    subprocess.run(["git", "-C", str(tmp_path), "add", "."], check=True)
    assert [line.split(":")[0] for line in no_hosts.findings(tmp_path)] == ["a.txt", "b.list"]
