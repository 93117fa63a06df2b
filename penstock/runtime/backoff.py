"""How long to wait before trying again: exponential, with full jitter, for ever."""

from dataclasses import dataclass, field
from random import Random


@dataclass(slots=True)
class Backoff:
    """Waits that double up to a bound, each drawn at random so that many do not come at once.

    The first wait is at most `first`. Source: "Exponential Backoff And Jitter" (full jitter), with
    half of the span kept so that a wait is never near zero.
    """

    first: float = 0.25
    most: float = 5.0
    rng: Random = field(default_factory=Random)
    _tries: int = 0

    def next(self) -> float:
        """Seconds to wait now."""
        span = min(self.most, self.first * 2.0**self._tries)
        self._tries = min(self._tries + 1, 32)
        return span * (0.5 + 0.5 * self.rng.random())

    def reset(self) -> None:
        """It worked: begin anew."""
        self._tries = 0
