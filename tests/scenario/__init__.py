"""Whole stories in the simulated world: arrange a world, let one thing happen, compare worlds."""
