"""Makes the input's messages and puts them into a topic."""

import time
from collections.abc import Iterator, Sequence

import numpy as np
from confluent_kafka import Producer
from numpy.typing import NDArray

from bench.cluster import Cluster
from bench.workload import SOURCE, Truth, Workload
from penstock.codec import avro_write as write
from penstock.codec.wire import frame
from penstock.kafka.client import producer_options


class Encoder:
    """SensorEvents of a workload, as bytes; what repeats is encoded once."""

    def __init__(self, workload: Workload, schema_id: int) -> None:
        self._load = workload
        names = workload.asset_names
        self.keys = [name.encode() for name in names]
        ends = write.string(SOURCE) + write.string(f"{time.time_ns():x}")
        self._heads = [frame(schema_id, write.string(name) + ends) for name in names]
        if workload.single:
            self._columns = [
                write.strings([tag]) + write.ints(np.ones(1, np.int64)) + write.doubles(np.zeros(1))
                for tag in workload.tag_names
            ]
        else:
            tags = write.strings(workload.tag_names)
            self._columns = [
                tags + write.ints(counts) + write.doubles(offsets)
                for counts, offsets in workload.patterns
            ]
        self._before = b"\0" + write.long(1 if workload.single else workload.per_report)
        self._after = bytes(4)  # the end of `values`; no texts, no kinds, all good

    def round(self, number: int, values: NDArray[np.float64]) -> Iterator[tuple[bytes, bytes]]:
        """(key, message) of each report of a round."""
        load, body = self._load, values.astype("<f8").tobytes()
        size = 8 * load.per_report
        order: Sequence[int] = range(load.assets)
        for asset in order:
            block = body[asset * size : (asset + 1) * size]
            start = load.start(number, asset)
            times = write.long(start) + write.long(start + load.span)
            key, head = self.keys[asset], self._heads[asset]
            if load.single:
                for tag, column in enumerate(self._columns):
                    sequence = write.long(number * load.tags + tag)
                    value = block[8 * tag : 8 * tag + 8]
                    parts = (head, sequence, times, column, self._before, value, self._after)
                    yield key, b"".join(parts)
            else:
                column = self._columns[load.pattern(number, asset)]
                sequence = write.long(number)
                parts = (head, sequence, times, column, self._before, block, self._after)
                yield key, b"".join(parts)


def publish(cluster: Cluster, workload: Workload, topic: str, schema_id: int) -> Truth:
    """Fill a topic with the workload; gives what its windows hold."""
    truth, encoder = Truth(workload), Encoder(workload, schema_id)
    producer = Producer(
        producer_options(cluster.kafka, linger_ms=50, queue_buffering_max_messages=1_000_000)
    )
    for number, values in workload.values():
        truth.add(number, values)
        for key, message in encoder.round(number, values):
            while True:
                try:
                    producer.produce(topic, message, key)
                    break
                except BufferError:
                    producer.poll(0.05)
        producer.poll(0)
    if producer.flush(60):
        raise TimeoutError(topic)
    return truth
