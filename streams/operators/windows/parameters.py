"""Parameters of windowed operators, in microseconds, and the bounds of time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from penstock.errors import ConfigurationError

EARLIEST: Final = -(1 << 61)
"""A sample of before this (some 73,000 years ago) is set aside: sums of times stay in 64 bits."""
NEVER: Final = -(1 << 62)
"""The watermark of a stream that has none yet."""
FOREVER: Final = 1 << 62
"""The end of what has no end."""
_LONGEST: Final = 1 << 55
_MOST_PANES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Size:
    """One size of windows.

    Args:
        size: From a window's first microsecond until before the end.
        reopen_for: How long after its end a window takes late samples.
        every: From the start of one window to that of the next, where windows hop; they overlap.
            Divides `size`. None: one window begins where the other ends (tumbling).
        out_of_order: How far samples may overtake each other; None: as all sizes.
    """

    size: int
    reopen_for: int
    every: int | None = None
    out_of_order: int | None = None

    @property
    def step(self) -> int:
        """From the start of one window to that of the next."""
        return self.size if self.every is None else self.every

    def text(self, out_of_order: int) -> str:
        """All of it, less what is as usual."""
        hop = "" if self.step == self.size else f"/{self.every}"
        usual = self.out_of_order in (None, out_of_order)
        return f"{self.size}{hop}+{self.reopen_for}{'' if usual else f'~{self.out_of_order}'}"


@dataclass(frozen=True, slots=True)
class WindowParameters:
    """What decides when windows close, and what they take.

    Args:
        out_of_order: How far samples of a stream may overtake each other, where a size does not
            say otherwise.
        hold: How long a value holds after its stream's last sample.
        clock_ahead: A sample further ahead of its record's ingest time than this is set aside.
        sizes: Ascending, each size once.

    Raises:
        ConfigurationError: A duration is negative, a size is zero, given twice or no multiple of
            its `every`.
    """

    out_of_order: int
    hold: int
    clock_ahead: int
    sizes: tuple[Size, ...]

    def __post_init__(self) -> None:
        durations = [self.out_of_order, self.hold, self.clock_ahead]
        for one in self.sizes:
            durations += [one.reopen_for, one.out_of_order or 0]
        sizes = [one.size for one in self.sizes]
        if min(durations) < 0 or max(durations + sizes) > _LONGEST:
            msg = "a duration is negative or longer than 1,000 years"
            raise ConfigurationError(msg, where="windows", remedy="write durations as in '15 min'")
        if not sizes or sizes[0] < 1 or sizes != sorted(set(sizes)):
            msg = f"window sizes must be at least 1 us, ascending and each given once: {sizes}"
            raise ConfigurationError(msg, where="windows.sizes", remedy="name each size once")
        for one in self.sizes:
            if one.step < 1 or one.size % one.step or one.size // one.step > _MOST_PANES:
                msg = f"windows of {one.size} us cannot begin every {one.step} us"
                remedy = f"size must be a multiple of every, {_MOST_PANES} times at most"
                raise ConfigurationError(msg, where="windows.sizes", remedy=remedy)

    @property
    def text(self) -> str:
        """All parameters in one line: equal texts, equal results."""
        sizes = ",".join(one.text(self.out_of_order) for one in self.sizes)
        return (
            f"out_of_order={self.out_of_order} hold={self.hold} "
            f"clock_ahead={self.clock_ahead} sizes={sizes}"
        )

    def by_lateness(self) -> Iterator["WindowParameters"]:
        """The same for the sizes of each `out_of_order` by themselves, the least one first."""
        late = [
            self.out_of_order if one.out_of_order is None else one.out_of_order
            for one in self.sizes
        ]
        for out_of_order in sorted(set(late)):
            mine = [one for one, its in zip(self.sizes, late, strict=True) if its == out_of_order]
            sizes = tuple(replace(one, out_of_order=None) for one in mine)
            yield replace(self, out_of_order=out_of_order, sizes=sizes)
