from agent.formats import voucher
from firmware_sim.world import factory, people
from firmware_sim.world.repository import signed_file
from tests.portable.story import NOW, Stage

for serial, signers, life_s in (
    (factory.SERIAL, 2, 900),
    ("KW1-000009", 2, 900),
    (factory.SERIAL, 1, 900),
    (factory.SERIAL, 2, 0),
):
    camera = Stage()
    world = camera.world
    text = people.prepare_enrolment(world, camera.operator)
    camera.operator.adopt(world.device_id())
    camera.assign(None)
    part = voucher.signed_part(serial, text, NOW + life_s)
    world.documents.content["factory/voucher.json"] = signed_file(
        part, camera.operator.image.signers["targets"][:signers]
    )
    world.restart()
    world.run_for(30)
    status = world.admin("status")
    print(status["state"], status["operator"], status["enrolment"], "factory/voucher.json" in world.documents.content)
