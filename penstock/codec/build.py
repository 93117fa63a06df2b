"""Builds SensorEvents from a connector's samples.

Nothing that a device may send stops it: what does not fit becomes NaN, or an empty text, with a bad
quality. Numbers are doubles: of integers beyond 2^53 the last digits are rounded.
"""

from collections import defaultdict
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.codec.avro_read import NO_DOUBLES, NO_INTS
from penstock.codec.checks import EXACT, FARTHEST
from penstock.codec.values import Values, convert
from penstock.connector import Sample
from penstock.quality import GOOD
from schemas import SensorEvent

_SPAN: Final = int(EXACT)


def build_events(
    samples: Sequence[Sample],
    *,
    source: str,
    session: str,
    sequences: MutableMapping[str, int],
    ingest: int,
) -> list[SensorEvent]:
    """Group samples into one event per asset.

    Tags are in alphabetical order, a tag's samples in the order that they came in. An asset whose
    samples lie more than 2^53 microseconds (285 years) apart gets several events.

    Args:
        samples: What a connector read.
        source: Name of the source.
        session: Changes whenever the connector restarts.
        sequences: The next sequence number of each asset; moved on here.
        ingest: When the last of the samples came in, microseconds.
    """
    assets: defaultdict[str, defaultdict[str, list[Sample]]]
    assets = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        assets[sample[0]][sample[1]].append(sample)
    events = []
    for asset, tags in assets.items():
        for group in _near(tags):
            sequence = sequences.get(asset, 0)
            sequences[asset] = sequence + 1
            events.append(_event(group, asset, source, session, sequence, ingest))
    return events


def _near(tags: dict[str, list[Sample]]) -> Iterator[dict[str, list[Sample]]]:
    """Groups whose source times fit into exact offsets."""
    times = [sample.source_time for samples in tags.values() for sample in samples]
    first = min(times)
    if max(times) - first < _SPAN:
        yield tags
        return
    near: dict[str, list[Sample]] = {}
    far: dict[str, list[Sample]] = {}
    for tag, samples in tags.items():
        for sample in samples:
            group = near if sample.source_time - first < _SPAN else far
            group.setdefault(tag, []).append(sample)
    yield near
    yield from _near(far)


def _event(
    tags: dict[str, list[Sample]],
    asset: str,
    source: str,
    session: str,
    sequence: int,
    ingest: int,
) -> SensorEvent:
    names = sorted(tags)
    groups = [tags[name] for name in names]
    ordered = [sample for group in groups for sample in group]
    times = [sample.source_time for sample in ordered]
    start = min(times)
    values = convert(groups, ordered)
    return SensorEvent(
        asset=asset,
        source=source,
        session=session,
        sequence=sequence,
        start=max(-FARTHEST, min(start, FARTHEST)),
        ingest=ingest,
        tags=tuple(names),
        counts=np.array([len(group) for group in groups], np.int64),
        offsets=_one_for_all(np.array([time - start for time in times], np.float64)),
        server_offsets=_server_offsets(ordered, start),
        values=np.array(values.numbers, np.float64),
        texts=tuple(values.texts),
        kinds=np.array(values.kinds, np.int32) if any(values.kinds) else NO_INTS,
        quality=_quality(ordered, values),
    )


def _server_offsets(samples: Sequence[Sample], start: int) -> NDArray[np.float64]:
    times = [sample.server_time for sample in samples]
    if times.count(None) == len(times):
        return NO_DOUBLES
    offsets = np.array(
        [
            time - start if time is not None and abs(time - start) < _SPAN else np.nan
            for time in times
        ],
        np.float64,
    )
    return NO_DOUBLES if np.isnan(offsets).all() else _one_for_all(offsets)


def _quality(samples: Sequence[Sample], values: Values) -> NDArray[np.int32]:
    codes = [sample.quality for sample in samples]
    for index, code in values.flags.items():
        codes[index] = code
    if codes.count(GOOD) == len(codes):
        return NO_INTS
    # the same 32 bits, also of a code that came unsigned
    return _one_for_all(np.array(codes, np.int64).astype(np.int32))


def _one_for_all(column: NDArray[Any]) -> NDArray[Any]:
    """A column of equal entries as one entry."""
    return column[:1] if (column == column[0]).all() else column
