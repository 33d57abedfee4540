"""The kernel's packet filter, by `nft` (nftables): a table of our own that is there or is not."""

import subprocess
from pathlib import Path

from agent.formats.errors import Unavailable

TABLE = "inet camward_quarantine"
NFT_S = 30.0  # a tenth of a second on a slow camera
# Made before it is deleted, so that the same text serves whether it was there or not; one transaction (nft(8)).
GONE = f"add table {TABLE}\ndelete table {TABLE}\n"


def rules(pages: "tuple[int, ...]") -> str:
    """What is closed, as nft reads it. The kernel's own packets (ARP, neighbours, resets) have no program, and pass."""
    answers = "".join(f"  meta skuid != 0 ct direction reply tcp sport {port} accept\n" for port in pages)
    asks = "".join(f"  tcp dport {port} accept\n" for port in pages)
    return (
        f"{GONE}table {TABLE} {{\n"
        " chain output {\n"
        "  type filter hook output priority 0; policy accept;\n"
        '  oifname "lo" accept\n'
        f"{answers}"
        "  meta skuid != 0 drop\n"
        " }\n"
        " chain input {\n"
        "  type filter hook input priority 0; policy accept;\n"
        '  iifname "lo" accept\n'
        f"{asks}"
        "  ct direction original meta l4proto tcp drop\n"
        "  ct direction original meta l4proto udp drop\n"
        " }\n"
        "}\n"
    )


class NftFirewall:
    """`agent.ports.machine.Firewall` by nftables."""

    def __init__(self, nft: Path) -> None:
        """`nft`: the program. Nothing is touched yet."""
        self._nft = nft

    def close(self, pages: "tuple[int, ...]") -> None:
        """See `Firewall.close`.

        Raises:
            Unavailable: there is no such program, or the kernel refuses.
        """
        self._run(rules(pages))

    def open(self) -> None:
        """See `Firewall.open`.

        Raises:
            Unavailable: there is no such program, or the kernel refuses.
        """
        self._run(GONE)

    def _run(self, text: str) -> None:
        try:
            done = subprocess.run(
                [self._nft, "-f", "-"], input=text.encode(), capture_output=True, timeout=NFT_S, check=False
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise Unavailable(f"{self._nft} does not run ({type(error).__name__})") from error
        if done.returncode:
            raise Unavailable("nft: " + done.stderr.decode("utf-8", "replace").strip()[:200])
