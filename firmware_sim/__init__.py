"""Builds a camera firmware, runs it, and attacks it; never part of a product but for `camera`."""
