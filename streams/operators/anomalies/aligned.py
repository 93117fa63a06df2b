"""The tags of one asset brought to one grid of time: each holds its last value.

A row of the grid at time t holds of every tag its newest sample at or before t. A bad sample, or
text, ends a value. Where devices report by exception, an old value is as good as a new one as long
as its source lives; so a value counts until its *source* has been silent for more than `max_age`.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.detector import Floats

SAMPLE: Final = np.dtype([("tag", "<i4"), ("source", "<i4"), ("time", "<i8"), ("value", "<f8")])
"""A sample by the asset's numbers of tags and sources; the value NaN if it is bad."""
_NEVER: Final = -(1 << 62)


class Aligned:
    """The tags of one asset, whichever sources they come from.

    Args:
        grid: From one row to the next, microseconds.
        max_age: How long values outlive their source's last sample.

    Attributes:
        tags: Names of its tags, in order of appearance.
    """

    def __init__(self, grid: int, max_age: int) -> None:
        self._grid, self._max_age = grid, max_age
        self.tags: list[str] = []
        self._tag_ids: dict[str, int] = {}
        self._sources: list[str] = []
        self._source_ids: dict[str, int] = {}
        self._value = np.zeros(0)
        self._owner = np.zeros(0, np.int64)
        self._heard = np.zeros(0, np.int64)

    def tag(self, name: str) -> int:
        """The number of a tag, a new one if it was never seen."""
        known = self._tag_ids.setdefault(name, len(self.tags))
        if known == len(self.tags):
            self.tags.append(name)
            self._value = np.append(self._value, np.nan)
            self._owner = np.append(self._owner, 0)
        return known

    def source(self, name: str) -> int:
        """The number of a source, a new one if it was never seen."""
        known = self._source_ids.setdefault(name, len(self._sources))
        if known == len(self._sources):
            self._sources.append(name)
            self._heard = np.append(self._heard, _NEVER)
        return known

    def ordered(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Samples by time, then name of the source, then arrival."""
        rank = np.argsort(np.argsort(np.array(self._sources)))
        return samples[np.lexsort((rank[samples["source"]], samples["time"]))]

    def apply(self, samples: NDArray[Any]) -> None:
        """Take samples in order."""
        self._value[samples["tag"]] = samples["value"]
        self._owner[samples["tag"]] = samples["source"]
        np.maximum.at(self._heard, samples["source"], samples["time"])

    def alive(self, time: int) -> bool:
        """Whether any source was heard lately."""
        return bool((self._heard + self._max_age >= time).any())

    def row(self, time: int) -> Floats:
        """The values of all tags at a time; NaN where there is none."""
        fresh = self._heard[self._owner] + self._max_age >= time
        return np.where(fresh, self._value, np.nan)

    def held(self, tag: str) -> float:
        """The last value of a tag, however old; NaN if there is none."""
        place = self._tag_ids.get(tag)
        return float("nan") if place is None else float(self._value[place])

    def dump(self) -> tuple[list[Any], dict[str, Floats]]:
        """The state: what is JSON, and arrays."""
        head = [self.tags, self._sources, self._heard.tolist()]
        return head, {"value": self._value, "owner": self._owner}

    def load(self, head: list[Any], arrays: Mapping[str, Floats]) -> None:
        """Become the aligned tags whose `dump` this is."""
        tags, sources, heard = head
        for name in tags:
            self.tag(name)
        for name in sources:
            self.source(name)
        self._heard = np.array(heard, np.int64)
        self._value, self._owner = arrays["value"], arrays["owner"].astype(np.int64)
