"""Parameters of the operator `alerts`."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AlertParameters:
    """When alerts are raised and cleared; times in microseconds of event time.

    Args:
        on_delay: How long a condition must hold until it is raised.
        off_delay: How long it must hold no more until it is cleared.
        deadband: An anomaly is over where its p-value is at least this many times the detector's
            threshold; in between, nothing changes.
        window: Size of the windows that evidence is drawn from.
        units: Of each (asset, tag), for sentences; they decide no result.
    """

    on_delay: int
    off_delay: int
    deadband: float
    window: int
    units: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All that decides results, in one line."""
        return f"on={self.on_delay} off={self.off_delay} band={self.deadband} window={self.window}"
