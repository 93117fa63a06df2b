"""The audit of a whole plant."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from deltalake import DeltaTable

from penstock import lake
from penstock.audit.difference import Difference
from penstock.audit.lake import TABLES, LakeAudit, LakeSource, audit_lake, lake_rows, lost_file
from penstock.audit.processors import Held, ProcessorAudit, audit_processor
from penstock.audit.scanning import Dead, Late, Scan, scan, scan_dead, scan_late
from penstock.errors import TopicError
from penstock.kafka import topics
from penstock.kafka.describe import Describer
from penstock.kafka.registry import Registry
from penstock.kafka.scan import Bounds
from penstock.lake.positions import Positions, number_of
from penstock.lake.tables import is_local
from penstock.processor import Processor, chosen
from penstock.settings.plant import Plant
from penstock.state.checkpoint import Meta
from penstock.state.reading import read_metas

_COMPACTED: Final = {one.name for one in topics.TOPICS if one.retention_ms is None}


@dataclass(slots=True)
class Audit:
    """What was compared, and what differs."""

    processors: list[ProcessorAudit] = field(default_factory=list)
    lake: list[LakeAudit] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"difference": len(self.differences), **asdict(self)}


def audit(
    plant: Plant, processors: Sequence[Processor] | None = None, *, quick: bool = False
) -> Audit:
    """Compare topics, states and lake; reads the sensor and feature topics whole.

    Args:
        plant: The configuration.
        processors: Instead of those that the configuration runs.
        quick: Do not read the lake's files whole.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
        RegistryUnavailableError: The registry does not answer.
        StateError: A state cannot be read.
    """
    registry = Registry(plant.registry)
    try:
        auditor = _Auditor(plant, registry, quick=quick)
        return auditor.run(chosen(plant) if processors is None else processors)
    finally:
        registry.close()


class _Auditor:
    def __init__(self, plant: Plant, registry: Registry, *, quick: bool) -> None:
        self._plant = plant
        self._quick = quick
        self._registry = registry
        self._describer = Describer(plant.kafka)
        self._scans: dict[str, dict[int, Scan]] = {}
        self._audit = Audit()

    def run(self, processors: Iterable[Processor]) -> Audit:
        # States and lake first, then the logs' ends: these then are behind all that was stored.
        metas = {p.name: (p, self._metas(p)) for p in processors}
        for name, settings in self._plant.sinks.items():
            if settings.type == "parquet":
                self._lake(name, settings)
        for processor, states in metas.values():
            self._processor(processor, states)
        return self._audit

    def _metas(self, processor: Processor) -> Mapping[int, Meta]:
        try:
            count = self._describer.topic(processor.state_topic).partitions
        except TopicError:  # it never ran
            return {}
        found = {}
        for number, described in read_metas(
            self._plant.kafka, processor.state_topic, range(count)
        ).items():
            if described is None:
                continue
            if isinstance(described.meta, Exception):
                raise described.meta
            found[number] = described.meta
        return found

    def _processor(self, processor: Processor, metas: Mapping[int, Meta]) -> None:
        if not metas:
            return
        found = {topic: (self._scan(topic), self._dead(topic), self._late(topic))
                 for topic in processor.topics}  # fmt: skip
        sampled = {one.topic: one.sampled for one in processor.reads}
        there = [topic for topic, (scans, *_) in found.items() if scans]
        ids = self._describer.topics(there) if there else {}
        for number, meta in sorted(metas.items()):
            if gone := [topic for topic, (scans, *_) in found.items() if number not in scans]:
                self._audit.differences += [
                    Difference(f"{processor.name}, {topic}[{number}]", "the partition is gone",
                               meta.inputs[topic].offset if topic in meta.inputs else 0, 0)
                    for topic in gone
                ]  # fmt: skip
                continue
            held = {
                topic: Held(
                    scans[number], dead, late, sampled[topic], topic in _COMPACTED, ids[topic].id
                )
                for topic, (scans, dead, late) in found.items()
            }
            rows, differences = audit_processor(processor.name, meta, held)
            self._audit.processors += rows
            self._audit.differences += differences

    def _lake(self, sink: str, settings: Any) -> None:
        path = str(settings.path)
        options = {key: value.get_secret_value() for key, value in settings.options.items()}
        # Before the tables: the sink tells Kafka of what is in them.
        group = f"{self._plant.environment}-{sink}"
        committed = {topic: self._describer.committed(group, topic) for topic in TABLES}
        if is_local(path) and not Path(path).exists() and any(committed.values()):
            what = "this folder is not here: ask where the lake's disk is; there, the lake is lost"
            self._audit.differences.append(Difference(path, what, 1, 0))
        checked = {name: lake.check_table(path, name, options, quick=self._quick)
                   for name in TABLES.values()}  # fmt: skip
        for topic, name in TABLES.items():
            found = checked[name]
            if found is not None:
                self._audit.differences += [lost_file(lost) for lost in found.lost]
            elif self._holds(topic) and (committed[topic] or any(checked.values())):
                # The sink makes all of its tables before it takes the first record.
                self._audit.differences.append(Difference(name, "the lake has no such table", 1, 0))
            if found is None or found.table is not None:  # else the check names why
                table = None if found is None else found.table
                self._table(table, sink, topic, committed[topic])

    def _table(
        self, table: DeltaTable | None, sink: str, topic: str, committed: Mapping[int, int]
    ) -> None:
        source, rows = LakeSource(sink, topic, "", {}, {}, committed), {}
        if table is not None:
            again = topics.retries(topic).name
            offsets, former = self._offsets(table, sink, topic)
            source = LakeSource(
                sink, topic, str(table.metadata().id), offsets,
                self._offsets(table, sink, again)[0], committed, former,
            )  # fmt: skip
            rows = lake_rows(table)
        audits, differences = audit_lake(source, rows, self._scan(topic), self._dead(topic))
        self._audit.lake += audits
        self._audit.differences += differences

    def _offsets(
        self, table: DeltaTable, sink: str, topic: str
    ) -> tuple[dict[int, int], frozenset[int]]:
        """Of a topic's partitions in a table the next offsets, and which are a former one's."""
        try:
            now = self._describer.topic(topic)
        except TopicError:
            return {}, frozenset()
        kept = Positions(self._plant.environment, sink, topic)
        known = {n: kept.read(table, n) for n in range(now.partitions)}
        found = {n: one for n, one in known.items() if one is not None}
        of = {None, number_of(now.id)}
        former = frozenset(n for n, one in found.items() if one.topic not in of)
        return {n: one.offset for n, one in found.items()}, former

    def _scan(self, topic: str) -> dict[int, Scan]:
        if topic not in self._scans:
            bounds = self._bounds(topic)
            self._scans[topic] = scan(self._plant.kafka, self._registry, topic, bounds)
        return self._scans[topic]

    def _holds(self, topic: str) -> bool:
        return any(len(one.counts) for one in self._scan(topic).values())

    def _dead(self, topic: str) -> Dead:
        return scan_dead(self._plant.kafka, topic, self._bounds)

    def _late(self, topic: str) -> Late:
        name = topics.late(topic).name
        return scan_late(self._plant.kafka, self._registry, name, self._bounds(name))

    def _bounds(self, topic: str) -> Bounds:
        try:
            count = self._describer.topic(topic).partitions
        except TopicError:
            return {}
        return self._describer.bounds(topic, range(count))
