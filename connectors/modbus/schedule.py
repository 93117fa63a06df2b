"""When which block is read: fixed periods from one origin, without a clock of its own.

Times are microseconds of any clock that never goes back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from connectors.modbus.answers import Answers
from connectors.modbus.plan import Block
from penstock.connector import Meter

NEVER: Final = 1 << 62
LONGEST_WAIT: Final = 10_000_000
"""A block that failed is asked again after this time at the latest (or its period)."""


@dataclass(slots=True, eq=False)
class Poll:
    """A block and when it is due."""

    block: Block
    period: int
    due: int
    answers: Answers = field(init=False)
    stamp: int | None = None
    """What the device's clock said when the block was last read."""
    raw: Sequence[Any] | None = None
    """The values that it then had."""
    failures: int = 0
    """How often in a row it failed in a way that makes asking again soon of little use."""

    def __post_init__(self) -> None:
        self.answers = Answers(self.block)


class Schedule:
    """Which blocks are due.

    A period that passes while another request is under way is skipped and counted, never made up
    for: a device that is slower than asked for is not asked faster.

    Args:
        polls: All blocks.
        meter: Counts the periods skipped.
    """

    def __init__(self, polls: Sequence[Poll], meter: Meter) -> None:
        self.polls = list(polls)
        self._meter = meter

    def next_due(self) -> int:
        """When the next block is due; never where there is none."""
        return min((poll.due for poll in self.polls), default=NEVER)

    def take(self, now: int) -> list[Poll]:
        """The blocks that are due, and at most one of those that failed last time, at the end.

        So a device's dead part, each request to which takes as long as a time-out, does not hold up
        the rest.
        """
        taken, failed = [], []
        for poll in self.polls:
            if poll.due > now:
                continue
            if poll.failures:
                failed.append(poll)
            else:
                taken.append(poll)
                self._meter.missed += self._skip(poll, now)
        if failed:
            longest = min(failed, key=lambda poll: poll.due)
            self._skip(longest, now)
            taken.append(longest)
        return taken

    @staticmethod
    def _skip(poll: Poll, now: int) -> int:
        """Let a block be due next time in the future; how many of its periods went by unused."""
        periods = (now - poll.due) // poll.period
        poll.due += (periods + 1) * poll.period
        return periods

    @staticmethod
    def succeeded(poll: Poll) -> None:
        """The block was read."""
        poll.failures = 0

    @staticmethod
    def failed(poll: Poll, now: int, least_wait: int) -> None:
        """The block was not read: ask again later each time, still on a multiple of its period."""
        if poll.failures:
            wait = min(max(poll.period, least_wait) << min(poll.failures, 16), LONGEST_WAIT)
        else:
            wait = 0  # Once is no habit.
        poll.failures += 1
        if poll.due < now + wait:
            poll.due += -(-(now + wait - poll.due) // poll.period) * poll.period

    def replace(self, poll: Poll, blocks: Sequence[Block]) -> list[Poll]:
        """Read other blocks in the place of one, at the same times."""
        polls = [Poll(block, poll.period, poll.due) for block in blocks]
        self.polls.remove(poll)
        self.polls += polls
        return polls
