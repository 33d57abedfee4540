"""Builds every firmware image that the tests and the demo use, while there is still a network (cached by content)."""

import sys

from firmware_sim.demo import images


def main() -> int:
    """Build them all; 1 with one clear line if one cannot be built."""
    return images.main()


if __name__ == "__main__":
    sys.exit(main())
