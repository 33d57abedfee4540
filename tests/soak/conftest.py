"""Soak tests use the cameras and the closed network of the emulated tests."""

from tests.emulated.conftest import camera_of, image, pytest_sessionstart, switch_on, unclaimed

__all__ = ["camera_of", "image", "pytest_sessionstart", "switch_on", "unclaimed"]
