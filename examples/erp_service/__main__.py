"""`python -m examples.erp_service`."""

import argparse
import signal
import sys
from pathlib import Path

from confluent_kafka import KafkaError

from examples.erp_service.service import TOPICS, Store, follow


def main() -> None:
    """Follow the topics until SIGINT or SIGTERM."""
    options = argparse.ArgumentParser(description="Keeps of each document the greatest version.")
    options.add_argument("--bootstrap", default="127.0.0.1:9092")
    options.add_argument("--registry", default="http://127.0.0.1:8081/apis/ccompat/v7")
    options.add_argument("--group", default="erp-service")
    options.add_argument("--database", type=Path, default=Path("erp.sqlite"))
    options.add_argument("--topic", action="append", help="Instead of Penstock's own.")
    chosen = options.parse_args()
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.append(1))
    topics = chosen.topic or TOPICS
    print(f"keeping {', '.join(topics)} in {chosen.database}; Ctrl-C ends it")

    def tell(error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            print(f"no Kafka answers at {chosen.bootstrap}: trying again", file=sys.stderr)

    kafka = {"bootstrap.servers": chosen.bootstrap, "group.id": chosen.group}
    kafka |= {"error_cb": tell, "log_level": 0}  # librdkafka itself would log every try
    with Store(chosen.database) as store:
        follow(store, kafka, chosen.registry, topics, lambda: bool(stopping))


main()
