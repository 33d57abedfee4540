"""A small interpreter for U-Boot's shell: as much of it as agent/boot/boot.cmd uses, and an error for everything else.

It stands on a machine of two record sectors and two slots. What it leaves is a trace of saves and starts, the same that
firmware_sim.world.boot yields.
"""

import re
import zlib
from pathlib import Path

from agent.formats import boot_record
from firmware_sim.world.boot import COMMITTED, SILENT, TRIAL, Save, Start

RECORD, FIT, CONTROL_TREE, MARKER = 0x1000, 0x8000000, 0x9000000, 0x6000
WORDS = {SILENT: 0xDEADBEEF, TRIAL: 0x63770074, COMMITTED: 0x63770063}
"""What the word in memory holds when the script begins, by how the last boot ended."""
RECORD_LBA = (128, 256)
FIT_LBA = {"a": 5000, "b": 9000}
_PLACES = {
    "RECORD": hex(RECORD),
    "RECORD_LBA_1": hex(RECORD_LBA[0]),
    "RECORD_LBA_2": hex(RECORD_LBA[1]),
    "RECORD_BYTES": "0x200",
    "FIT": hex(FIT),
    "MARKER": hex(MARKER),
    "FIT_LBA_A": hex(FIT_LBA["a"]),
    "FIT_LBA_B": hex(FIT_LBA["b"]),
    "FIT_SECTORS_A": "0x8",
    "FIT_SECTORS_B": "0x8",
    "BOOTARGS": "quiet",
}
MAX_STEPS = 5000


class Reset(Exception):
    pass


class Started(Exception):
    pass


def read_script(path: Path) -> dict[str, str]:
    """The variables of boot.cmd: `name=value` lines, and `name:` with indented lines behind it."""
    variables: dict[str, str] = {}
    script = ""
    for raw in path.read_text().splitlines():
        if not raw.strip() or raw.lstrip().startswith("#"):
            continue
        line = re.sub(r"@(\w+)@", lambda found: _PLACES[found[1]], raw)
        if line[0] == " ":
            variables[script] += line + "\n"
        elif line.endswith(":"):
            script = line[:-1]
            variables[script] = ""
        else:
            name, _, value = line.partition("=")
            variables[name] = value
    return variables


class Slot:
    """What is in a slot: `kind` good, forged (a tree with an epoch, but no valid signature) or rubbish."""

    def __init__(self, kind: str, epoch: int) -> None:
        self.kind, self.epoch = kind, epoch


class Uboot:
    def __init__(
        self, script: dict[str, str], sectors: list[bytes], slots: dict[str, Slot], stuck: bool, word: int
    ) -> None:
        self.variables = dict(script) | {"fdtcontroladdr": hex(CONTROL_TREE)}
        self.sectors, self.slots, self.stuck = sectors, slots, stuck
        self.memory = b""
        self.word = word
        self.loaded: Slot | None = None
        self.tree: Slot | None = None
        self.trace: list[Save | Start] = []
        self.steps = 0
        self.record_reads = 0
        self.failing_read = 0  # which read of the boot record the medium refuses, from 1 on; 0: none

    def power_on(self) -> list[Save | Start]:
        try:
            self.command(["run", "bootcmd"])
        except Reset:
            assert self.word == 0, "a reset of the script's own would count"
            return self.trace
        except Started:
            return self.trace
        raise AssertionError("the script ended without a reset")

    # --- the shell

    def run(self, text: str) -> bool:
        tokens = _tokens(text)
        result, at = self.block(tokens, 0, (), True)
        assert at == len(tokens), tokens[at:]
        return result

    def block(self, tokens: list[str], at: int, ends: tuple[str, ...], live: bool) -> tuple[bool, int]:
        """Run (or skip, when not `live`) until one of `ends` stands where a command would."""
        result = True
        while at < len(tokens):
            if tokens[at] in (";", "\n"):
                at += 1
                continue
            if tokens[at] in ends:
                return result, at
            result, at = self.chain(tokens, at, live)
        assert not ends, f"no {ends}"
        return result, at

    def chain(self, tokens: list[str], at: int, live: bool) -> tuple[bool, int]:
        result, at = self.one(tokens, at, live)
        while at < len(tokens) and tokens[at] in ("&&", "||"):
            wanted = result if tokens[at] == "&&" else not result
            at += 1
            done, at = self.one(tokens, at, live and wanted)
            result = done if wanted else result
        return result, at

    def one(self, tokens: list[str], at: int, live: bool) -> tuple[bool, int]:
        if tokens[at] == "if":
            return self.condition(tokens, at, live)
        if tokens[at] == "for":
            return self.loop(tokens, at, live)
        words = []
        while at < len(tokens) and tokens[at] not in (";", "\n", "&&", "||"):
            words.append(tokens[at])
            at += 1
        if not live:
            return True, at
        return self.command([word for raw in words for word in self.expand(raw)]), at

    def condition(self, tokens: list[str], at: int, live: bool) -> tuple[bool, int]:
        done, result = False, True
        while tokens[at] in ("if", "elif"):
            truth, at = self.block(tokens, at + 1, ("then",), live and not done)
            taken = live and not done and truth
            ran, at = self.block(tokens, at + 1, ("elif", "else", "fi"), taken)
            result = ran if taken else result
            done = done or taken
        if tokens[at] == "else":
            taken = live and not done
            ran, at = self.block(tokens, at + 1, ("fi",), taken)
            result = ran if taken else result
        return result, at + 1

    def loop(self, tokens: list[str], at: int, live: bool) -> tuple[bool, int]:
        name = tokens[at + 1]
        assert tokens[at + 2] == "in"
        begin = tokens.index("do", at)
        values = [token for token in tokens[at + 3 : begin] if token not in (";", "\n")]
        end = at
        for value in values if live else values[:1]:
            if live:
                self.variables[name] = value
            _, end = self.block(tokens, begin + 1, ("done",), live)
        return True, end + 1

    def expand(self, raw: str) -> list[str]:
        quoted = '"' in raw
        text = re.sub(r"\$\{(\w+)\}", lambda found: self.variables.get(found[1], ""), raw.replace('"', ""))
        return [text] if quoted or text else []

    # --- the commands

    def command(self, words: list[str]) -> bool:
        self.steps += 1
        assert self.steps < MAX_STEPS, "the script does not end"
        return bool(getattr(self, "do_" + words[0].replace(".", "_"))(words[1:]))

    def do_run(self, words: list[str]) -> bool:
        assert len(words) == 1
        return self.run(self.variables[words[0]])

    def do_echo(self, words: list[str]) -> bool:
        return True

    def do_reset(self, words: list[str]) -> bool:
        raise Reset

    def do_setenv(self, words: list[str]) -> bool:
        if len(words) == 1:
            self.variables.pop(words[0], None)
        else:
            self.variables[words[0]] = " ".join(words[1:])
        return True

    def do_setexpr(self, words: list[str]) -> bool:
        if len(words) != 4:
            return False  # a variable that is empty: U-Boot prints its usage
        name, left, operator, right = words
        number = int(left, 16) + (int(right, 16) if operator == "+" else -int(right, 16))
        self.variables[name] = f"{number & 0xFFFFFFFFFFFFFFFF:x}"
        return True

    def do_setexpr_l(self, words: list[str]) -> bool:
        name, place = words
        assert place == "*" + hex(MARKER)
        self.variables[name] = f"{self.word:x}"
        return True

    def do_mw_l(self, words: list[str]) -> bool:
        assert words[0] == hex(MARKER)
        self.word = int(words[1], 16)
        return True

    def do_test(self, words: list[str]) -> bool:
        if words[0] in ("-n", "-z"):
            return (len(words[1]) > 0) == (words[0] == "-n")
        left, operator, right = words
        if operator in ("=", "!="):
            return (left == right) == (operator == "=")
        numbers = int(left or "0", 0), int(right or "0", 0)  # U-Boot: nothing is 0
        return numbers[0] > numbers[1] if operator == "-gt" else _less(operator, numbers)

    def do_virtio(self, words: list[str]) -> bool:
        if words[0] in ("scan", "dev"):
            return True
        address, sector = int(words[1], 16), int(words[2], 16)
        if words[0] == "read" and address == RECORD:
            assert words[3] == "1"
            self.record_reads += 1
            if self.record_reads == self.failing_read:
                return False
            self.memory = self.sectors[RECORD_LBA.index(sector)]
        elif words[0] == "read":
            assert address == FIT
            self.loaded = next(self.slots[slot] for slot in "ab" if FIT_LBA[slot] == sector)
        else:
            assert (words[0], address, words[3]) == ("write", RECORD, "1")
            copy = RECORD_LBA.index(sector)
            self.trace.append(Save(copy, boot_record.decode(self.memory)))
            if self.stuck:
                return False
            self.sectors[copy] = self.memory
        return True

    def do_env(self, words: list[str]) -> bool:
        if words[0] == "import":
            assert words[1] == "-c"
            data = self.memory[4:]
            if zlib.crc32(data) != int.from_bytes(self.memory[:4], "little"):
                return False
            for item in data.split(b"\0\0")[0].split(b"\0"):
                name, _, value = item.decode().partition("=")
                if name in words[4:]:
                    self.variables[name] = value
            return True
        assert words[:4] == ["export", "-c", "-s", "0x200"]
        names = sorted(words[5:])
        data = b"".join(f"{name}={self.variables[name]}\0".encode() for name in names if name in self.variables)
        data += bytes(508 - len(data))
        self.memory = zlib.crc32(data).to_bytes(4, "little") + data
        return True

    def do_fdt(self, words: list[str]) -> bool:
        if words[0] == "addr":
            self.tree = self.loaded if int(words[1], 16) == FIT else None
            return int(words[1], 16) == CONTROL_TREE or (self.tree is not None and self.tree.kind != "rubbish")
        assert words[:2] == ["get", "value"]
        assert words[3:] == ["/", "rollback-index"]
        assert self.tree is not None
        self.variables[words[2]] = hex(self.tree.epoch)
        return True

    def do_bootm(self, words: list[str]) -> bool:
        assert self.loaded is not None
        assert self.variables["verify"] == "yes"
        if self.loaded.kind != "good":
            return False
        arguments = self.variables["bootargs"].split()
        slot = next(slot for slot in "ab" if "camward.slot=" + slot in arguments)
        assert self.slots[slot] is self.loaded
        on_trial = "camward.trial=1" in arguments
        assert self.word == WORDS[TRIAL if on_trial else COMMITTED]
        self.trace.append(Start(slot, on_trial))
        raise Started


def _less(operator: str, numbers: tuple[int, int]) -> bool:
    assert operator == "-lt"
    return numbers[0] < numbers[1]


def _tokens(text: str) -> list[str]:
    text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return re.findall(r'(?:"[^"]*"|[^\s;"&|])+|&&|\|\||;|\n', text)
