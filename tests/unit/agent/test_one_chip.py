"""The agent of a camera with a TPM and an encrypted data partition speaks to the TPM by one object."""

from types import SimpleNamespace

from agent import main_compose
from agent.adapters.linux.options import Options
from agent.adapters.linux.store import FileStore
from agent.core.slots import Region


def test_keys_secret_and_erasure_share_the_chip(tmp_path):
    config = SimpleNamespace(keys="tpm2", user_folders=())
    layout = SimpleNamespace(encrypted=True, device="/dev/vda", data=Region(0, 1 << 24))
    keys, secret = main_compose.keys_and_secret(FileStore(tmp_path), config)
    erasure = main_compose._erasure(Options(), config, layout)
    assert keys._chip is secret._tpm is erasure._tpm
