"""Checks a log against what was sent to it, as Jepsen's Kafka workload does.

Of values that were acknowledged, every one below the highest offset that was read must have been
read (else it is lost); none is read twice; and in each partition those of one sender come in the
order in which they were sent. What was not acknowledged may be there or not.
(https://jepsen.io/analyses/redpanda-21.10.1: lost writes, duplicates, inversions.)
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Place = tuple[int, int]
"""Partition and offset."""


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
