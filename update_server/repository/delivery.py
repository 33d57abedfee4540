"""How a camera may fetch and install what is assigned to it: the object `x-camward-delivery` in its director targets.

It is made here and nowhere else. A target's own custom field must equal the image repository's, so what the operator
adds stands beside the target.
"""

from collections.abc import Sequence
from typing import Any

from agent.formats import delivery
from update_server.db.models import Device

DELIVERY = "x-camward-delivery"


def of(
    device: Device | None,
    mirrors: Sequence[str] = (),
    artifact: delivery.Artifact | None = None,
    neighbours: Sequence[delivery.Source] = (),
) -> dict[str, Any]:
    """The object for a camera; empty when there is nothing to say, and then it is left out.

    Args:
        device: the camera.
        mirrors: URLs where targets can be had beside this server.
        artifact: what it may fetch instead of the whole release.
        neighbours: cameras of its site, to be asked before anybody else.
    """
    sources = (*neighbours, *(delivery.Source(url, "") for url in mirrors))[: delivery.MAX_SOURCES]
    wanted = delivery.Delivery(device is not None and device.install_now, sources, artifact)
    return {} if wanted == delivery.PLAIN else delivery.as_json(wanted)
