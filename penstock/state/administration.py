"""Carries out what people command of a processor: park, resume, reset."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from penstock.clock import Clock, now
from penstock.errors import RunningError, StateError
from penstock.kafka.admin import ensure_topics
from penstock.kafka.describe import Describer
from penstock.kafka.topics import control as control_topic
from penstock.kafka.topics import state as state_topic
from penstock.processor import Processor
from penstock.settings.plant import Plant
from penstock.state.checkpoint import Meta, Parked
from penstock.state.control import Control, read_control, write_control
from penstock.state.fencing import let_go, open_producer, transactional_id
from penstock.state.layout import Described
from penstock.state.reading import read_metas


class Administration:
    """Commands to one processor. All methods block.

    Args:
        plant: Where Kafka is, and the environment's name.
        processor: Which one.
        clock: Says when a command was given.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
    """

    def __init__(self, plant: Plant, processor: Processor, clock: Clock = now) -> None:
        self._processor = processor
        self._plant = plant
        self._clock = clock
        self._describer = Describer(plant.kafka)
        self._topic = self._processor.control_topic
        needed = [control_topic(self._topic), state_topic(self._processor.state_topic)]
        ensure_topics(plant.kafka, needed)

    def park(self, reason: str) -> Control:
        """Let all workers store what they have and stand still, until resumed."""
        return self._write(replace(self._read(), parked=Parked(reason, self._clock())))

    def resume(self) -> Control:
        """Let everything go on, also partitions that were parked because they kept failing."""
        metas = _readable(self._described()).values()
        parked = [meta.parked.since for meta in metas if meta.parked]
        # Who parked them may have had a clock that was ahead.
        resumed = max([self._clock(), *parked])
        return self._write(replace(self._read(), parked=None, resumed=resumed))

    def reset(self, time: int | None) -> Control:
        """Begin a new epoch: empty state, from a time on or from the first record that is kept.

        Its results are published beside the old ones, with greater versions; the old state is kept
        until the new one has come as far.

        Args:
            time: Microseconds since 1970; None for the first record. Records that were appended
                from the processor's `lead` before it on are read. Of windows that begin before it
                and were told of what is known stands.

        Raises:
            StateError: The time lies ahead: all that the topics hold would be skipped.
            RunningError: Workers are running and not parked.
        """
        if time is not None and time > self._clock():
            msg = "the time to start from lies ahead: all that is kept would be skipped"
            raise StateError(msg, where=self._processor.name, remedy="name a time that is past")
        control, numbers = self._read(), range(self._plant.kafka.partitions)
        group = f"{self._plant.environment}-{self._processor.name}"
        workers = self._describer.members(group)
        if workers and not control.parked:
            msg = f"it has running workers ({workers})"
            raise RunningError(
                msg, where=self._processor.name, remedy="stop them, or park it first"
            )
        self._fence()
        starts = {topic: self._starts(topic, numbers, time) for topic in self._processor.topics}
        described = self._described()
        behind: dict[str, dict[int, int]] = {topic: {} for topic in starts}
        for number, meta in _readable(described).items():
            for topic, one in meta.inputs.items():
                behind.setdefault(topic, {})[number] = one.offset
        marks = {n: meta.watermarks.greatest for n, meta in _readable(described).items()}
        told = {number: mark for number, mark in marks.items() if mark is not None}
        # Who began the epoch before may have had a clock that was ahead.
        known = [control.epoch, *(one.epoch for one in described.values())]
        epoch = max(self._clock() // 1000, max(known) + 1)
        return self._write(
            replace(control, epoch=epoch, starts=starts, behind=behind, resumed=self._clock(),
                    since=time or 0, told=told)
        )  # fmt: skip

    def _starts(self, topic: str, numbers: Sequence[int], time: int | None) -> dict[int, int]:
        if time is not None:
            return self._describer.offsets_at(topic, numbers, time - self._processor.lead)
        return {n: first for n, (first, _) in self._describer.bounds(topic, numbers).items()}

    def _described(self) -> dict[int, Described]:
        """The newest description of each partition that has one."""
        numbers = range(self._plant.kafka.partitions)
        metas = read_metas(self._plant.kafka, self._processor.state_topic, numbers)
        return {number: found for number, found in metas.items() if found is not None}

    def _fence(self) -> None:
        """See that no worker that sleeps now writes old state when it wakes."""
        numbers = range(self._plant.kafka.partitions)

        def fence(number: int) -> None:
            name = transactional_id(self._plant.environment, self._processor.name, number)
            let_go(open_producer(self._plant.kafka, name, self._processor.state_topic))

        with ThreadPoolExecutor(len(numbers)) as executor:
            list(executor.map(fence, numbers))

    def _read(self) -> Control:
        return read_control(self._plant.kafka, self._topic)

    def _write(self, control: Control) -> Control:
        write_control(self._plant.kafka, self._topic, control)
        return control


def _readable(described: Mapping[int, Described]) -> dict[int, Meta]:
    return {n: one.meta for n, one in described.items() if isinstance(one.meta, Meta)}
