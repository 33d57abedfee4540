"""The port Firewall: what nft is told, and what is said where it cannot be."""

import os
from pathlib import Path

import pytest

from agent.adapters.linux.firewall import GONE, NftFirewall
from agent.formats.errors import Unavailable
from firmware_sim.world.ssh import WorldFirewall

SCRIPT = """#!/bin/sh
echo "$@" >{folder}/arguments
cat >{folder}/told
echo "the kernel says no" >&2
exit $(cat {folder}/status)
"""


@pytest.fixture
def nft(tmp_path: Path) -> Path:
    """A program that keeps what it is told, and ends with the status in the file of that name."""
    program = tmp_path / "nft"
    program.write_text(SCRIPT.format(folder=tmp_path))
    program.chmod(0o700)
    (tmp_path / "status").write_text("0")
    return program


def test_other_programs_reach_nobody_and_nobody_reaches_them_but_on_the_page(nft, tmp_path):
    NftFirewall(nft).close((443,))
    told = (tmp_path / "told").read_text()
    assert (tmp_path / "arguments").read_text() == "-f -\n"
    assert told.startswith(GONE), "done again, it is the same"
    output, _, entry = told.partition(" chain input")
    assert [line.strip() for line in output.splitlines() if "accept" in line or "drop" in line][1:] == [
        'oifname "lo" accept', "meta skuid != 0 ct direction reply tcp sport 443 accept", "meta skuid != 0 drop",
    ]  # fmt: skip
    assert [line.strip() for line in entry.splitlines() if "accept" in line or "drop" in line][1:] == [
        'iifname "lo" accept', "tcp dport 443 accept", "ct direction original meta l4proto tcp drop",
        "ct direction original meta l4proto udp drop",
    ]  # fmt: skip


def test_open_takes_the_table_away_whether_it_is_there_or_not(nft, tmp_path):
    NftFirewall(nft).open()
    assert (tmp_path / "told").read_text() == GONE


def test_a_kernel_that_refuses_and_a_program_that_is_not_there_are_told(nft, tmp_path):
    (tmp_path / "status").write_text("1")
    for work in (NftFirewall(nft).open, lambda: NftFirewall(nft).close((443,))):
        with pytest.raises(Unavailable, match="the kernel says no"):
            work()
    os.unlink(nft)
    with pytest.raises(Unavailable, match="does not run"):
        NftFirewall(nft).open()


def test_the_worlds_firewall_keeps_what_it_had_where_it_fails():
    firewall = WorldFirewall()
    firewall.close((443,))
    firewall.broken = True
    for work in (firewall.open, lambda: firewall.close(())):
        with pytest.raises(Unavailable):
            work()
    assert firewall.pages == (443,)
