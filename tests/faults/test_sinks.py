"""Sinks that write in transactions, frozen and woken: each sample is there once."""

import itertools
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from flatten_rig import EVENTS, FlattenRig, Row

from penstock.settings.plant import KafkaSettings, RegistrySettings

pytestmark = pytest.mark.faults
Record = Callable[[str, object], None]


def test_a_sink_frozen_past_its_session_then_woken(
    kafka: KafkaSettings, registry: RegistrySettings, unique: str, tmp_path: Path, full: bool,
    chance: random.Random, record_property: Record,
) -> None:  # fmt: skip
    """Of two that share the partitions one is frozen in its work, until the other has done it."""
    rig = FlattenRig(tmp_path, unique, kafka, registry)
    rounds, fed, numbers = (6 if full else 1), Counter[Row](), itertools.count(0, EVENTS)
    with ExitStack() as stack:
        sinks = {name: stack.enter_context(rig.flattening(name)) for name in ("one", "other")}
        for _ in range(rounds):
            for name in [name for name, sink in sinks.items() if sink.poll() is not None]:
                sinks[name] = stack.enter_context(rig.flattening(name))  # it was fenced
            fed.update(rig.feed(next(numbers)))
            rig.until(fed.total())
            fed.update(rig.feed(next(numbers)))
            time.sleep(chance.uniform(0.0, 0.3))  # where in its work it is hit
            frozen = chance.choice([*sinks.values()])
            frozen.send_signal(signal.SIGSTOP)
            fed.update(rig.feed(next(numbers)))
            rig.until(fed.total())
            frozen.send_signal(signal.SIGCONT)
        fed.update(rig.feed(next(numbers)))
        rig.until(fed.total())
    found = Counter(rig.rows())
    record_property("samples", fed.total())
    record_property("faults", rounds)
    record_property("lost", (fed - found).total())
    record_property("twice", (found - fed).total())
    assert found == fed
