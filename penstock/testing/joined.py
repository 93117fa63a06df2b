"""Feeds an operator of several topics, for `penstock.testing.determinism`."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar, NamedTuple, Protocol


class Of(NamedTuple):
    """A record and the topic that it lies in."""

    topic: str
    record: Any


class _Feed(Protocol):
    """As much as is needed of the feed of one topic."""

    def batch(self, records: Sequence[Any], first: int, step: int = 1) -> Any: ...
    def closing(self, records: Sequence[Any]) -> list[Any]: ...
    def broken(self, batch: Any) -> Iterable[Any]: ...


class JoinedFeed:
    """Makes batches of one topic each, of records that are `Of` several.

    Args:
        feeds: By topic.
    """

    host_drops_duplicates: ClassVar[bool] = False

    def __init__(self, feeds: Mapping[str, _Feed]) -> None:
        self._feeds = feeds
        self._topic = next(iter(feeds))

    def batch(self, records: Sequence[Of], first: int, step: int = 1) -> Any:
        """The batch of consecutive records of one topic."""
        self._topic = records[0].topic if records else self._topic
        return self._feeds[self._topic].batch([one.record for one in records], first, step)

    def closing(self, records: Sequence[Of]) -> list[Of]:
        """Of each topic what makes an operator publish all that it knows."""
        return [
            Of(topic, one)
            for topic, feed in self._feeds.items()
            for one in feed.closing([each.record for each in records if each.topic == topic])
        ]

    def broken(self, batch: Any) -> Iterable[Any]:
        """Batches that an operator must refuse, in place of the last one that was made."""
        return self._feeds[self._topic].broken(batch)

    def shuffled(
        self, records: Sequence[Of], out_of_order: int, source: random.Random
    ) -> tuple[list[Of], list[Of]]:
        """The records as they are, and in another order of topics."""
        return list(records), interleaved(records, source)


def by_topic(records: Sequence[Any]) -> Iterator[list[Any]]:
    """Runs of consecutive records of one topic; of records that say no topic a single one."""
    if not records:
        yield []
    for _, found in groupby(records, lambda one: one.topic if isinstance(one, Of) else ""):
        yield list(found)


def interleaved(records: Sequence[Of], source: random.Random) -> list[Of]:
    """Another order of records of several topics, in which those of each keep theirs."""
    order = [one.topic for one in records]
    source.shuffle(order)
    left = {topic: iter([one for one in records if one.topic == topic]) for topic in set(order)}
    return [next(left[topic]) for topic in order]
