"""What Python sees of the records about lines; times are microseconds since 1970-01-01 UTC."""

from dataclasses import dataclass

from schemas.records import Version
from schemas.windowed import Windowed


@dataclass(frozen=True, slots=True)
class LinePartial(Windowed):
    """A member's share in a window of its line; `line_partial.avsc` gives each field's meaning.

    `version` is set by the host that publishes; None until then.
    """

    line: str
    asset: str
    source: str
    window_start: int
    window_size: int
    watermark: int
    final: bool
    good: float
    scrap: float
    total: float
    covered: int
    version: Version | None = None

    @property
    def stream(self) -> tuple[str, str]:
        """The member: an asset and a source."""
        return self.asset, self.source

    @property
    def span(self) -> tuple[int, int]:
        """Begin and end of the window, microseconds."""
        return self.window_start, self.window_start + self.window_size


@dataclass(frozen=True, slots=True)
class LineStatistics(Windowed):
    """Statistics of a window of a line; `line_statistics.avsc` gives each field's meaning."""

    line: str
    window_start: int
    window_size: int
    watermark: int
    revision: int
    good: float
    scrap: float
    total: float
    coverage: float
    members_declared: int
    members_present: int
    incomplete: bool
    missing: tuple[str, ...]

    @property
    def stream(self) -> tuple[str, str]:
        """The line."""
        return self.line, ""

    @property
    def span(self) -> tuple[int, int]:
        """Begin and end of the window, microseconds."""
        return self.window_start, self.window_start + self.window_size
