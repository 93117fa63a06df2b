"""A condition over event time: when it begins to count, and when it is over.

It counts once it has held for the on-delay without a break, and is over once it has not held for
the off-delay without a break (the delays of alarms in ISA-18.2, 10.5). What is not known breaks
neither. Only what is newer than all before is looked at, so that what comes twice changes nothing.
"""

import math
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from streams.operators.alerting.parameters import AlertParameters

NEVER: Final = -(2**62)


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at a condition.

    Args:
        asset: ISA-95 path.
        cause: What the condition is, as `anomaly/pca`.
        time: Event time.
        holds: Whether it holds; None: that is not known, or lies in the deadband.
        value: What was seen; the least is the worst.
        limit: What it was held against.
        severity: low, medium or high.
        message: What is wrong, in a sentence.
        since: Since when, where that is known better than from the observations.
        tags: Tags that weigh most.
        shares: Of each in the whole, 0 to 1.
    """

    asset: str
    cause: str
    time: int
    holds: bool | None
    value: float
    limit: float
    severity: str
    message: str
    since: int | None = None
    tags: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()


class Change(Enum):
    """What an observation brought about."""

    BEGUN = auto()
    OVER = auto()


@dataclass(slots=True)
class Condition:
    """How one condition of one asset stands."""

    time: int | None = None
    """Of the newest observation."""
    onset: int | None = None
    """Since when it holds, or counts."""
    calm: int | None = None
    """Since when it holds no more, while it still counts."""
    worst: float = math.inf
    """The least value since onset."""
    counts: bool = False
    over: int = NEVER
    """When it last ceased to count; no onset lies before."""

    def observe(self, seen: Observation, parameters: AlertParameters) -> Change | None:
        """Take an observation in."""
        if self.time is not None and seen.time <= self.time:
            return None
        self.time = seen.time
        if seen.holds is None:
            return None
        return self._hold(seen, parameters) if seen.holds else self._ease(seen, parameters)

    def _hold(self, seen: Observation, parameters: AlertParameters) -> Change | None:
        self.calm = None
        if self.onset is None:
            since = seen.time if seen.since is None else seen.since
            self.onset = max(min(since, seen.time), self.over)
            self.worst = math.inf
        self.worst = min(self.worst, seen.value)
        if self.counts or seen.time - self.onset < parameters.on_delay:
            return None
        self.counts = True
        return Change.BEGUN

    def _ease(self, seen: Observation, parameters: AlertParameters) -> Change | None:
        if not self.counts:
            self.onset = None
            return None
        if self.calm is None:
            self.calm = seen.time
        if seen.time - self.calm < parameters.off_delay:
            return None
        self.onset, self.counts, self.over = None, False, seen.time
        return Change.OVER

    def dump(self) -> list[object]:
        """As a row of state."""
        return [self.time, self.onset, self.calm, self.worst, self.counts, self.over]

    @classmethod
    def load(cls, row: list[object]) -> "Condition":
        """From a row of state.

        Raises:
            TypeError: It is none.
        """
        return cls(*row)  # type: ignore[arg-type]  # a row that is none fails here or is refused
