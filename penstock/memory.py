"""How a long-lived process holds memory: what is freed is kept, and garbage is looked for rarely.

A worker allocates and frees columns of some hundred kilobytes for every fetch. glibc gives such
memory back to the system each time, which hands it out again page by page: that took a quarter of
the time of a fold. And Python looks through all objects that there are, again and again, for cycles
that hardly any code here makes: a twelfth of a worker's time, and with an OPC UA client's 200,000
objects a pause of 0.1 s each time, of half a second on a busy machine.
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


def keep_freed() -> None:
    """Have glibc keep what is freed; elsewhere, nothing changes."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MAPPED)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)


def collect_rarely() -> None:
    """Never look again through the objects that are there now, and seldom through later ones.

    For the moment when all that lasts is there: modules, and a connection. Call it again when that
    has been replaced; what is garbage by then is freed.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
