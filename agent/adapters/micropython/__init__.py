"""The ports on MicroPython's unix port."""
