"""Opens the encrypted data partition: run by the camera's start (agent/boot/rc-sysinit), before it is mounted.

`open` prints the block device to mount; after the mount, `fill` finishes a formatting. Status 1 and a line on standard
error where that cannot be done: the camera then starts as with a damaged data partition, locked.
"""

import sys
from pathlib import Path

from agent.adapters.linux.data_partition import ERASE_JOURNAL, UNANSWERED, DataPartition, NoAnswer, PlainArea
from agent.adapters.linux.options import Options
from agent.adapters.linux.store import FileStore
from agent.adapters.linux.tpm import Tpm
from agent.core.slots import parse_layout
from agent.formats.errors import CamwardError, FormatError, Unavailable
from agent.main_compose import RENEWED, read_config

SOURCE = Path("/dev/dm-2")  # as agent/boot/init numbers it
TEMPLATE = Path("/usr/lib/camward/data.template")
FRESH = "data-new"  # in the run folder: formatted in this start, `fill` has to follow


def main(arguments: list[str]) -> int:
    """`open` or `fill`; the exit status."""
    options = Options()
    try:
        partition = _partition(options)
        if arguments == ["open"]:
            if partition.is_new():
                _say("the data partition is made anew")
            try:
                device, fresh = partition.open()
            except NoAnswer:
                (options.run / UNANSWERED).touch()
                raise
            if fresh:
                (options.run / FRESH).touch()
            print(device)
        elif arguments == ["fill"]:
            if (options.run / FRESH).exists():
                if ERASE_JOURNAL in partition.fill(FileStore(options.state)):
                    (options.run / RENEWED).touch()
                (options.run / FRESH).unlink()
                print("camward-data: the data partition was formatted")
        else:
            raise Unavailable("open or fill")
    except OSError as error:
        _say(str(error))
        return 1
    except CamwardError as error:
        _say(error.detail or error.code)
        return 1
    return 0


def _partition(options: Options) -> DataPartition:
    config = read_config(options.config)
    layout = parse_layout(config.layout)
    if not layout.encrypted:
        raise FormatError("this camera's layout has no encrypted data partition")
    area = PlainArea(Path(layout.device), layout.data)
    return DataPartition(area, Tpm(), SOURCE, TEMPLATE.read_bytes(), _say)


def _say(text: str) -> None:
    """To the log: `open` has the block device alone on its standard output."""
    print("camward-data: " + text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
