"""Kernel modules as the image has them."""

import pytest

from firmware_sim.image.errors import ImageError
from firmware_sim.image.modules import SIGNED, without_signature

CODE = b"\x7fELF" + bytes(range(200))


def _signed(signature: bytes, said: int | None = None) -> bytes:
    length = len(signature) if said is None else said
    return CODE + signature + b"\0\0\x02\0\0\0\0\0" + length.to_bytes(4, "big") + SIGNED


@pytest.mark.parametrize("signature", [b"", b"s", b"PKCS#7" * 90])
def test_a_signed_module_is_what_it_was_before(signature: bytes):
    assert without_signature(_signed(signature)) == CODE


def test_a_module_without_a_signature_stays_as_it_is():
    assert without_signature(CODE) == CODE
    assert without_signature(CODE + SIGNED[:-1]) == CODE + SIGNED[:-1]


@pytest.mark.parametrize(
    "module", [SIGNED, b"short" + SIGNED, _signed(b"s", said=len(CODE) + 1), _signed(b"s", said=(1 << 32) - 1)]
)
def test_a_malformed_signature_is_named(module: bytes):
    with pytest.raises(ImageError, match="signature"):
        without_signature(module)
