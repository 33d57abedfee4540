"""The ports on Linux with CPython."""
