"""The example of a downstream service on a real Kafka: replays and kills change nothing."""

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

from confluent_kafka import Producer

from penstock.codec.records import encode_record
from penstock.codec.wire import frame
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import producer_options
from penstock.kafka.registry import Registry
from penstock.kafka.topics import Topic
from sinks.maintenance import request

ROOT = Path(__file__).parents[2]
DEADLINE = 60.0


def alert(name, state="raised", severity="high", **more):
    return {
        "id": name, "asset": f"acme/bremen/line1/{name}", "cause": "anomaly/pca",
        "severity": severity, "state": state, "message": f"{name} is strange",
        "onset": 1, "raised": 2, "cleared": None, "acknowledged_by": None,
        "evidence": {"words": ["oil: 61 %"]},
    } | more  # fmt: skip


def rows(database, table="documents"):
    if not database.exists():
        return []
    with closing(sqlite3.connect(database)) as read:
        try:
            return read.execute(f"select * from {table} order by 1, 2").fetchall()
        except sqlite3.OperationalError:  # it has not made its tables yet
            return []


def until(condition):
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@contextmanager
def service(kafka, registry, topic, database):
    command = [
        sys.executable, "-m", "examples.erp_service", "--bootstrap", kafka.bootstrap,
        "--registry", registry.url, "--group", topic, "--database", str(database),
        "--topic", topic,
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_each_document_is_kept_once_in_its_greatest_version(kafka, registry, unique, tmp_path):
    database = tmp_path / "erp.sqlite"
    ensure_topics(kafka, [Topic(unique, "MaintenanceRequest", 3_600_000)])
    schema = Registry(registry).register(unique, "MaintenanceRequest")
    producer = Producer(producer_options(kafka))

    def send(value):
        producer.produce(unique, key=b"k", value=value)

    def framed(document):
        return frame(schema, encode_record("MaintenanceRequest", document))

    documents = [request(alert(f"m{n}"), 10 * n + v) for n in range(20) for v in (1, 2, 3)]
    random.Random(1).shuffle(documents)  # an older version may come after a newer one
    for document in documents:
        send(framed(document))
    send(b"this is no Avro")
    send(frame(schema, b"\x02"))
    send(None)
    producer.flush()
    wanted = {(f"m{n}", 10 * n + 3) for n in range(20)}

    def kept():
        return {(row[1], row[2]) for row in rows(database)}

    with service(kafka, registry, unique, database) as process:
        until(lambda: kept() == wanted and len(rows(database, "refused")) == 3)
        process.send_signal(signal.SIGKILL)
    before = rows(database)
    assert json.loads(before[0][3])["Description"][1] == "oil: 61 %"

    for document in documents:  # a replay of all that was ever sent
        send(framed(document))
    send(framed(request(alert("m7", "cleared", cleared=5), 99)))
    producer.flush()
    with service(kafka, registry, unique, database) as process:
        until(lambda: ("m7", 99) in kept())
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    after = rows(database)
    assert [row for row in after if row[1] != "m7"] == [row for row in before if row[1] != "m7"]
    changed = json.loads(next(row for row in after if row[1] == "m7")[3])
    assert (changed["RequestState"], changed["EndTime"]) == (
        "Ended",
        "1970-01-01 00:00:00.000005+00:00",
    )
    assert len(rows(database, "refused")) == 3
