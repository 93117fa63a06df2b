"""What a consumer takes of `kafka.options`, which offsets are no records, and how it commits."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import NoOffsetForPartitionError
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.host.transport import FETCH, BatchConsumer, _Fetched, fetch

PLACE = TP("ot.sensors.v1", 3)


def test_fetches_are_as_the_user_says_or_as_usual() -> None:
    assert fetch({"linger.ms": "5"}) == FETCH
    assert fetch({"fetch.wait.max.ms": "100"}) == {**FETCH, "fetch.wait.max.ms": 100}


class Keeper:
    """Notes the offsets that it is told to go past."""

    def __init__(self) -> None:
        self.passed: list[int] = []

    def nothing_in(self, place: tuple[str, int], start: int, end: int) -> None:
        assert place == tuple(PLACE) and start < end
        self.passed += range(start, end)


@given(
    st.integers(0, 50),
    st.lists(st.tuples(st.lists(st.booleans(), max_size=6), st.integers(0, 3)), max_size=12),
)
def test_each_offset_behind_the_last_record_of_a_fetch_is_told_to_be_no_record_once(
    start: int, fetches: list[tuple[list[bool], int]]
) -> None:
    """What is between the records of one batch the partition sees for itself."""
    keeper = Keeper()
    consumer: Any = type("Consumer", (BatchConsumer,), {"keeper": keeper})
    consumer = consumer.__new__(consumer)
    consumer._positions = {PLACE: start}
    wanted: list[int] = []
    position = start
    for offsets, markers in fetches:
        records = [position + place for place, is_record in enumerate(offsets) if is_record]
        end = position + len(offsets) + markers
        wanted += range(records[-1] + 1 if records else position, end)
        fetched = _Fetched({PLACE: [SimpleNamespace(offset=one) for one in records]})
        fetched.positions = {PLACE: end}
        consumer._tell_of_gaps(fetched)
        position = end
    assert keeper.passed == wanted


def test_where_nothing_was_fetched_before_no_gap_is_guessed() -> None:
    keeper = Keeper()
    consumer: Any = type("Consumer", (BatchConsumer,), {"keeper": keeper})
    consumer = consumer.__new__(consumer)
    consumer._positions = {}
    fetched = _Fetched()
    fetched.positions = {PLACE: 7}
    consumer._tell_of_gaps(fetched)
    assert keeper.passed == []


class StoppedThread:
    """Cancels what it is asked, as the consumer's thread does when it stops."""

    def _ensure_consumer(self) -> Any:
        return SimpleNamespace(commit=None)

    async def call_thread(self, *_: Any) -> None:
        raise asyncio.CancelledError


class BusyThread(StoppedThread):
    """Does not answer."""

    async def call_thread(self, *_: Any) -> None:
        await asyncio.sleep(3600)


def commits_by(thread: StoppedThread) -> Any:
    consumer: Any = BatchConsumer.__new__(BatchConsumer)
    consumer._thread = thread
    return consumer._commit({PLACE: 7})


def test_a_commit_that_the_stopping_thread_cancels_does_not_cancel_who_stops_it() -> None:
    assert asyncio.run(commits_by(StoppedThread())) is False


def test_who_is_cancelled_while_it_commits_ends() -> None:
    async def cancelled() -> None:
        task = asyncio.ensure_future(commits_by(BusyThread()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())


class UnplacedThread:
    """A thread whose consumer has no place to read from yet."""

    async def getmany(self, **_: Any) -> Any:
        raise NoOffsetForPartitionError(PLACE)


def test_a_partition_that_is_fetched_before_its_seek_gives_nothing_and_ends_nothing() -> None:
    consumer: Any = BatchConsumer.__new__(BatchConsumer)
    consumer.flow_active = True
    consumer._get_active_partitions = lambda: {PLACE}
    consumer._getmany = UnplacedThread().getmany
    assert asyncio.run(consumer._fetch(1.0)) == {}
