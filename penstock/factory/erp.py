"""The factory's ERP system, as far as there is one: it writes the lines' orders to Kafka.

Each order is there before its line begins it, with the dates that planners
had in mind: one order after the other at the line's constraint, without failures or breaks.
"""

import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from penstock import logs
from penstock.clock import now
from penstock.codec.records import encode_record
from penstock.codec.wire import frame
from penstock.errors import PenstockError
from penstock.factory.equipment import KINDS
from penstock.factory.layout import LINES, SITE, Line
from penstock.factory.machine import Machine
from penstock.factory.model import ERP, Factory, read_factory
from penstock.factory.schedule import (
    CYCLE_US,
    order_id,
    pieces_per_minute,
    product_of,
    quantities,
)
from penstock.kafka.admin import ensure_topics
from penstock.kafka.producers import SyncProducer
from penstock.kafka.registry import Registry
from penstock.kafka.topics import ORDERS
from penstock.runtime.process import on_stop_signal
from penstock.settings.plant import KafkaSettings, RegistrySettings

AHEAD: Final = 3
"""Orders that are released before the line needs them."""
_LOOK_SECONDS: Final = 0.5
_ANSWER_SECONDS: Final = 2.0
"""For which Kafka is waited; whoever stops the factory need not wait much longer."""
_WRAP: Final = 100_000
"""After so many orders their names are used again, in a new version."""


class LineOrders:
    """The orders of one line, as its planners release them.

    Args:
        factory: The factory.
        line: The line.
    """

    def __init__(self, factory: Factory, line: Line) -> None:
        # All machines of a line are at the same order.
        self._machine = Machine(line.places[0], seed=factory.seed, speed=factory.speed)
        self._orders = _planned(factory, line)
        self._released = 0

    def released(self, cycle: int) -> list[dict[str, Any]]:
        """The ProductionOrders that are released by a cycle and were not given before.

        The first time these are all those that are in work, too.
        """
        self._machine.advance(cycle)
        number = self._machine.segment.order.number
        first = self._released + 1 if self._released else number
        found = []
        while self._released < number + AHEAD:
            self._released, order = next(self._orders)
            if self._released >= first:
                found.append(order)
        return found


def _planned(factory: Factory, line: Line) -> Iterator[tuple[int, dict[str, Any]]]:
    """All orders of a line with their numbers, one after the other."""
    constraint = next(place for place in line.places if place.name == line.constraint)
    profile = KINDS[constraint.kind].profile
    wanted = quantities(factory.seed, constraint.line)
    start = factory.t0
    for number in count(1):
        quantity, product = next(wanted), product_of(number)
        seconds = profile.setup + quantity * 60.0 / pieces_per_minute(profile, product)
        end = start + round(seconds * 1e6 / factory.speed)
        yield (
            number,
            {
                "ID": order_id(constraint.line, number),
                "Version": number // _WRAP + 1,
                "HierarchyScope": f"{SITE}/{line.path}",
                "StartTime": start,
                "EndTime": end,
                "RequestState": "Released",
                "MaterialRequirement": [
                    {
                        "MaterialDefinitionID": str(product),
                        "MaterialUse": "Produced",
                        "Quantity": float(quantity),
                        "UnitOfMeasure": "EA",
                    }
                ],
            },
        )
        start = end


def run_erp(folder: Path) -> None:
    """Write orders until SIGTERM or Ctrl-C; while Kafka or the registry is away, they wait.

    Raises:
        FactoryError: There is no such factory.
    """
    factory = read_factory(folder)
    logs.configure(f"factory/{ERP}")
    stopping: list[bool] = []
    on_stop_signal(lambda: stopping.append(True))
    # The rest of the plant's configuration is no business of an ERP system.
    settings = YAML(typ="safe").load(factory.plant)
    writer = _Writer(
        KafkaSettings.model_validate(settings["kafka"]),
        Registry(RegistrySettings.model_validate(settings["registry"])),
    )
    lines = [LineOrders(factory, line) for line in LINES]
    waiting: list[dict[str, Any]] = []
    said = ""
    while not stopping:
        cycle = (now() - factory.t0) // CYCLE_US
        waiting += [order for line in lines for order in line.released(cycle)]
        try:
            writer.write(waiting)
            say = f"orders go to {ORDERS.name}"
        except PenstockError as error:
            if not error.transient:
                raise
            say = "orders wait until Kafka and the registry answer"
        if say != said:
            said = say
            sys.stdout.write(f"{ERP}: {said}\n")
            sys.stdout.flush()
        time.sleep(_LOOK_SECONDS)


class _Writer:
    """Writes orders to Kafka.

    Args:
        kafka: Where it is.
        registry: Of the schema.
    """

    def __init__(self, kafka: KafkaSettings, registry: Registry) -> None:
        self._kafka, self._registry = kafka, registry
        self._producer = SyncProducer(kafka, f"factory-{ERP}")
        self._schema: int | None = None

    def write(self, orders: list[dict[str, Any]]) -> None:
        """Write these orders, which are taken out of the list, and those that Kafka refused.

        Raises:
            KafkaUnavailableError: Kafka does not answer.
            RegistryUnavailableError: The registry does not answer.
            TopicError: The topic is not what its contract says.
        """
        if self._schema is None:
            ensure_topics(self._kafka, [ORDERS], timeout=_ANSWER_SECONDS)
            self._schema = self._registry.register(ORDERS.name, str(ORDERS.record))
        for order in orders:
            message = frame(self._schema, encode_record(str(ORDERS.record), order))
            self._producer.send(ORDERS.name, order["ID"].encode(), message)
        orders.clear()  # the producer keeps what Kafka does not have yet
        self._producer.flush(_ANSWER_SECONDS)
