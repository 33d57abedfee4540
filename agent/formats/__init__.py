"""Bytes to values and back: pure, portable, bounded; malformed input raises FormatError only."""
