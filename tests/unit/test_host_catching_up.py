"""Batches that wait for a schema are taken in whoever owns their partition when it comes."""

import asyncio
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from streams.host.app import _agent


class Intake:
    """Two owners after one another, each with a batch that waits."""

    def __init__(self) -> None:
        self.waiting = 2

    def waits(self, _number: int) -> bool:
        return self.waiting > 0

    async def take(self, *_: Any) -> bool:
        return False

    async def catch_up(self, _number: int) -> None:
        self.waiting -= 1


def test_a_batch_of_a_new_owner_is_not_left_behind() -> None:
    intake, resumed, tasks = Intake(), list[set[TP]](), list[Any]()
    consumer = SimpleNamespace(pause_partitions=lambda _: None, resume_partitions=resumed.append)
    app = SimpleNamespace(consumer=consumer, add_future=tasks.append)
    host = SimpleNamespace(intake=intake, owned={3: object()})

    class Stream:
        async def events(self) -> Any:
            tp = TP("ot.t.v1", 3)
            message = SimpleNamespace(topic=tp.topic, partition=tp.partition, tp=tp)
            yield SimpleNamespace(message=message, value=(1, []))

    async def run() -> None:
        await _agent(app, host, ["ot.t.v1"])(Stream())  # type: ignore[arg-type]
        for task in tasks:
            await task

    asyncio.run(run())
    assert intake.waiting == 0
    assert resumed == [{TP("ot.t.v1", 3)}]
