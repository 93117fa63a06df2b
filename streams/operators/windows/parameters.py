"""Parameters of windowed operators, in microseconds, and the bounds of time."""

from dataclasses import dataclass
from typing import Final

from penstock.errors import ConfigurationError

EARLIEST: Final = -(1 << 61)
"""A sample of before this (some 73,000 years ago) is set aside: sums of times stay in 64 bits."""
NEVER: Final = -(1 << 62)
"""The watermark of a stream that has none yet."""
FOREVER: Final = 1 << 62
"""The end of what has no end."""
_LONGEST: Final = 1 << 55


@dataclass(frozen=True, slots=True)
class WindowParameters:
    """What decides when windows close, and what they take.

    Args:
        out_of_order: How far samples of a stream may overtake each other.
        hold: How long a value holds after its stream's last sample.
        clock_ahead: A sample further ahead of its record's ingest time than this is set aside.
        sizes: (size, reopen_for) of each window size, ascending.

    Raises:
        ConfigurationError: A duration is negative, a size is zero or given twice.
    """

    out_of_order: int
    hold: int
    clock_ahead: int
    sizes: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        durations = [self.out_of_order, self.hold, self.clock_ahead]
        durations += [reopen_for for _, reopen_for in self.sizes]
        sizes = [size for size, _ in self.sizes]
        if min(durations) < 0 or max(durations + sizes) > _LONGEST:
            msg = "a duration is negative or longer than 1,000 years"
            raise ConfigurationError(msg, where="windows", remedy="write durations as in '15 min'")
        if not sizes or sizes[0] < 1 or sizes != sorted(set(sizes)):
            msg = f"window sizes must be at least 1 us, ascending and each given once: {sizes}"
            raise ConfigurationError(msg, where="windows.sizes", remedy="name each size once")

    @property
    def text(self) -> str:
        """All parameters in one line: equal texts, equal results."""
        sizes = ",".join(f"{size}+{reopen_for}" for size, reopen_for in self.sizes)
        return (
            f"out_of_order={self.out_of_order} hold={self.hold} "
            f"clock_ahead={self.clock_ahead} sizes={sizes}"
        )
