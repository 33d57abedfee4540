"""A CA's private key that lies wherever its signer URI says, in the form in which `cryptography` makes certificates."""

from typing import Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from update_server.errors import BadInput, SigningFailed
from update_server.repository import signers
from update_server.repository.online import Online


class SigningKey(ec.EllipticCurvePrivateKey):
    """Signs (ECDSA P-256 with SHA-256) and does nothing else: the key may be on a token or with a key service.

    Every signature has been verified before it is in a certificate (`signers.CheckedSigner`).
    """

    def __init__(self, public: ec.EllipticCurvePublicKey, keys: Online) -> None:
        """The key of `public`, which `keys` lists; it is looked for with the first signature."""
        self._public = public
        self._keys = keys
        self._id = signers.public_key(public).keyid

    @property
    def curve(self) -> ec.EllipticCurve:
        """P-256."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """In bits."""
        return self._public.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public key."""
        return self._public

    def sign(
        self, data: bytes | bytearray | memoryview, signature_algorithm: ec.EllipticCurveSignatureAlgorithm
    ) -> bytes:
        """Sign `data`; the signature in DER (RFC 3279, 2.2.3).

        Raises:
            NotImplementedError: by anything but ECDSA with SHA-256.
            Misconfigured: the server has no signer for this key, or it holds another one.
            SigningFailed: its token or service is out of reach, or its PIN is not known.
        """
        algorithm = signature_algorithm.algorithm
        if not isinstance(signature_algorithm, ec.ECDSA) or not isinstance(algorithm, hashes.SHA256):
            raise NotImplementedError
        try:
            signature = self._keys.signer(self._id).sign(bytes(data)).signature
        except BadInput as error:  # a PIN, say: whoever asked for a certificate has nothing to do with that
            raise SigningFailed(error.what, error.remedy) from None
        return bytes.fromhex(signature)

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        """Not for this key.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        """Nobody gets them.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError

    def private_bytes(
        self,
        encoding: serialization.Encoding,
        format: serialization.PrivateFormat,
        encryption_algorithm: serialization.KeySerializationEncryption,
    ) -> bytes:
        """Nobody gets them.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self
