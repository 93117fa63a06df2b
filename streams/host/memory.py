"""How a worker's process holds memory: what is freed is kept, and garbage is looked for rarely.

A worker allocates and frees columns of some hundred kilobytes for every fetch. glibc gives such
memory back to the system each time, which hands it out again page by page: that took a quarter of
the time of a fold. And each fetched record is a few objects, so that Python would look through all
that there are again and again, for cycles that hardly any code here makes: a twelfth of the time.
"""

import ctypes
import gc
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_KEPT: Final = 256 << 20
"""Bytes; what is free beyond them is given back."""
_MAPPED: Final = 32 << 20
"""Larger arrays are given back at once; glibc's greatest."""
_THRESHOLDS: Final = (10_000, 10, 10)
"""New objects, and collections of the younger generation, before the next collection of each."""


def settle() -> None:
    """Set all this for the process, once everything is imported."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # glibc
        mallopt(_M_MMAP_THRESHOLD, _MAPPED)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
