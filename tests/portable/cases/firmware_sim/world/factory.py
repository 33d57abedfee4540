from agent.formats import config, label
from firmware_sim.world import factory
from firmware_sim.world.firmware import Geometry

settings = config.parse(factory.config_body(Geometry(slot_blocks=6, root_blocks=4), "1.0.0", 3))
print(settings.model, settings.version, settings.security_epoch, [service.name for service in settings.services])
print(label.parse(factory.label_body()))
print(
    len(factory.catalogue().criteria),
    factory.blocklist().commonness("admin", 1),
    factory.blocklist().commonness("?", 1),
)
print(factory.device_id(b"key"), factory.hexadecimal(b"\x00\xff"))
