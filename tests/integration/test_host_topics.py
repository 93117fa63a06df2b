"""A processor of two topics on a real broker: exact after kills, whatever order they come in."""

import importlib.util
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from penstock.codec.records import decode_record
from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame, unframe
from penstock.kafka import topics
from penstock.kafka.admin import ensure_topics
from penstock.state.overview import overview
from schemas import schema_text

_spec = importlib.util.spec_from_file_location("host_rig", Path(__file__).with_name("host_rig.py"))
assert _spec is not None and _spec.loader is not None
host_rig = sys.modules.setdefault("host_rig", importlib.util.module_from_spec(_spec))
if not hasattr(host_rig, "Rig"):
    _spec.loader.exec_module(host_rig)
rig = host_rig.rig
Rig: Any = host_rig.Rig
event, ASSETS, SAMPLES = host_rig.event, host_rig.ASSETS, host_rig.SAMPLES


@pytest.fixture
def both(rig: Rig) -> Iterator[Rig]:
    """A rig whose processor reads two topics."""
    rig.arguments = replace(rig.arguments, behaviour=("joins",))
    _, rig.more = rig.arguments.processor().topics
    contracts = [
        topics.Topic(rig.more, "SensorEvent", topics.DAY_MS),
        topics.dead_letters(rig.more),
        topics.late(rig.more),
    ]
    rig.contracts += contracts
    yield rig


def feed_more(rig: Rig, first: int, events: int) -> None:
    """Publish to the second topic, of other sessions."""
    for number in range(first, first + events):
        asset = f"acme/hall/a{number % ASSETS}"
        values = [float(number * SAMPLES + i) for i in range(SAMPLES)]
        one = event(asset, number // ASSETS, values, session="more")
        rig.raw(asset, frame(rig.schema, encode(one)), rig.more)
        rig.expected.add(values)
    rig.producer.flush()


def published(rig: Rig) -> list[tuple[tuple[int, Any, int], int]]:
    """Versions and counts of all results, in each asset's order."""
    found = []
    for message in rig.await_messages(rig.writes, 1):
        text = schema_text("WindowStatistics")
        datum = decode_record(unframe(message.value())[1], text, "WindowStatistics")
        version = datum["version"]
        key = (version["epoch"], tuple(version["offsets"]), version["emission"])
        found.append((datum["asset"], key, datum["count"][0]))
    return found


def test_two_topics_are_counted_once_through_kills(both: Rig) -> None:
    rig = both
    ensure_topics(rig.kafka, rig.contracts)
    worker = rig.start()
    for round_ in range(3):
        rig.await_log("restored", len(rig.workers))
        rig.feed(400)
        feed_more(rig, 400 * round_, 400)
        rig.raw("acme/hall/a0", b"nonsense", rig.more)
        rig.producer.flush()
        time.sleep(0.3)  # not a wait for a state: where in its work the worker is hit
        worker.kill()
        worker.wait()
        worker = rig.start()
    rig.await_exact()
    rig.until(lambda: all(one.lag == 0 for one in look(rig)))
    by_topic = {topic: [one for one in look(rig) if one.topic == topic] for topic in
                (rig.reads, rig.more)}  # fmt: skip
    assert [sum(one.records["processed"] for one in found) for found in by_topic.values()] == [
        1200,
        1200,
    ]
    assert [sum(one.records["dead"] for one in found) for found in by_topic.values()] == [0, 3]
    assert len(rig.await_messages(topics.dead_letters(rig.more).name, 3)) >= 3
    check_one_history(published(rig))
    feed_more(rig, 1200, 1)  # the worker that runs now may have found nothing left to do
    rig.until(lambda: 'topic="' + rig.more in rig.metrics(worker))


def check_one_history(found: list[tuple[str, Any, int]]) -> None:
    """No result is of a state that a crash undid: of each version one count, and it only grows."""
    counts: dict[tuple[str, Any], int] = {}
    for asset, version, count in found:
        assert counts.setdefault((asset, version), count) == count
    last: dict[str, int] = {}
    vectors: dict[str, tuple[int, ...]] = {}
    for (asset, version), count in sorted(counts.items(), key=lambda one: one[0][1]):
        assert count >= last.get(asset, 0)
        before = vectors.get(asset, (0, 0))
        assert all(a <= b for a, b in zip(before, version[1], strict=True)), (before, version)
        last[asset], vectors[asset] = count, version[1]


def look(rig: Rig) -> Any:
    return overview(rig.arguments.plant(), rig.arguments.processor()).partitions


def test_topics_of_other_partition_counts_are_refused(both: Rig) -> None:
    rig = both
    others = [one for one in rig.contracts if one.name == rig.more]
    ensure_topics(rig.kafka.model_copy(update={"partitions": 2}), others)
    ensure_topics(rig.kafka, [one for one in rig.contracts if one.name != rig.more])
    assert rig.start().wait(40) == 1
    assert rig.said("topics that are read together have different numbers of partitions")
