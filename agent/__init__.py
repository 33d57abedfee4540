"""Camward's agent: the part that lives inside the camera."""

VERSION = "0.1.0"  # of the distribution; a camera has no package database to ask
