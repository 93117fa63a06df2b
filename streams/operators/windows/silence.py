"""When a stream said nothing for longer than `hold`, the values of its series end."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.operators.windows.parameters import FOREVER, NEVER
from streams.operators.windows.samples import Samples


@dataclass(frozen=True, slots=True)
class Silence:
    """Where streams said nothing for longer than `hold`.

    Args:
        streams: (S) streams that fell silent at some time in or before these samples.
        cut: (S) when the values that were held before these samples end; FOREVER: not by silence.
        sample_cut: (N) when each sample's value ends at the latest; None: no silence at all.
    """

    streams: NDArray[np.int64]
    cut: NDArray[np.int64]
    sample_cut: NDArray[np.int64] | None


def silence(
    stream: NDArray[np.int64],
    samples: Samples,
    heads: NDArray[np.int64],
    last: NDArray[np.int64],
    hold: int,
) -> Silence:
    """Find the silences between ordered samples, and between them and those folded before.

    Args:
        stream: Of every series of the partition.
        samples: (N) in order.
        heads: Where the groups begin.
        last: Of every stream: the time of its last folded sample, NEVER if there is none.
        hold: How long a value is held beyond its stream's last sample.
    """
    tails = np.append(heads[1:], len(samples)) - 1
    streams, of = np.unique(stream[samples.series[heads]], return_inverse=True)
    earliest, latest = np.full(len(streams), FOREVER), np.full(len(streams), NEVER)
    np.minimum.at(earliest, of, samples.time[heads])
    np.maximum.at(latest, of, samples.time[tails])
    wide = (latest - np.where(last[streams] == NEVER, earliest, last[streams])) > hold
    if not wide.any() or _lively(of, samples.time, heads, tails, last[streams], hold):
        return Silence(streams[:0], latest[:0], None)
    suspect = np.zeros(len(last), np.bool_)
    suspect[streams[wide]] = True
    owner = stream[samples.series]
    place = np.flatnonzero(suspect[owner])
    order = place[np.lexsort((samples.time[place], owner[place]))]
    cuts, head = _cuts(owner[order], samples.time[order], hold)
    sample_cut = np.full(len(samples), FOREVER)
    sample_cut[order] = cuts
    silent, before = owner[order[head]], last[owner[order[head]]]
    fell = (before != NEVER) & (samples.time[order[head]] - before > hold)
    return Silence(silent, np.where(fell, before + hold, cuts[head]), sample_cut)


def _lively(
    stream: NDArray[np.int64],
    time: NDArray[np.int64],
    heads: NDArray[np.int64],
    tails: NDArray[np.int64],
    last: NDArray[np.int64],
    hold: int,
) -> bool:
    """Whether the groups already tell that there is no silence; False: it takes a closer look.

    So it is where no two samples of a group are further apart than `hold`, and no group begins
    later than that after those that began before it.

    Args:
        stream: (G) index of each group's stream in `last`.
        time: (N) of each sample.
        heads: (G) where the groups begin.
        tails: (G) and their last samples.
        last: The time of each stream's last sample before these, NEVER if there is none.
        hold: How long a value is held beyond its stream's last sample.
    """
    elapsed = np.diff(time)
    elapsed[tails[:-1]] = 0
    if elapsed.max(initial=0) > hold:
        return False
    order = np.lexsort((time[heads], stream))
    owner, begin, end = stream[order], time[heads][order], time[tails][order]
    first = np.diff(owner, prepend=-1) != 0
    earliest = min(int(begin.min()), int(last[last != NEVER].min(initial=FOREVER)))
    bits = int(end.max() - earliest).bit_length()
    if bits + len(last).bit_length() > 62:  # noqa: PLR2004 - what one int64 can hold
        return False
    # The greatest end so far, anew for each stream, since a later stream's number is greater.
    so_far = np.maximum.accumulate((owner << bits) | (end - earliest))
    before = np.append(0, so_far[:-1] & ((1 << bits) - 1)) + earliest
    known = last[owner[first]]
    before[first] = np.where(known == NEVER, begin[first], known)
    before[~first] = np.maximum(before, last[owner])[~first]
    return bool((begin - before <= hold).all())


def _cuts(
    owner: NDArray[np.int64], time: NDArray[np.int64], hold: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """When each sample's value ends by silence, and which samples are their stream's first.

    The samples are ordered by stream and time.
    """
    head = np.diff(owner, prepend=-1) != 0
    same = ~np.append(head[1:], True)
    gap = same & (np.diff(time, append=time[-1]) > hold)
    nowhere = len(time)
    # The next gap at or after each sample, and the last sample of its stream.
    next_gap = np.minimum.accumulate(np.where(gap, np.arange(nowhere), nowhere)[::-1])[::-1]
    ends = np.flatnonzero(~same)[np.cumsum(head) - 1]
    found = next_gap < ends
    return np.where(found, time[np.where(found, next_gap, 0)] + hold, FOREVER), head
