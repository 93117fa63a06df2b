"""Keeps freed memory for what comes next.

A worker allocates and frees columns of some hundred kilobytes for every fetch. glibc gives such
memory back to the system each time, which hands it out again page by page: that took a quarter of
the time of a fold. Kept are at most what a worker once used, and `_KEPT`.
"""

import ctypes
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_KEPT: Final = 256 << 20
_MAPPED: Final = 32 << 20
"""glibc's greatest; what is larger is given back."""


def keep_freed() -> None:
    """Have glibc keep what is freed; elsewhere nothing changes."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MAPPED)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
