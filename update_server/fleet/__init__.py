"""Cameras: who they are, what they report, and what arrives over MQTT."""
