"""Erasing a camera whose data partition is encrypted: its key goes as well."""

from hashlib import sha256
from pathlib import Path

from agent.adapters.linux.data_partition import KEPT, PlainArea, carried_record
from agent.adapters.linux.erasure import FileErasure
from agent.adapters.linux.store import is_name
from agent.adapters.linux.tpm import Tpm
from agent.formats.errors import Unavailable
from agent.formats.tpm import CARRIED_INDEX, PARTITION_INDEX


class PartitionErasure(FileErasure):
    """`agent.ports.storage.Erasure` on an encrypted data partition, which an erase makes anew."""

    def __init__(self, state: Path, user_folders: tuple[Path, ...], area: PlainArea, tpm: Tpm, renewed: Path) -> None:
        """`renewed` is there in the start that has made the partition anew for an erase (agent.main_data)."""
        super().__init__(state, user_folders)
        self._area = area
        self._tpm = tpm
        self._renewed = renewed

    def renew(self) -> bool:
        """See `Erasure.renew`.

        The order to format is durable before the key goes: a partition without its key counts as damaged otherwise. One
        that a try before has left is not given again: a power cut in between would leave it what nobody vouches for.
        """
        try:
            if self._renewed.exists():
                self._renewed.unlink()
                return False
        except OSError as error:
            raise Unavailable(f"{error.filename}: {error.strerror}") from error
        if not self._area.is_ordered_with(self._tpm.secret(CARRIED_INDEX)):
            self._order()
        self._tpm.remove_secret(PARTITION_INDEX)
        return True

    def _order(self) -> None:
        """The TPM vouches for what is kept before that lies where who writes the flash could have put it."""
        try:
            kept = [name for name in self.contents() if is_name(name) and name.startswith(KEPT)]
            record = carried_record({name: (self._state / name).read_bytes() for name in kept})
        except OSError as error:
            raise Unavailable(f"{error.filename}: {error.strerror}") from error
        self._tpm.keep(sha256(record).digest(), CARRIED_INDEX)
        self._area.order(record)
