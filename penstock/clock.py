"""The one place that reads the wall clock; whatever needs the time takes a `Clock`."""

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Gives the time in microseconds since 1970-01-01 UTC."""


def now() -> int:
    """The wall clock, in microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000
