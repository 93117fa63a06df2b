"""What ends a connector's process, and what counts as success of its link; without Kafka."""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

import pytest
import structlog
from prometheus_client import REGISTRY

from penstock.connector import Batch, Sample
from penstock.errors import DeviceError
from penstock.health import Status
from penstock.quality import BAD_NO_COMMUNICATION, GOOD
from penstock.runtime import connectors
from penstock.runtime.backoff import Backoff
from penstock.runtime.connectors import ConnectorRunner
from penstock.runtime.freshness import Freshness
from penstock.runtime.lately import Lately
from penstock.runtime.publisher import Publisher
from penstock.testing.connectors import ListConnector


class NoKafka:
    """A publisher whose samples go nowhere."""

    undelivered_seconds = 0.0

    def __init__(self) -> None:
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def add(self, samples: Sequence[Sample], acknowledge: Callable[[], None]) -> None:
        acknowledge()

    def put(self, samples: Sequence[Sample]) -> None:
        pass

    async def drain(self, timeout: float) -> int:
        return 0


class Counted(Backoff):
    """No waiting; the number of resets."""

    resets = 0

    def next(self) -> float:
        return 0.0

    def reset(self) -> None:
        Counted.resets += 1


def runner(
    connector: ListConnector, backoff: Backoff | None = None, status: Status | None = None
) -> ConnectorRunner:
    return ConnectorRunner(connector, cast("Publisher", NoKafka()), status or Status(), backoff)


async def test_a_failed_watch_over_stale_tags_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> list[Sample]:
        raise ValueError("a bug")

    monkeypatch.setattr(connectors, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(Freshness, "newly_stale", broken)
    connector = ListConnector([[Sample("press", "power", 1.5, 0)]])
    with pytest.raises(ValueError, match="a bug"):
        await asyncio.wait_for(runner(connector).run(asyncio.Event()), 10)
    assert connector.stops == 1


@pytest.mark.parametrize(("quality", "resets"), [(GOOD, 1), (BAD_NO_COMMUNICATION, 0)])
async def test_only_a_good_sample_ends_the_waits_for_a_link(
    monkeypatch: pytest.MonkeyPatch, quality: int, resets: int
) -> None:
    monkeypatch.setattr(Counted, "resets", 0)
    sample = Sample("press", "power", 1.5, 0, quality=quality)
    connector = ListConnector([[sample, sample], DeviceError("unplugged")])
    stopping = asyncio.Event()
    running = asyncio.create_task(runner(connector, Counted()).run(stopping))
    async with asyncio.timeout(10):
        while connector.starts < 2:
            await asyncio.sleep(0)
    stopping.set()
    await running
    assert Counted.resets == resets


def errors(source: str) -> float:
    return REGISTRY.get_sample_value("penstock_connector_errors_total", {"source": source}) or 0.0


@pytest.mark.parametrize("loss", [DeviceError("unplugged"), ValueError("a bug")])
async def test_a_lost_link_counts_as_one_error_and_stays_the_last_one(
    monkeypatch: pytest.MonkeyPatch, loss: Exception, unique: str
) -> None:
    monkeypatch.setattr(connectors, "TICK_SECONDS", 0.01)
    connector = ListConnector([[], loss, []], name=unique)
    connector.meter.errors, connector.meter.last_error = 2, "two requests failed before"
    status, stopping = Status(), asyncio.Event()
    running = asyncio.create_task(runner(connector, Counted(), status).run(stopping))
    async with asyncio.timeout(10):
        while connector.starts < 2:
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)  # several looks of the watch, none of which may change it
    stopping.set()
    await running
    assert errors(unique) == 3
    assert str(loss) in status.report()["last_error"]


class Recorded(NoKafka):
    """Keeps what the runner adds of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.flags: list[Sample] = []

    def put(self, samples: Sequence[Sample]) -> None:
        self.flags.extend(samples)


async def test_history_says_nothing_of_how_a_tag_is_now() -> None:
    now = Sample("press", "power", 9.5, 2_000_000)
    old = Sample("press", "power", 1.5, 1_000_000)
    gone = Sample("press", "retired", 1.5, 1_000_000)
    steps = [[now], Batch([old, gone], historical=True), DeviceError("unplugged")]
    connector, publisher = ListConnector(steps), Recorded()
    stopping = asyncio.Event()
    running = asyncio.create_task(
        ConnectorRunner(connector, cast("Publisher", publisher), Status(), Counted()).run(stopping)
    )
    async with asyncio.timeout(10):
        while connector.starts < 2:
            await asyncio.sleep(0)
    stopping.set()
    await running
    (flag,) = publisher.flags
    assert (flag.tag, flag.value, flag.quality) == ("power", 9.5, BAD_NO_COMMUNICATION)
    assert flag.source_time > now.source_time


async def test_each_error_of_a_source_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, unique: str
) -> None:
    monkeypatch.setattr(connectors, "TICK_SECONDS", 0.001)
    connector, stopping = ListConnector(name=unique), asyncio.Event()
    meter = connector.meter
    with structlog.testing.capture_logs() as logged:
        running = asyncio.create_task(runner(connector).run(stopping))
        async with asyncio.timeout(10):
            for text in ("q has no 'Weight'", "q has no 'Weight'", "sequence number 7, not 5"):
                meter.errors, meter.last_error = meter.errors + 1, text
                while errors(unique) < meter.errors:
                    await asyncio.sleep(0)
        stopping.set()
        await running
    told = [one["error"] for one in logged if one["event"] == "source error"]
    assert told == ["q has no 'Weight'", "sequence number 7, not 5"]


def test_an_error_is_logged_again_after_a_while_and_never_many_at_once() -> None:
    lately = Lately(connectors.MOST_TEXTS)
    times = (0.0, 59.0, 60.0, 61.0)
    assert [lately.is_new("a", now) for now in times] == [True, False, True, False]
    new = sum(lately.is_new(f"payload {number}", 61.0) for number in range(100))
    assert new == connectors.MOST_TEXTS - 1
