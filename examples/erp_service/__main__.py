"""`python -m examples.erp_service`."""

import argparse
import signal
from pathlib import Path

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
    with Store(chosen.database) as store:
        follow(
            store,
            {"bootstrap.servers": chosen.bootstrap, "group.id": chosen.group},
            chosen.registry,
            chosen.topic or TOPICS,
            lambda: bool(stopping),
        )


main()
