"""`make soak`: window statistics under steady load for an hour; memory must not grow.

    python tests/faults/soak.py [--seconds 3600] [--rate 20000]

After a warm-up it prints, once a minute, the worker's resident memory and lag, and at the end the
slope of the memory over the second half. Exit code 1 where it grows by more than 1 % of itself per
hour and 5 MB, where the lag is not bounded, or where a window differs from the oracle.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

from window_rig import PER_EVENT, WindowRig

from penstock.local.stack import LocalStack

GROWTH_SHARE, GROWTH_BYTES = 0.01, 5e6
WARM_UP = 25_000_000
"""Samples, as fast as they go, until caches are full and all generations were collected."""


def soak(rig: WindowRig, seconds: float, rate: float) -> dict[str, float]:
    """Load a worker; gives the figures."""
    worker = rig.start()
    rig.await_log("restored")
    process = psutil.Process(worker.pid)
    while rig.fed < WARM_UP:
        rig.flow(1)
    rig.until(lambda: sum(rig.offsets().values()) == sum(rig.ends().values()))
    warm = rig.fed
    begun = reported = time.monotonic()
    memory, lags = list[tuple[float, int]](), list[int]()
    while (now := time.monotonic() - begun) < seconds:
        rig.flow(1)
        ahead = (rig.fed - warm) / rate - (time.monotonic() - begun)
        time.sleep(max(0.0, ahead))  # the pace of the load
        memory.append((now, process.memory_info().rss))
        if time.monotonic() - reported > min(60.0, seconds / 10):
            reported = time.monotonic()
            lags.append(sum(rig.ends().values()) - sum(rig.offsets().values()))
            print(f"{now:6.0f} s  {memory[-1][1] / 1e6:.0f} MB  lag {lags[-1]} records", flush=True)
    rig.close_windows()
    found = rig.compare()
    half = np.array(memory[len(memory) // 2 :])
    slope = float(np.polyfit(half[:, 0] / 3600, half[:, 1], 1)[0])
    worker.terminate()
    worker.wait(30)
    return {
        "seconds": seconds, "samples": rig.fed - warm, "lost": found.lost, "twice": found.twice,
        "wrong": len(found.wrong), "memory": float(half[:, 1].mean()), "bytes_per_hour": slope,
        "lag": max(lags[len(lags) // 2 :], default=0),
    }  # fmt: skip


def main() -> int:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--rate", type=float, default=20_000.0, help="samples/s")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stack = LocalStack(Path(folder) / "stack", kafka_port=0, registry_port=0)
        stack.up()
        try:
            kafka = stack.kafka_settings().model_copy(update={"partitions": 4})
            rig = WindowRig(kafka, stack.registry_settings(), "soak", Path(folder))
            found = soak(rig, asked.seconds, asked.rate)
        finally:
            stack.down()
    print(json.dumps(found, indent=1))
    grows = found["bytes_per_hour"] > GROWTH_SHARE * found["memory"] + GROWTH_BYTES
    behind = found["lag"] > 10 * asked.rate / PER_EVENT
    return int(bool(grows or behind or found["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
