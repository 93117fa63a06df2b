"""Takes the late samples out of an event, for the late topic."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas import SensorEvent


def pick(event: SensorEvent, mask: NDArray[np.bool_]) -> SensorEvent:
    """The event with only the samples that `mask` (N) marks, and only their tags.

    Session and sequence stay the event's, so that a sample can be traced to its record; so do
    `texts`, which the values of text tags point to.
    """
    tag = np.repeat(np.arange(len(event.tags)), event.counts)
    counts = np.bincount(tag[mask], minlength=len(event.tags))
    kept = np.flatnonzero(counts)
    return SensorEvent(
        asset=event.asset,
        source=event.source,
        session=event.session,
        sequence=event.sequence,
        start=event.start,
        ingest=event.ingest,
        tags=tuple(event.tags[k] for k in kept),
        counts=counts[kept].astype(np.int64),
        offsets=_some(event.offsets, mask),
        server_offsets=_some(event.server_offsets, mask),
        values=event.values[mask],
        texts=event.texts,
        kinds=event.kinds[kept] if len(event.kinds) else event.kinds,
        quality=_some(event.quality, mask),
    )


def _some(column: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
    """A column's entries; of length 1 it goes on standing for all."""
    return column[mask] if len(column) == len(mask) else column
