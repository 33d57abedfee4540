"""Builds, while there is still a network, what the tests and the demo use without one (all cached by content)."""

import sys

from firmware_sim.demo import images
from firmware_sim.image import tools
from firmware_sim.image.errors import ImageError
from firmware_sim.image.store import default_store


def main() -> int:
    """Build the firmware images and unpack MicroPython; 1 with one clear line if something cannot be had."""
    status = images.main()
    if status != 0:
        return status
    try:
        tools.micropython(relock_into=default_store().lock)
    except ImageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
