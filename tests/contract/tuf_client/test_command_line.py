"""The command line as suites call it: a process, its exit status, and one line on standard error."""

import os
import subprocess
import sys

import pytest

from tests.contract.tuf_client.simulator import moment

AT = (
    "import sys, time; at = float(sys.argv[1]); time.time = lambda: at; from agent.main import main; main(sys.argv[2:])"
)
"""Runs the command at another time, as libfaketime does: by what the C library says."""
WHAT_IS_LOADED = """
import sys
from agent.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(*sorted(name for name in sys.modules if name.split(".")[0] in ("agent", "cryptography")), file=sys.stderr)
"""


def run(*arguments, code=None):
    command = [sys.executable, *(("-c", code) if code else ("-m", "agent.main")), *arguments]
    return subprocess.run(command, capture_output=True, timeout=60, check=False)


def test_a_process_ends_with_0_and_says_nothing(client, site):
    site.add_target("file", b"content")
    site.republish()
    for verb, paths in (("refresh", ()), ("download", ("file",))):
        done = run(*client.arguments(verb, *paths))
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert client.downloaded() == [b"content"]


def test_a_process_ends_with_1_and_one_line(client, site):
    done = run(*client.arguments("download", "nothing"))
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"camward-agent tuf: unknown_target: nothing\n"


def test_time_comes_from_the_c_library(client, site):
    now = moment(0).timestamp()
    arguments = client.arguments("refresh")
    code = AT.replace("main(sys", "sys.exit(main(sys") + ")"
    assert run(str(now + 86400 * 0.9), *arguments, code=code).returncode == 0
    late = run(str(now + 86400 * 1.1), *arguments, code=code)
    assert late.returncode == 1
    assert late.stderr.startswith(b"camward-agent tuf: freeze: ")
    site.roles["timestamp"].expires = moment(3)
    site.publish("timestamp")
    assert run(str(now + 86400 * 1.1), *arguments, code=code).returncode == 0
    assert client.stored()["timestamp"] == 2


def test_trailing_slashes_and_the_order_of_options_do_not_matter(client, site):
    site.add_target("file", b"content")
    site.republish()
    arguments = client.arguments("download", "file")
    slashed = [one + "///"[:1] if one.startswith("http") else one for one in arguments]
    assert client.run(*slashed) == 0
    options, verb = arguments[1:-1], arguments[-1]
    pairs = [options[at : at + 2] for at in range(0, len(options), 2)]
    assert client.run("tuf", *[word for pair in reversed(pairs) for word in pair], verb) == 0
    assert client.run("tuf", verb, *options) == 0
    assert "//" not in "".join(site.requests())


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["refresh"],
        ["unknown"],
        ["--metadata-dir", "D", "init"],
        ["--metadata-dir", "D", "refresh"],
        ["--metadata-dir", "D", "--metadata-url", "http://127.0.0.1:1/", "refresh", "ROOT"],
        ["--metadata-dir", "D", "--metadata-url", "gopher://a/", "refresh"],
        ["--metadata-dir", "D", "--metadata-url", "http://127.0.0.1:1/", "download"],
        ["--metadata-dir", "D", "--metadata-url", "http://127.0.0.1:1/", "--target-name", "P", "download"],
        ["--metadata-dir", "D", "--bogus", "refresh"],
        ["--metadata-dir", "D", "init", "/nonexistent"],
    ],
)
def test_a_command_that_lacks_something_ends_with_1_and_one_line(client, tmp_path, arguments):
    assert client.run("tuf", *(str(tmp_path / "D") if one == "D" else one for one in arguments)) == 1
    assert len(client.said.splitlines()) == 1
    assert client.said.startswith("camward-agent tuf: ")
    assert not (tmp_path / "D").exists()


def test_options_are_written_out(client, site, tmp_path):
    assert client.run("tuf", "--metadata-d", str(tmp_path / "D"), "init", str(tmp_path / "initial.json")) == 1
    assert client.said.startswith("camward-agent tuf: usage: ")
    assert not (tmp_path / "D").exists()


def test_a_name_that_is_no_text_is_refused(client):
    assert client.download(os.fsdecode(b"\xff")) == 1
    assert client.code() == "format"


def test_folders_are_made_and_a_folder_that_cannot_be_is_said(client, site, tmp_path):
    site.add_target("file", b"content")
    site.republish()
    client.targets = tmp_path / "deep" / "er"
    assert client.download("file") == 0
    client.targets = tmp_path / "initial.json"  # a file
    assert client.download("file") == 1
    assert client.code() == "unavailable"
    client.metadata = tmp_path / "initial.json" / "D"
    assert client.init() == 1
    assert client.code() == "unavailable"


def test_help_names_the_verbs_and_the_options():
    done = run("tuf", "--help")
    assert done.returncode == 0
    for word in (b"init ROOT", b"refresh", b"download", b"--metadata-dir", b"--target-base-url", b"docs/tuf-client.md"):
        assert word in done.stdout
    assert b"tuf " in run("--help").stdout


def test_the_agent_on_a_camera_loads_none_of_it():
    loaded = run("status", code=WHAT_IS_LOADED).stderr.decode().split()
    assert "agent.main" in loaded
    assert not {"agent.main_tuf", "agent.app.tuf_client", "agent.adapters.linux.all_keys", "cryptography"} & set(loaded)
    loaded = run("tuf", "--help", code=WHAT_IS_LOADED).stderr.decode().split()
    assert "agent.main_tuf" in loaded
    assert "cryptography" not in loaded
