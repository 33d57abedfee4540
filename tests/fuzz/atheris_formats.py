"""Coverage-guided fuzzing of every parser (`make fuzz`): the first byte picks one, the rest is its input.

Runs until libFuzzer's limits end it. An input that brings out anything but FormatError ends it at once and is left in
build/fuzz. The corpus begins with the valid and the hostile inputs that the tests use.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["agent"]):
    from agent.formats.errors import FormatError
    from tests.fuzz.hostile import HOSTILE
    from tests.fuzz.parsers import PARSERS

CALLS = {id(parser): (name, parser) for name, parser in sorted(PARSERS.items())}
NAMED = list(CALLS.values())
MAX_CORPUS_BYTES = 4096  # the parsers see no more than this in one go: longer inputs only make it slow
TOKENS = ("{", "}", "[", "]", '"', ":", ",", "null", "true", "-1", "1e9", "\\u00e9", "\\ud83d", "signed", "signatures")


def one_input(data: bytes) -> None:
    """Give one input to one parser."""
    if data:
        try:
            NAMED[data[0] % len(NAMED)][1].read(data[1:])
        except FormatError:
            pass


def write_corpus(folder: Path) -> None:
    """The inputs to begin with, and a dictionary of what the formats are made of."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, (name, parser) in enumerate(NAMED):
        inputs = {f"seed{number}": seed for number, seed in enumerate(parser.seeds)}
        inputs |= {kind.replace(" ", "-"): make(parser.seeds[0]) for kind, make in HOSTILE.items()}
        for kind, body in inputs.items():
            if len(body) < MAX_CORPUS_BYTES:
                (folder / f"{name}-{kind}").write_bytes(bytes([index]) + body)
    escaped = (token.replace("\\", "\\\\").replace('"', '\\"') for token in TOKENS)
    (folder.parent / "tokens.txt").write_text("".join(f'"{token}"\n' for token in escaped))


def main() -> None:
    """Run libFuzzer with the arguments of the command line; the last one is the corpus folder."""
    corpus = Path(sys.argv[-1])
    write_corpus(corpus)
    options = [f"-dict={corpus.parent / 'tokens.txt'}", f"-max_len={MAX_CORPUS_BYTES}"]
    atheris.Setup([sys.argv[0], *options, *sys.argv[1:]], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
