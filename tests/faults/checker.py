"""Checks a log against what was sent to it, as Jepsen's Kafka workload does; and for how long.

Of values that were acknowledged, every one below the highest offset that was read must have been
read (else it is lost); none is read twice; and in each partition those of one sender come in the
order in which they were sent. What was not acknowledged may be there or not.
(https://jepsen.io/analyses/redpanda-21.10.1: lost writes, duplicates, inversions.)
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Place = tuple[int, int]
"""Partition and offset."""
Append = tuple[int, float]
"""Partition and time (seconds) of a result."""


@dataclass(frozen=True)
class Verdict:
    """What is wrong with a log; nothing if all are 0."""

    lost: int
    twice: int
    inversions: int


def check_log(
    acknowledged: Mapping[Place, int], sent: Iterable[int], read: Iterable[tuple[Place, int]]
) -> Verdict:
    """Compare a log with what was sent.

    Args:
        acknowledged: The number that lies at each place, as the broker said.
        sent: All numbers that were sent, acknowledged or not.
        read: What was read, in order of each partition.

    >>> check_log({(0, 0): 1, (0, 1): 2}, [1, 2, 3], [((0, 0), 1), ((0, 1), 2), ((0, 2), 3)])
    Verdict(lost=0, twice=0, inversions=0)
    >>> check_log({(0, 0): 1, (0, 1): 2}, [1, 2], [((0, 0), 2), ((0, 1), 2)])
    Verdict(lost=1, twice=1, inversions=0)
    """
    found = dict(read)
    highest: dict[int, int] = defaultdict(lambda: -1)
    for partition, offset in found:
        highest[partition] = max(highest[partition], offset)
    seen = Counter(found.values())
    lost = sum(
        offset <= highest[partition] and not seen[number]
        for (partition, offset), number in acknowledged.items()
    )
    foreign = len(seen.keys() - set(sent))
    twice = sum(count - 1 for count in seen.values()) + foreign
    return Verdict(lost, twice, _inversions(found))


def _inversions(found: Mapping[Place, int]) -> int:
    """Places whose number is smaller than the one before it in its partition."""
    last: dict[int, int] = {}
    count = 0
    for (partition, _), number in sorted(found.items()):
        count += number < last.get(partition, -1)
        last[partition] = number
    return count


def recoveries(appended: Iterable[Append], faults: Iterable[float]) -> list[float]:
    """Seconds from each fault to the next result; infinity where none came.

    >>> recoveries([(0, 1.0), (1, 4.0)], [0.5, 1.5, 5.0])
    [0.5, 2.5, inf]
    """
    times = sorted(time for _, time in appended)
    return [next((at - one for at in times if at > one), float("inf")) for one in faults]


def longest_gap(
    appended: Sequence[Append], partitions: Iterable[int], begin: float, end: float
) -> float:
    """The longest time in which a partition brought no result, seconds.

    Args:
        appended: The results.
        partitions: All that should bring some.
        begin: From when on they should.
        end: Till when at least.

    >>> longest_gap([(0, 2.0), (0, 3.0), (1, 2.0)], [0, 1], 1.0, 3.5)
    1.5
    >>> longest_gap([(0, 2.0)], [0, 1], 0.0, 3.0)
    3.0
    """
    gaps = [0.0]
    for partition in partitions:
        times = [at for number, at in appended if number == partition and at > begin]
        gaps += [after - before for before, after in pairwise(sorted([begin, end, *times]))]
    return max(gaps)
