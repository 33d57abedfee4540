from agent.formats import cose, envelope, ownership
from firmware_sim.world.packing import unsafe_open
from firmware_sim.world.secrets import UnsafeSigner
from tests.portable.story import ready

RECORD = "ownership/record.json"
camera = ready()
world = camera.world
world.power_cut()
signer = UnsafeSigner("the operator")
record = ownership.parse(world.documents.content[RECORD]).replace(sealing_key=signer.public_pem)
world.documents.content[RECORD] = ownership.encode(record)
world.power_on()
world.run_for(1200)
point = signer.public_der[-cose.ENC_BYTES :]
for topic, payload in world.broker.messages:
    kind = topic.rsplit("/", 1)[1]
    if cose.is_sealed(payload):
        sealed = cose.parse(payload)
        found = envelope.parse(unsafe_open(point, sealed, topic))
        print(kind, sealed.boot == found.boot, sealed.seq == found.seq, len(found.signature), sorted(found.body))
    else:
        print(kind, "in the clear")
