from binascii import unhexlify

from agent.formats import claim_proof
from firmware_sim.world import factory, people
from firmware_sim.world.machine import FINGERPRINT
from tests.portable.story import Stage

camera = Stage()
salt = unhexlify(camera.ask("state")["claim_salt"])
known = claim_proof.verifier(salt, factory.CLAIM_CODE)
nonce = b"n" * claim_proof.NONCE_BYTES
proof = claim_proof.client_proof(known, nonce, unhexlify(FINGERPRINT))
foreign = claim_proof.client_proof(known, nonce, b"m" * 32)
told = factory.hexadecimal
camera.ask("claim_proof", nonce=told(nonce), proof=told(foreign))
camera.ask("claim_proof", nonce="no", proof=told(proof))
camera.ask("claim_proof", nonce=told(nonce), proof="no")
reply = camera.ask("claim_proof", nonce=told(nonce), proof=told(proof))
print(reply["proof"] == told(claim_proof.camera_proof(known, nonce, unhexlify(FINGERPRINT))))
camera.ask("claim", code="WRONG", user="keiko", password=people.PASSWORD)
camera.ask("claim", code=factory.CLAIM_CODE, user="keiko", password=factory.CLAIM_CODE.lower())
camera.claim()
camera.ask("claim_proof", nonce=told(nonce), proof=told(proof))
camera.ask("state")
