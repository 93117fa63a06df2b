"""Knows what was last heard of each tag, and flags what is stale or cut off.

A flagged sample repeats the last value with a quality that is not good. Its source time is on the
*source's* clock, so that a device whose clock is behind does not have its own later samples
overtaken by the flag. What the clock says now, that tag of the asset tells which is furthest: its
last source time plus the time since. A value that was old when it came (as the first of a
subscription) would put its flag before samples that are taken, where it ends nothing.
"""

from collections.abc import Iterable, Sequence

from penstock.connector import Sample
from penstock.quality import BAD_NO_COMMUNICATION, UNCERTAIN_LAST_USABLE_VALUE, is_good


class Freshness:
    """Last samples of one source's tags.

    Args:
        stale_after: Microseconds without news after which a tag is stale.
    """

    def __init__(self, stale_after: int) -> None:
        self._stale_after = stale_after
        self._last: dict[tuple[str, str], Sample] = {}
        self._heard: dict[tuple[str, str], int] = {}
        self._stale: set[tuple[str, str]] = set()

    @property
    def stale(self) -> int:
        """How many tags are stale now."""
        return len(self._stale)

    def heard(self, samples: Sequence[Sample], now: int) -> None:
        """Take note of samples that arrived now (microseconds, our clock)."""
        for sample in samples:
            key = (sample.asset, sample.tag)
            self._last[key] = sample
            self._heard[key] = now
        if self._stale:
            self._stale.difference_update((sample.asset, sample.tag) for sample in samples)

    def newly_stale(self, now: int, vouched: int = 0) -> Sequence[Sample]:
        """One flagged sample for each tag that became stale since the last call.

        Args:
            now: Our clock, microseconds.
            vouched: When the source last vouched for all values that it did not send again.
        """
        found = [
            key
            for key, heard in self._heard.items()
            if now - max(heard, vouched) > self._stale_after and key not in self._stale
        ]
        self._stale.update(found)
        return self._flagged(found, now, UNCERTAIN_LAST_USABLE_VALUE)

    def cut_off(self, now: int) -> Sequence[Sample]:
        """One flagged sample for each tag whose last was good: here a gap begins."""
        flags = self._flagged(self._last, now, BAD_NO_COMMUNICATION)
        self._last |= {(flag.asset, flag.tag): flag for flag in flags}
        return flags

    def _flagged(self, keys: Iterable[tuple[str, str]], now: int, quality: int) -> Sequence[Sample]:
        """A flagged sample of each of these tags whose last was good."""
        good = [key for key in keys if is_good(self._last[key].quality)]
        clocks = self._clocks(now) if good else {}
        return [
            self._last[key]._replace(source_time=clocks[key[0]], server_time=None, quality=quality)
            for key in good
        ]

    def _clocks(self, now: int) -> dict[str, int]:
        """What time it is now for the source of each asset of which something is good."""
        found: dict[str, int] = {}
        for key, last in self._last.items():
            if is_good(last.quality):
                time = last.source_time + max(1, now - self._heard[key])
                found[key[0]] = max(found.get(key[0], time), time)
        return found
