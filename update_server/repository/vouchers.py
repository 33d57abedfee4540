"""Factory vouchers: made on the server, signed offline by the image repository's targets keys.

A voucher travels like a ceremony file: each machine adds its keys' signatures. It is judged by `agent.core.voucher`,
the camera's own code.
"""

import json
from collections.abc import Sequence

from securesystemslib.signer import Signer

from agent.core import voucher as verifier
from agent.formats import canonical_json, tuf, voucher
from agent.formats.errors import CamwardError, FormatError
from agent.formats.voucher import Voucher
from update_server.errors import BadInput
from update_server.repository.verifier import verify_signature

MAX_ROOT_BYTES = 64 * 1024


def draft(serial: str, token: str, expires_at: int) -> bytes:
    """A voucher that nobody has signed yet."""
    return _encode(voucher.signed_part(serial, token, expires_at), {})


def read(body: bytes) -> Voucher:
    """What a voucher says, whoever has signed it.

    Raises:
        BadInput: it is none.
    """
    try:
        return voucher.parse(body)
    except FormatError as error:
        raise BadInput(f"This is no voucher: {error.detail}.", "Make one: 'camward-server device voucher'.") from None


def sign(body: bytes, signers: Sequence[Signer]) -> bytes:
    """The voucher with these signatures added; one of the same key is replaced.

    Raises:
        BadInput: it is no voucher.
        SigningFailed: a key is out of reach.
    """
    read(body)
    value = json.loads(body)
    message = canonical_json.encode(value["signed"])
    signatures = {item["keyid"]: item["sig"] for item in value["signatures"]}
    for signer in signers:
        signatures[signer.public_key.keyid] = signer.sign(message).signature
    return _encode(value["signed"], signatures)


def check(body: bytes, root: bytes, now: int) -> None:
    """Make sure that a camera which trusts the image root `root` takes the voucher.

    Raises:
        BadInput: it does not.
    """
    found = read(body)
    try:
        verifier.verify(body, tuf.parse_root(root, MAX_ROOT_BYTES), found.serial, now, verify_signature)
    except CamwardError as error:
        raise BadInput(
            f"The camera will not take this voucher: {error}.", "Have it signed by more of the targets keys."
        ) from None


def _encode(signed: object, signatures: dict[str, str]) -> bytes:
    listed = [{"keyid": keyid, "sig": signatures[keyid]} for keyid in sorted(signatures)]
    return json.dumps({"signed": signed, "signatures": listed}, indent=1, sort_keys=True).encode() + b"\n"
