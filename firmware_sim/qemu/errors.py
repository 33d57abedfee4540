"""What can go wrong with an emulated camera, each with a stable code and the way out."""


class MachineError(Exception):
    """The machine, or something it needs on the host, is not as it must be.

    One line: what happened, then what to do. `code` is stable and is what tests look at:
    `missing_tool`, `missing_file`, `port_taken`, `disk_full`, `open_network`, `qemu_failed`, `not_running`, `deadline`,
    `console`, `monitor`, `snapshot`, `shell`.
    """

    def __init__(self, code: str, what: str, remedy: str = "") -> None:
        """Keep the code beside the text.

        Args:
            code: stable name of the kind of failure.
            what: what happened, without a full stop.
            remedy: what the reader should do; empty where only the log can tell.
        """
        super().__init__(f"{what}; {remedy}" if remedy else what)
        self.code = code
        self.what = what
        self.remedy = remedy
