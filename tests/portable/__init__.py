"""The same script on CPython and on MicroPython must print the same."""
