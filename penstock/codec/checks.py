"""What a SensorEvent must keep beyond its schema, checked over many events at once."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DecodeError
from schemas import Kind, SensorEvent

EXACT: Final = 2.0**53
"""Doubles below hold every whole number."""
FARTHEST: Final = 1 << 62
"""Times lie within, so that no sum of a time and an offset overflows 64 bits."""


def find_faults(events: Sequence[SensorEvent]) -> dict[int, str]:
    """What is wrong with each event that makes no sense, by its index.

    A column has as many entries as the schema says; counts are not negative and add up to the
    samples; offsets are whole microseconds below 2^53; every value of a text tag points to one of
    the texts; a boolean is 0, 1 or NaN.
    """
    faults: dict[int, str] = {}
    if not events:
        return faults
    sizes = np.array([len(event.values) for event in events])
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
        _check_times(events, faults)
        _check_lengths(events, sizes, faults)
        _check_counts(events, sizes, faults)
        _check_offsets(events, faults)
        typed = [i for i, event in enumerate(events) if len(event.kinds) and i not in faults]
        if typed:
            _check_kinds(events, typed, faults)
    return faults


def check_tags(tags: Sequence[str]) -> None:
    """Refuse tags that come twice, whose samples would be taken for one another's.

    Raises:
        DecodeError: A tag comes twice.
    """
    if len(set(tags)) < len(tags):
        twice = next(tag for i, tag in enumerate(tags) if tag in tags[:i])
        msg = f"tag {twice!r} comes twice"
        raise DecodeError(msg)


def _check_times(events: Sequence[SensorEvent], faults: dict[int, str]) -> None:
    numbers = np.array([(event.sequence, event.start, event.ingest) for event in events], np.int64)
    for i in np.flatnonzero(numbers[:, 0] < 0).tolist():
        faults[i] = f"sequence is {numbers[i, 0]}; it counts from 0"
    wild = (numbers[:, 1:] > FARTHEST) | (numbers[:, 1:] < -FARTHEST)
    for i in np.flatnonzero(wild.any(axis=1)).tolist():
        faults.setdefault(i, "start or ingest is no time")


def _check_lengths(
    events: Sequence[SensorEvent], sizes: NDArray[Any], faults: dict[int, str]
) -> None:
    for name, least in (("offsets", 1), ("server_offsets", 0), ("quality", 0)):
        lengths = np.array([len(getattr(event, name)) for event in events])
        wrong = (lengths != sizes) & (lengths != 1) & (lengths != 0)
        if least:
            wrong |= (lengths == 0) & (sizes > 0)
        for i in np.flatnonzero(wrong).tolist():
            faults.setdefault(i, f"{lengths[i]} {name} for {sizes[i]} values")
    for i, event in enumerate(events):
        tags = len(event.tags)
        if len(event.counts) != tags:
            faults.setdefault(i, f"{len(event.counts)} counts for {tags} tags")
        if len(event.kinds) not in (0, tags):
            faults.setdefault(i, f"{len(event.kinds)} kinds for {tags} tags")


def _check_counts(
    events: Sequence[SensorEvent], sizes: NDArray[Any], faults: dict[int, str]
) -> None:
    lengths = np.array([len(event.counts) for event in events])
    counts = np.concatenate([event.counts for event in events])
    wrong = (counts < 0) | (counts > np.repeat(sizes, lengths))
    for i in np.repeat(np.arange(len(events)), lengths)[wrong].tolist():
        faults.setdefault(i, f"a count is negative or beyond the {sizes[i]} values")
    counts[wrong] = 0  # so that no sum overflows
    ends = np.cumsum(lengths)
    sums = np.concatenate(([0], np.cumsum(counts)))
    sums = sums[ends] - sums[ends - lengths]
    for i in np.flatnonzero(sums != sizes).tolist():
        faults.setdefault(i, f"counts add up to {sums[i]}, but there are {sizes[i]} values")


def _check_offsets(events: Sequence[SensorEvent], faults: dict[int, str]) -> None:
    for name in ("offsets", "server_offsets"):
        columns = [getattr(event, name) for event in events]
        offsets = np.concatenate(columns)
        wrong = ~((np.trunc(offsets) == offsets) & (np.abs(offsets) < EXACT))
        if name == "server_offsets":
            wrong &= ~np.isnan(offsets)
        if wrong.any():
            record = np.repeat(np.arange(len(events)), [len(column) for column in columns])
            for i in np.unique(record[wrong]).tolist():
                faults.setdefault(i, f"{name} are not whole microseconds below 2^53")


def _check_kinds(
    events: Sequence[SensorEvent], typed: Sequence[int], faults: dict[int, str]
) -> None:
    """Needs events whose counts, kinds and values are of fitting lengths."""
    chosen = [events[i] for i in typed]
    kinds = np.concatenate([event.kinds for event in chosen])
    unknown = (kinds < min(Kind)) | (kinds > max(Kind))
    for i in np.repeat(typed, [len(event.kinds) for event in chosen])[unknown].tolist():
        faults.setdefault(i, f"a kind is none of {', '.join(str(int(k)) for k in Kind)}")
    sizes = [len(event.values) for event in chosen]
    record = np.repeat(typed, sizes)
    values = np.concatenate([event.values for event in chosen])
    kind = np.repeat(kinds, np.concatenate([event.counts for event in chosen]))
    texts = np.repeat([len(event.texts) for event in chosen], sizes)
    points = (values >= 0) & (values < texts) & (np.trunc(values) == values)
    for i in record[(kind == Kind.TEXT) & ~points].tolist():
        faults.setdefault(i, "a value of a text tag points to none of the texts")
    truth = (values == 0) | (values == 1) | np.isnan(values)
    for i in record[(kind == Kind.BOOLEAN) & ~truth].tolist():
        faults.setdefault(i, "a value of a boolean tag is neither 0 nor 1")
