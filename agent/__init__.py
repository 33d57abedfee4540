"""Camward's agent: the part that lives inside the camera."""
