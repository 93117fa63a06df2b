"""What the records of a window or pane have in common."""

from abc import ABC, abstractmethod


class Windowed(ABC):
    """A result that tells of a span of event time.

    Where a reset to a time has cut that span, the host does not publish it again.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def stream(self) -> tuple[str, str]:
        """Path of the asset or line that it is of, and the source; "" where it is of all."""

    @property
    @abstractmethod
    def span(self) -> tuple[int, int]:
        """Begin and end, microseconds since 1970-01-01 UTC."""
