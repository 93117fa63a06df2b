"""Tags of which nothing has come since the connection was made: an MQTT broker names no error."""

import math
from collections.abc import Iterable, Sequence

from penstock.connector import Meter, Sample
from penstock.quality import BAD_WAITING_FOR_INITIAL_DATA
from penstock.settings.tags import Tag


class Unheard:
    """Watches for each tag's first sample.

    A topic or a metric that nobody publishes is no error to a broker, and the most common mistake.
    So each tag that stays silent for `patience` is flagged once, and named.

    Args:
        tags: The source's tags.
        patience: Microseconds.
        meter: Counts the silent tags as errors.
    """

    def __init__(self, tags: Sequence[Tag], patience: int, meter: Meter) -> None:
        self._tags = {(tag.asset, tag.tag): tag for tag in tags}
        self._patience = patience
        self._meter = meter
        self.deadline: int | None = None
        """When the next look is due, microseconds; None: never."""

    def connected(self, now: int) -> None:
        """Begin to wait."""
        self.deadline = now + self._patience if self._tags else None

    def heard(self, samples: Iterable[Sample]) -> None:
        """Samples came."""
        if self._tags:
            for sample in samples:
                self._tags.pop((sample.asset, sample.tag), None)
            if not self._tags:
                self.deadline = None

    def overdue(self, now: int) -> list[Sample]:
        """A bad sample for each tag that is still silent at the deadline."""
        if self.deadline is None or now < self.deadline:
            return []
        silent, self._tags, self.deadline = self._tags, {}, None
        first = next(iter(silent.values()))
        self._meter.errors += len(silent)
        self._meter.last_error = (
            f"nothing came yet for {len(silent)} tags, the first {first.asset}/{first.tag} "
            f"at {first.address}: compare it with what is published"
        )
        quality = BAD_WAITING_FOR_INITIAL_DATA
        return [Sample(tag.asset, tag.tag, math.nan, now, None, quality) for tag in silent.values()]
