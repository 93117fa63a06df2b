"""What was last heard of the tags of an edge node or a device, to flag them when it dies."""

from collections.abc import Sequence

from penstock.connector import Sample
from penstock.quality import is_good


class LastValues:
    """The newest sample of each tag, and when it came in."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], tuple[Sample, int]] = {}

    def born(self, samples: Sequence[Sample], now: int) -> list[Sample]:
        """A birth's samples, without those that are known.

        A birth repeats current values. One that was given already is left away; where it was
        flagged meanwhile, it is given at the present time, on the source's clock, to end the gap.
        """
        found = []
        for sample in samples:
            last, heard = self._last.get((sample.asset, sample.tag), (None, 0))
            if last is not None and sample.source_time <= last.source_time:
                if _same(sample, last):
                    continue
                sample = sample._replace(source_time=last.source_time + max(1, now - heard))  # noqa: PLW2901
            found.append(sample)
        self.heard(found, now)
        return found

    def heard(self, samples: Sequence[Sample], now: int) -> None:
        """Take note of samples; of an older one than is known, not."""
        for sample in samples:
            known = self._last.get((sample.asset, sample.tag))
            if known is None or sample.source_time >= known[0].source_time:
                self._last[sample.asset, sample.tag] = sample, now

    def flagged(self, now: int, quality: int, at: int | None = None) -> list[Sample]:
        """The last value of each tag that was good, with a quality that is not.

        Args:
            now: Our clock, microseconds.
            quality: What to flag with.
            at: When that was, on the source's clock; else the time that has passed is added to the
                last source time.
        """
        found = [
            last._replace(
                source_time=max(at or 0, last.source_time + 1)
                if at
                else last.source_time + max(1, now - heard),
                quality=quality,
            )
            for last, heard in self._last.values()
            if is_good(last.quality)
        ]
        self.heard(found, now)
        return found


def _same(one: Sample, other: Sample) -> bool:
    same_value = one.value == other.value or (one.value != one.value and other.value != other.value)
    return same_value and one.quality == other.quality
