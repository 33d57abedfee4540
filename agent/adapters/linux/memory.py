"""Give memory back: a password hash takes 19 MiB for a moment, and the camera needs them for its stream."""

import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
MMAP_THRESHOLD_BYTES = 256 * 1024  # fixed: otherwise glibc raises it to the largest block freed, and keeps such blocks
ARENAS = 2  # one for the main loop, one for the workers; each thread's own would hold megabytes


def be_frugal() -> None:
    """Tell the C library, where it is one that listens (glibc); before any thread is started."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES)
        mallopt(_M_TRIM_THRESHOLD, MMAP_THRESHOLD_BYTES)
        mallopt(_M_ARENA_MAX, ARENAS)
