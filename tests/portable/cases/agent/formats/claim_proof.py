from binascii import hexlify

from agent.formats import claim_proof

known = claim_proof.verifier(bytes(range(16)), "abcd-EFGH 2345-wxyz")
nonce, fingerprint = b"n" * claim_proof.NONCE_BYTES, b"f" * claim_proof.FINGERPRINT_BYTES
print(hexlify(known))
for seen in (fingerprint, b"g" * claim_proof.FINGERPRINT_BYTES):
    print(hexlify(claim_proof.client_proof(known, nonce, seen)))
    print(hexlify(claim_proof.camera_proof(known, nonce, seen)))
