"""Implementations of the ports; only the main modules name them."""
